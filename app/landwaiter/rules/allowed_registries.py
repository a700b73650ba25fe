"""
Every image comes from where the admin allows.

Refused:  an image that a pattern in `deny` covers, whatever `allow` says; where `allow` is
          given, an image that none of its patterns covers.
Admitted: everything else. `deny` alone allows the rest.
Limits:   the name is judged, not where a node's mirror configuration takes it from.
Source:   design, semantics 2 and 3; what patterns cover is told in `images/patterns.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from landwaiter.images.patterns import ImagePattern
from landwaiter.rules.protocol import Facts, Question, RuleId, Unpinned, Violation
from landwaiter.rules.settings import PatternField, RuleSettings
from landwaiter.workloads.values import ImageUse

PATTERNS_MAX = 1000
_NAMED = 5
"""How many of the allowed patterns a message names before it counts the others."""


@dataclass(frozen=True, slots=True)
class AllowedRegistries:
    """Refuses images by their names; `allow` empty allows whatever is not denied."""

    id: ClassVar[RuleId] = RuleId("allowedRegistries")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = True
    unpinned: ClassVar[Unpinned] = "Deny"

    allow: tuple[ImagePattern, ...] = ()
    deny: tuple[ImagePattern, ...] = ()

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        """Ask for nothing: the name says it all."""
        return ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | None:
        """Return what is wrong with one image use, None where nothing is."""
        if (pattern := _first_match(self.deny, use)) is not None:
            return Violation(
                self.id,
                reason="denied registry",
                detail=f"{_seen(use)} is denied by {pattern}; an image from elsewhere is wanted",
                remedy="use an image that is not denied, or ask the cluster's admin",
            )
        if not self.allow or _first_match(self.allow, use) is not None:
            return None
        return Violation(
            self.id,
            reason="registry not allowed",
            detail=f"{_seen(use)} is not allowed; wanted: {self._wanted(use)}",
            remedy="copy the image to one of these places, or ask the cluster's admin",
        )

    def _wanted(self, use: ImageUse) -> str:
        named = ", ".join(map(str, self.allow[:_NAMED]))
        if (more := len(self.allow) - _NAMED) > 0:
            named += f" or {more} more"
        if use.reference.digest and any(pattern.compares_tags for pattern in self.allow):
            named += " (a tag beside a digest is not compared)"
        return named


def _first_match(patterns: Sequence[ImagePattern], use: ImageUse) -> ImagePattern | None:
    return next((pattern for pattern in patterns if pattern.matches(use.reference)), None)


def _seen(use: ImageUse) -> str:
    """Return what was written, and its normal form where that is something else."""
    written, normal = use.place.text, str(use.reference)
    return written if written == normal else f"{written} means {normal}, which"


class AllowedRegistriesSettings(RuleSettings):
    """Every image comes from a registry, or a part of one, that is allowed."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    allow: list[PatternField] = Field(default_factory=list, min_length=1, max_length=PATTERNS_MAX)
    """Patterns of images that may run; without it everything may that is not denied."""
    deny: list[PatternField] = Field(default_factory=list, min_length=1, max_length=PATTERNS_MAX)
    """Patterns of images that may not run, whatever `allow` says."""

    @model_validator(mode="after")
    def _decides_something(self) -> Self:
        if not self.allow and not self.deny:
            raise ValueError("nothing given, allow or deny or both are wanted")
        return self

    def rule(self, folder: Path) -> AllowedRegistries:
        """Return the rule; it reads no file."""
        return AllowedRegistries(tuple(self.allow), tuple(self.deny))
