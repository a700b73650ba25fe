"""
From a decoded review to its answer.

Whatever happens after decoding, the answer has the uid of the review and comes by the deadline: a
bug is counted, logged with its traceback and answered as undecided, and a judge that overruns its
deadline is left behind. `/observe` never stops anyone: there every answer is allowed, and a fault
becomes a warning and an annotation in the audit log (design, semantics 18).

What carries no image is allowed without asking the judge: DELETE and CONNECT, the subresources
`status` and `scale`, which cannot change a Pod template, every kind without images, and what
`matchConditions` would leave out (`passed_over`). All other
subresources are read by their object's kind, so that `pods/ephemeralcontainers`, an UPDATE of a
Pod, and whatever a later Kubernetes adds are judged like the object itself.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.admission.answers import failed, judged, overrun, unreadable
from landwaiter.admission.outcome import Asked, Call, Outcome, decision_record, outcome_label
from landwaiter.admission.passed_over import is_passed_over
from landwaiter.admission.reply import Reply, allowed
from landwaiter.admission.review import AdmissionRequest, PodCreation, Request, attributes_of
from landwaiter.admission.telling import Subject, Teller, subject_of, things_to_tell
from landwaiter.errors import InvalidReview
from landwaiter.images.reference import ShortNames
from landwaiter.policy.case import Case, Operation, Requester, RequestObjects, Side
from landwaiter.rules.verdict import Decision, Verdict
from landwaiter.telemetry.logging import decided
from landwaiter.telemetry.metrics import Metrics
from landwaiter.telemetry.steps import UNTRACED, AttributeValue, Span, Steps, Tracer, reviewed
from landwaiter.workloads.changes import is_unchanged
from landwaiter.workloads.podspec import Pod
from landwaiter.workloads.values import Workload
from landwaiter.workloads.walker import read_workload, workload_of_pod

WITHOUT_IMAGES: Final = frozenset({"status", "scale"})

GUARD_SECONDS: Final = 0.25
"""
How much earlier than the answer the judge's deadline is.

The judge puts together what it knows at its deadline and returns; this is the time for that and
for writing the message. A judge that takes longer is not waited for.
"""

_log = cast("FilteringBoundLogger", structlog.get_logger())


class Judge(Protocol):
    """Whatever judges cases by the policies in force."""

    async def judge(self, case: Case, side: Side) -> Verdict:
        """Return the findings that belong to this side, by the case's deadline."""
        ...

    def at_once(self, case: Case, side: Side) -> Verdict | None:
        """Return the same where it is known already, None where the case has to be judged."""
        ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A question for the judge, without the objects that it was read from."""

    uid: str
    case: Case
    call: Call


class Handler:
    """Answers reviews. Holds no state besides the judge's overrun tasks, until they have ended."""

    def __init__(
        self,
        *,
        judge: Judge,
        short_names: ShortNames,
        metrics: Metrics,
        tracer: Tracer | None = None,
        teller: Teller | None = None,
    ) -> None:
        self._judge = judge
        self._teller = teller
        self._tracer = tracer
        self._short_names = short_names
        self._metrics = metrics
        self._left_behind: set[asyncio.Task[Verdict]] = set()

    async def answer(self, request: Request, call: Call) -> Reply:
        """Return the answer, which has the request's uid; raises nothing but cancellation."""
        with reviewed(self._tracer, "review") as (steps, span):
            return await self._answered(request, call, steps, span)

    async def _answered(self, request: Request, call: Call, steps: Steps, span: Span) -> Reply:
        subject = None
        try:
            outcome = self._prepared(request, call)
            if isinstance(outcome, _Prepared):
                # Only what is judged has findings, and so anything to tell: see `_prepared`.
                subject = self._subject(request, call)
                # The objects can take megabytes: they are not kept while registries are waited for.
                request = request.without_objects()
                outcome = await self._decided(outcome)
            seconds = time.monotonic() - call.arrived
            self._count(call, outcome, seconds)
            # Behind the answer, which need not wait for its line, and no fault in it becomes one.
            loop = asyncio.get_running_loop()
            asked = Asked.of(request)
            loop.call_soon(_write_line, asked, call, outcome, seconds, dict(steps.waited))
            if subject is not None and outcome.verdict.findings:
                loop.call_soon(self._tell, subject, request.kind.kind, outcome)
            if span is not UNTRACED:
                span.describe(_described(request, call, outcome))
        except Exception:  # noqa: BLE001  # Any review that can be decoded gets an answer.
            _log.exception("a bug kept a review from being judged", uid=request.uid)
            self._metrics.handler_failed(side=call.side)
            self._metrics.decided(side=call.side, decision=Decision.UNDECIDED)
            return failed(request, call.side)
        return outcome.reply

    def _subject(self, request: Request, call: Call) -> Subject | None:
        """Return what is to be told about, None where nothing may be written (semantics 19, 20)."""
        if self._teller is None or request.dry_run is True or not call.is_api_server:
            return None
        return subject_of(request)

    def _tell(self, subject: Subject, kind: str, outcome: Outcome) -> None:
        if self._teller is not None:
            for told in things_to_tell(subject, kind, outcome):
                self._teller.tell(told)

    def _prepared(self, request: Request, call: Call) -> _Prepared | Outcome:
        """
        Return what the judge has to be asked, or the outcome where nothing has to.

        Such an outcome has no findings: a verdict that stands says nothing.
        """
        if _brings_no_image(request) or is_passed_over(request):
            return Outcome(allowed(request.uid), Decision.ALLOW)
        try:
            case = self._case(request, call)
        except InvalidReview as problem:
            if _is_stored_already(request):
                return Outcome(allowed(request.uid), Decision.ALLOW, problem=str(problem))
            return unreadable(request, call.side, problem)
        if case is None:
            return Outcome(allowed(request.uid), Decision.ALLOW)
        known = self._judge.at_once(case, call.side)
        if known is not None:
            return judged(request.uid, case.workload, known, call.side)
        return _Prepared(request.uid, case, call)

    async def _decided(self, prepared: _Prepared) -> Outcome:
        uid, workload, side = prepared.uid, prepared.case.workload, prepared.call.side
        verdict = await self._verdict(prepared.case, prepared.call)
        if verdict is None:
            return overrun(uid, workload, side)
        return judged(uid, workload, verdict, side)

    def _case(self, request: Request, call: Call) -> Case | None:
        """Return what is to be judged, None for a kind without images."""
        if request.object is None:
            raise InvalidReview("request.object: seen nothing, wanted the object to be stored")
        workload = self._read(request, request.object)
        if workload is None:
            return None
        return Case(
            operation=Operation(request.operation),
            workload=workload,
            deadline=call.answer_by.earlier(GUARD_SECONDS),
            old=self._old(request),
            requester=Requester(request.user_info.username, request.user_info.groups or ()),
            dry_run=request.dry_run is True,
            credentials_allowed=call.is_api_server,
            objects=_objects(request),
        )

    def _read(self, request: Request, obj: Pod | Mapping[str, Any]) -> Workload | None:
        if isinstance(obj, Pod):
            return workload_of_pod(obj, namespace=request.namespace, short_names=self._short_names)
        kind = request.kind
        api_version = f"{kind.group}/{kind.version}" if kind.group else kind.version
        typed = {**obj, "apiVersion": api_version, "kind": kind.kind}
        return read_workload(typed, namespace=request.namespace, short_names=self._short_names)

    def _old(self, request: Request) -> Workload | None:
        """Return what stands there now, None also for what cannot be read: it excuses nothing."""
        if request.operation != "UPDATE" or request.old_object is None:
            return None
        try:
            return self._read(request, request.old_object)
        except InvalidReview:
            return None

    async def _verdict(self, case: Case, call: Call) -> Verdict | None:
        """Return the judge's verdict, None if there was none when the answer was due."""
        task = asyncio.ensure_future(self._judge.judge(case, call.side))
        try:
            await asyncio.wait({task}, timeout=call.answer_by.remaining_seconds())
        finally:
            if not task.done():
                task.cancel()
                self._left_behind.add(task)
                task.add_done_callback(self._ended_late)
        if not task.done():
            self._metrics.overran(side=call.side)
            return None
        if task.cancelled():
            # Raised as it is, this would look as if the request itself had been given up.
            raise RuntimeError("the judge was cancelled from within")
        return task.result()

    def _ended_late(self, task: asyncio.Task[Verdict]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the judge failed after its deadline", exc_info=error)

    def _count(self, call: Call, outcome: Outcome, seconds: float) -> None:
        self._metrics.decided(side=call.side, decision=outcome.decision)
        left = call.answer_by.remaining_seconds()
        self._metrics.answered(side=call.side, seconds=seconds, left_seconds=left)
        for finding in outcome.verdict.findings:
            self._metrics.found(
                policy=finding.policy,
                rule=finding.rule,
                action=finding.action,
                outcome=outcome_label(finding),
                cause=finding.outcome.reason,
            )
            if finding.exception is not None:
                self._metrics.excepted(
                    exception=finding.exception.name, policy=finding.policy, rule=finding.rule
                )


def _write_line(
    asked: Asked, call: Call, outcome: Outcome, seconds: float, waited: Mapping[str, float]
) -> None:
    decided(decision_record(asked, call, outcome, seconds, waited))


def _described(request: Request, call: Call, outcome: Outcome) -> Mapping[str, AttributeValue]:
    return {
        "uid": request.uid,
        "side": call.side,
        "kind": request.kind.kind,
        "namespace": request.namespace,
        "decision": outcome.decision,
    }


def _brings_no_image(request: Request) -> bool:
    return request.operation in {"DELETE", "CONNECT"} or request.sub_resource in WITHOUT_IMAGES


def _objects(request: Request) -> RequestObjects:
    if isinstance(request, PodCreation):
        return RequestObjects.decoded_later(
            lambda: RequestObjects(attributes_of(request), request.whole_object() or {})
        )
    return RequestObjects(attributes_of(request), request.object or {}, request.old_object)


def _is_stored_already(request: Request) -> bool:
    """Whether an object that cannot be read brings nothing but what stands there already."""
    if not isinstance(request, AdmissionRequest) or request.operation != "UPDATE":
        return False
    if request.object is None or request.old_object is None:
        return False
    kind = request.kind
    return is_unchanged(request.object, request.old_object, group=kind.group, kind=kind.kind)
