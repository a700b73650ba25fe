"""How a review came in, what came of it, and the line that is logged about both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple, Self

from landwaiter.admission.reply import Reply
from landwaiter.admission.review import Request
from landwaiter.deadline import Deadline
from landwaiter.policy.case import Side
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import Action, Decision, Finding, UseVerdict, Verdict
from landwaiter.telemetry.logging import LIST_LIMIT_ITEMS, DecisionRecord, Fields
from landwaiter.workloads.values import ImageUse, Workload

NO_FINDINGS: Final = Verdict()
NO_WAITS: Final[Mapping[str, float]] = {}

VERDICTS_LOGGED: Final = LIST_LIMIT_ITEMS + 1
"""Of each object, and of each use in it: one more than is shown, so that the line says so."""


@dataclass(frozen=True, slots=True)
class Call:
    """
    How a review came in.

    `side` is the path that was called; `arrived` is on the clock of `time.monotonic`;
    `is_api_server` is True only for a caller that has proven to be the API server.
    """

    side: Side
    arrived: float
    answer_by: Deadline
    is_api_server: bool = False


class Asked(NamedTuple):
    """What the line about a review says of it: all but the object, which is let go of."""

    uid: str
    operation: str
    kind: str
    namespace: str
    name: str
    user: str
    dry_run: bool

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return what is said of a request."""
        return cls(
            request.uid,
            request.operation,
            request.kind.kind,
            request.namespace,
            request.name,
            request.user_info.username,
            request.dry_run is True,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and what is to be recorded about it."""

    reply: Reply
    decision: Decision
    workload: Workload | None = None
    verdict: Verdict = NO_FINDINGS
    problem: str | None = None


def outcome_label(finding: Finding) -> str:
    """Return what became of a finding, in the words of metrics and logs."""
    if finding.exception is not None:
        return "excepted"
    if isinstance(finding.outcome, Violation):
        return "violation"
    if finding.stale_seconds is not None:
        return "stale"
    is_let_through = Action.DENY in finding.actions and not finding.blocks
    return "let through" if is_let_through else "undecided"


def decision_record(
    asked: Asked,
    call: Call,
    outcome: Outcome,
    seconds: float,
    waited: Mapping[str, float] = NO_WAITS,
) -> DecisionRecord:
    """Return what is logged about an answered review."""
    uses = outcome.workload.uses if outcome.workload else ()
    findings = outcome.verdict.findings
    return DecisionRecord(
        uid=asked.uid,
        side=call.side,
        operation=asked.operation,
        kind=asked.kind,
        namespace=asked.namespace,
        name=asked.name or (outcome.workload.name if outcome.workload else ""),
        user=asked.user,
        dry_run=asked.dry_run,
        decision=outcome.decision,
        code=int(outcome.reply.code),
        duration_ms=_milliseconds(seconds),
        waited_ms=Fields({name: _milliseconds(each) for name, each in waited.items()}),
        images=tuple(
            str(use.reference) if isinstance(use, ImageUse) else use.place.text for use in uses
        ),
        digests=tuple(use.digest for use in outcome.verdict.uses if use.digest is not None),
        policies=_distinct(finding.policy for finding in findings) if findings else (),
        violated=_rules_with(Violation, findings),
        undecided=_rules_with(Undecided, findings),
        exceptions=_distinct(each.exception.name for each in findings if each.exception is not None)
        if findings
        else (),
        verdicts=tuple(
            _verdict(use, finding)
            for use in islice(outcome.verdict.uses, VERDICTS_LOGGED)
            for finding in islice(use.findings, VERDICTS_LOGGED)
        )
        if findings
        else (),
        problem=outcome.problem,
    )


def _verdict(use: UseVerdict, finding: Finding) -> Fields:
    """Return one finding as it is logged: where, by which rule of which policy, and what."""
    fields: dict[str, object] = {
        "path": use.use.place.path,
        "policy": finding.policy,
        "rule": finding.rule,
        "action": finding.action.value,
        "outcome": outcome_label(finding),
        "reason": finding.outcome.reason,
    }
    if use.digest is not None:
        fields["digest"] = use.digest
    if finding.exception is not None:
        fields["exception"] = finding.exception.name
    return Fields(fields)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _rules_with(
    outcome: type[Violation | Undecided], findings: Sequence[Finding]
) -> tuple[str, ...]:
    if not findings:
        return ()
    return _distinct(finding.rule for finding in findings if isinstance(finding.outcome, outcome))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
