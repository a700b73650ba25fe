"""What an examination says: what was seen, what is wanted, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether something is wrong, or only worth knowing."""

    PROBLEM = "problem"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was found; `id` is a word that scripts can rely on, `about` names the object.

    Nothing in it comes from a Secret.
    """

    id: str
    severity: Severity
    about: str
    seen: str
    wanted: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be looked at, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found, problems first, and what could not be looked at."""

    findings: Sequence[Finding]
    unknown: Sequence[Unknown]

    @property
    def has_problems(self) -> bool:
        """Whether something is wrong."""
        return any(each.severity is Severity.PROBLEM for each in self.findings)
