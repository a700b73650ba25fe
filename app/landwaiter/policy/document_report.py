"""
What there is to tell about each document of a cluster, for its status.

Two replicas that see the same documents at the same time tell the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from landwaiter.policy.cluster_documents import DocumentState
from landwaiter.policy.exceptions import PolicyException
from landwaiter.policy.lint_cluster import Linted
from landwaiter.policy.matching import Policy


@dataclass(frozen=True, slots=True)
class Counts:
    """
    How much there is of something; None where the document is none of which that is counted.

    Of a policy: its `rules`, the `exceptions` in force that name it, the `warnings` of the linter
    (None too while it has not looked). Of an exception: the `policies` in force that it names.
    """

    rules: int | None = None
    exceptions: int | None = None
    policies: int | None = None
    warnings: int | None = None

    def given(self) -> dict[str, int]:
        """Return those that are counted, by name."""
        named = {
            "rules": self.rules,
            "exceptions": self.exceptions,
            "policies": self.policies,
            "warnings": self.warnings,
        }
        return {name: count for name, count in named.items() if count is not None}


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """
    Everything that the status of a document says.

    `warnings` are the linter's, None while it has not looked or has nothing to look at. `ended` is
    when the exception has ended, None while it has not, and for a policy.
    """

    state: DocumentState
    rules: tuple[str, ...]
    counts: Counts
    warnings: tuple[str, ...] | None = None
    ended: datetime | None = None


def reports_of(
    states: Sequence[DocumentState], linted: Linted, now: datetime
) -> tuple[DocumentReport, ...]:
    """Return what there is to tell of each document at a time, in the order given."""
    excepted = _excepted(states, now)
    policies = frozenset(_names(states))
    return tuple(_report(state, linted, excepted, policies, now) for state in states)


def next_end(states: Sequence[DocumentState], now: datetime) -> datetime | None:
    """Return when the next exception ends, None where none will."""
    ends = (each.granted.expires for each in _exceptions(states))
    return min((end for end in ends if end > now), default=None)


def _report(
    state: DocumentState,
    linted: Linted,
    excepted: Mapping[str, int],
    policies: frozenset[str],
    now: datetime,
) -> DocumentReport:
    loaded = state.loaded
    if isinstance(loaded, PolicyException):
        named = {each.name for each in loaded.policies}
        counts = Counts(policies=len(named & policies))
        ended = loaded.granted.expires
        return DocumentReport(state, (), counts, ended=ended if ended <= now else None)
    if loaded is None:
        return DocumentReport(state, (), Counts())
    rules = tuple(str(rule.id) for rule in loaded.rules)
    said = linted.get(state.document.name)
    is_current = said is not None and state.problem is None and said.document == state.document
    warnings = said.warnings if said is not None and is_current else None
    counts = Counts(
        rules=len(rules),
        exceptions=excepted.get(loaded.name, 0),
        warnings=None if warnings is None else len(warnings),
    )
    return DocumentReport(state, rules, counts, warnings)


def _excepted(states: Sequence[DocumentState], now: datetime) -> Counter[str]:
    """Count the exceptions in force by the policies that they name."""
    return Counter(
        name
        for exception in _exceptions(states)
        if now < exception.granted.expires
        for name in {each.name for each in exception.policies}
    )


def _names(states: Sequence[DocumentState]) -> Iterator[str]:
    return (state.loaded.name for state in states if isinstance(state.loaded, Policy))


def _exceptions(states: Sequence[DocumentState]) -> Iterator[PolicyException]:
    return (state.loaded for state in states if isinstance(state.loaded, PolicyException))
