"""
What is answered to a review: by its verdict, or by why there is none.

On `/observe` all of it is allowed, and what is known is a warning (design, semantics 18).
"""

from landwaiter.admission.message import DETAIL_LIMIT_BYTES, message_of
from landwaiter.admission.outcome import Outcome
from landwaiter.admission.remarks import bounded_warnings, problem_annotation, remarks_of
from landwaiter.admission.reply import (
    LATER_SECONDS,
    Remarks,
    Reply,
    allowed,
    refused,
    try_again,
    undecided,
)
from landwaiter.admission.review import Request
from landwaiter.admission.text import cut, visible
from landwaiter.errors import InvalidReview
from landwaiter.policy.case import Side
from landwaiter.rules.verdict import Decision, Verdict
from landwaiter.workloads.values import Workload


def judged(uid: str, workload: Workload, verdict: Verdict, side: Side) -> Outcome:
    """Return what a verdict means for a side."""
    remarks, decision = remarks_of(verdict), verdict.decision
    if side is Side.OBSERVE or decision is Decision.ALLOW:
        reply = allowed(uid, remarks)
    elif decision is Decision.DENY:
        reply = refused(uid, message_of(workload, verdict), remarks)
    elif verdict.retry_soon:
        reply = try_again(uid, message_of(workload, verdict), remarks)
    else:
        reply = undecided(uid, message_of(workload, verdict), remarks)
    return Outcome(reply, decision, workload, verdict)


def unreadable(request: Request, side: Side, problem: InvalidReview) -> Outcome:
    """Return what is answered about an object whose images cannot be found."""
    name = visible(f"{request.kind.kind} {request.namespace}/{request.name}")
    cause = cut(visible(str(problem)), DETAIL_LIMIT_BYTES)
    text = f"{cut(name, DETAIL_LIMIT_BYTES)} cannot be read, so its images are unknown: {cause}"
    if side is Side.OBSERVE:
        reply = allowed(request.uid, _not_judged(text))
    else:
        reply = refused(request.uid, f"\n{text}")
    return Outcome(reply, Decision.DENY, problem=str(problem))


def overrun(uid: str, workload: Workload, side: Side) -> Outcome:
    """Return what is answered where there was no verdict when the answer was due."""
    text = "Landwaiter is too busy to judge this object in time"
    if side is Side.OBSERVE:
        reply = allowed(uid, _not_judged(f"{text}; its findings are not known"))
    else:
        reply = try_again(uid, f"\n{text}; try again in a moment", after_seconds=LATER_SECONDS)
    return Outcome(reply, Decision.UNDECIDED, workload, problem="overrun")


def failed(request: Request, side: Side) -> Reply:
    """Return what is answered where a bug kept the object from being judged."""
    text = f"Landwaiter failed to judge this object; its log has the cause under uid {request.uid}"
    if side is Side.OBSERVE:
        return allowed(request.uid, _not_judged(text))
    return undecided(request.uid, f"\n{text}")


def _not_judged(text: str) -> Remarks:
    """Return what is told of an object that `/observe` lets through without a look at it."""
    return Remarks(bounded_warnings([text]), problem_annotation(text))
