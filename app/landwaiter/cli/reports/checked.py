"""One object that was checked, and what there is to report about it in any form."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from landwaiter.admission.message import (
    DETAIL_LIMIT_BYTES,
    IMAGE_LIMIT_BYTES,
    REMEDY_LIMIT_BYTES,
    object_name,
    owner_of,
    policies_named,
)
from landwaiter.admission.text import cut, visible
from landwaiter.manifests.documents import Document, steps_of
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import (
    Action,
    Decision,
    Finding,
    GrantedException,
    UseVerdict,
    Verdict,
)
from landwaiter.workloads.values import ImagePlace, Workload

STDIN: Final = "<stdin>"
"""What standard input is called where a file would be named."""

WORD_OF: Final[Mapping[Decision, str]] = {
    Decision.ALLOW: "admitted",
    Decision.DENY: "refused",
    Decision.UNDECIDED: "undecided",
}


_Same: TypeAlias = "tuple[str, Level, Violation | Undecided, GrantedException | None]"


class Level(StrEnum):
    """
    How much a finding matters, the worst first.

    ERROR refuses the object or leaves it undecided, WARNING warns the person or lets through what
    is not known, NOTICE is only for the audit log, or lifted by an exception.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Checked:
    """
    One object, where it stands, and what was found about it.

    `line` is that of the object and `lines` those of its images by their JSON paths; an object
    that stands in no file has none of them. `manifest` is the whole object. `alike` counts by kind
    the objects of a cluster that were made alike and about which the same was found.
    """

    source: str
    workload: Workload
    line: int | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    alike: Mapping[str, int] = field(default_factory=dict)
    manifest: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def in_manifest(cls, document: Document, workload: Workload) -> "Checked":
        """Return an object of a manifest before it is judged, with the line of each image."""
        places = (*(use.place for use in workload.uses), *workload.placeholders)
        return cls(
            source=document.source,
            workload=workload,
            manifest=document.value if isinstance(document.value, dict) else None,
            line=document.line_of(),
            lines={place.path: document.line_of(steps_of(place.path)) for place in places},
        )

    def judged(self, verdict: Verdict) -> "Checked":
        """Return the same object with its verdict."""
        return replace(self, verdict=verdict)

    @property
    def where(self) -> str:
        """Where the object stands: `web.yaml:3`, or what it was read from."""
        return self._at(self.line)

    @property
    def places(self) -> Mapping[str, str]:
        """Where its images stand, by their JSON paths."""
        return {path: self._at(line) for path, line in self.lines.items()}

    def _at(self, line: int | None) -> str:
        source = visible(self.source)
        return source if line is None else f"{source}:{line}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding about one image; equal findings of several policies are one entry."""

    place: ImagePlace
    rule: str
    level: Level
    outcome: Violation | Undecided
    policies: tuple[str, ...]
    exception: GrantedException | None = None

    def sentence(self, workload: Workload) -> str:
        """Return the finding as one line that stands for itself, with what to do."""
        outcome = self.outcome
        image = cut(visible(self.place.text), IMAGE_LIMIT_BYTES)
        text = cut(visible(outcome.detail), DETAIL_LIMIT_BYTES)
        if isinstance(outcome, Violation) and outcome.remedy:
            text += f"; {cut(visible(outcome.remedy), REMEDY_LIMIT_BYTES)}"
        if self.exception is not None:
            text += f"; {self.lifted_by}"
        whose = f"{object_name(workload)}, {owner_of(self.place)}"
        return f"{whose}: {image}: {text} ({policies_named(self.policies)})"

    @property
    def lifted_by(self) -> str:
        """Which exception lifts the finding, until when, by whose wish and why; empty for none."""
        if (by := self.exception) is None:
            return ""
        until = f"{by.expires:%Y-%m-%dT%H:%M:%SZ}"
        text = f"lifted by exception {by.name} until {until}, asked for by {by.requested_by}"
        return cut(visible(f"{text}: {by.reason}"), DETAIL_LIMIT_BYTES)


def entries_of(verdict: Verdict) -> Iterator[Entry]:
    """Give every finding once, in the order of the object and then of the policies."""
    for use in verdict.uses:
        merged: dict[_Same, list[str]] = {}
        for finding in use.findings:
            key = (finding.rule, level_of(finding), finding.outcome, finding.exception)
            merged.setdefault(key, []).append(finding.policy)
        for (rule, level, outcome, exception), policies in merged.items():
            yield Entry(use.use.place, rule, level, outcome, tuple(policies), exception)


def level_of(finding: Finding) -> Level:
    """Return how much a finding matters."""
    if finding.refuses or finding.blocks:
        return Level.ERROR
    if finding.exception is not None:
        return Level.NOTICE
    warned = finding.actions & {Action.WARN, Action.DENY}
    return Level.WARNING if warned else Level.NOTICE


def remarks_of(verdict: Verdict) -> Iterator[tuple[ImagePlace | None, str]]:
    """Give the one-line remarks that are no findings, each with the image that it is about."""
    for use in verdict.uses:
        for warning in use.warnings:
            yield use.use.place, visible(warning)
    for warning in verdict.warnings:
        yield None, visible(warning)


def summary(checked: Sequence[Checked]) -> str:
    """Return the line that counts, which holds nothing that anybody else has written."""
    counts = dict.fromkeys(Decision, 0)
    for each in checked:
        counts[each.verdict.decision] += 1
    told = ", ".join(f"{counts[decision]} {word}" for decision, word in WORD_OF.items())
    return f"{len(checked)} checked: {told}"


def judged_uses(checked: Checked) -> Iterator[UseVerdict]:
    """Give every image of the object, also those that no policy has judged."""
    by_use = {judged.use: judged for judged in checked.verdict.uses}
    return (by_use.get(use, UseVerdict(use)) for use in checked.workload.uses)
