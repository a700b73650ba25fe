"""How a review came in, what came of it, and the line that is logged about both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from landwaiter.admission.reply import Reply
from landwaiter.admission.review import Request
from landwaiter.deadline import Deadline
from landwaiter.policy.case import Side
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import Decision, Finding, Verdict
from landwaiter.telemetry.logging import DecisionRecord
from landwaiter.workloads.values import ImageUse, Workload

NO_FINDINGS: Final = Verdict()


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and what is to be recorded about it."""

    reply: Reply
    decision: Decision
    workload: Workload | None = None
    verdict: Verdict = NO_FINDINGS
    problem: str | None = None


def decision_record(
    request: Request, call: Call, outcome: Outcome, seconds: float
) -> DecisionRecord:
    """Return what is logged about an answered review."""
    uses = outcome.workload.uses if outcome.workload else ()
    findings = outcome.verdict.findings
    return DecisionRecord(
        uid=request.uid,
        side=call.side,
        operation=request.operation,
        kind=request.kind.kind,
        namespace=request.namespace,
        name=request.name or (outcome.workload.name if outcome.workload else ""),
        user=request.user_info.username,
        dry_run=request.dry_run is True,
        decision=outcome.decision,
        code=int(outcome.reply.code),
        duration_ms=round(seconds * 1000, 3),
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
        problem=outcome.problem,
    )


def _rules_with(
    outcome: type[Violation | Undecided], findings: Sequence[Finding]
) -> tuple[str, ...]:
    if not findings:
        return ()
    return _distinct(finding.rule for finding in findings if isinstance(finding.outcome, outcome))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
