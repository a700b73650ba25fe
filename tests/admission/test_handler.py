"""From a decoded review to its answer, whatever happens in between."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from admission.builders import (
    A_DIGEST,
    A_UID,
    AUDIT,
    WARN,
    FixedJudge,
    JudgesAnew,
    a_body,
    a_deployment,
    a_finding,
    a_pod,
    a_use,
    a_verdict,
    an_exception,
    not_known,
)
from landwaiter.admission.handler import GUARD_SECONDS, Handler, Judge
from landwaiter.admission.message import message_of
from landwaiter.admission.outcome import Call
from landwaiter.admission.remarks import remarks_of
from landwaiter.admission.reply import Remarks, Reply, allowed, refused, try_again, undecided
from landwaiter.admission.review import decode
from landwaiter.deadline import Deadline
from landwaiter.images.reference import ShortNames
from landwaiter.policy.case import Case, Operation, Requester, Side
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.verdict import FailurePolicy, UseVerdict, Verdict
from landwaiter.telemetry.logging import configure_logging
from landwaiter.telemetry.metrics import Metrics
from landwaiter.telemetry.steps import step
from landwaiter.workloads.values import ImageUse
from landwaiter.workloads.walker import read_workload

SOME_TIME = 20.0


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()


class Desk:
    """A handler with its judge and its counters."""

    def __init__(self, judge: Judge, short_names: ShortNames = ShortNames.DOCKER_HUB) -> None:
        self.registry = CollectorRegistry()
        self.handler = Handler(judge=judge, short_names=short_names, metrics=Metrics(self.registry))

    async def ask(
        self,
        body: bytes,
        side: Side = Side.ENFORCE,
        *,
        seconds: float = SOME_TIME,
        proven: bool = False,
    ) -> Reply:
        deadline = Deadline.after(seconds)
        call = Call(side, deadline.at - seconds, deadline, is_api_server=proven)
        reply = await self.handler.answer(decode(body), call)
        await asyncio.sleep(0)  # What is done behind the answer.
        return reply

    def counted(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def the_workload(obj: dict[str, Any]) -> Any:  # noqa: ANN401  # None for a kind without images.
    return read_workload(obj, namespace="shop")


async def test_what_is_good_is_allowed() -> None:
    """No findings, no remarks."""

    assert allowed(A_UID) == await Desk(FixedJudge()).ask(a_body())


async def test_what_a_rule_refuses_is_refused_with_the_message() -> None:
    """The answer has the message, and the annotation for the audit log."""
    verdict = a_verdict(a_finding())
    message = message_of(the_workload(a_deployment("nginx:latest")), verdict)

    assert refused(A_UID, message, remarks_of(verdict)) == await Desk(FixedJudge(verdict)).ask(
        a_body()
    )


async def test_semantics_16_work_that_goes_on_is_worth_a_retry() -> None:
    """Undecided with retry is 503 with a delay, undecided by a fault 503 without."""
    soon = a_verdict(a_finding(not_known(retry=True)))
    fault = a_verdict(a_finding(not_known()))
    workload = the_workload(a_deployment("nginx:latest"))

    assert (
        try_again(A_UID, message_of(workload, soon), remarks_of(soon)),
        undecided(A_UID, message_of(workload, fault), remarks_of(fault)),
    ) == (
        await Desk(FixedJudge(soon)).ask(a_body()),
        await Desk(FixedJudge(fault)).ask(a_body()),
    )


async def test_semantics_16_undecided_under_ignore_is_admitted_and_told() -> None:
    """A warning, an annotation and a metric: never silently an allow."""
    verdict = a_verdict(
        a_finding(not_known(), failure_policy=FailurePolicy.IGNORE, rule="cosignSignatures")
    )
    desk = Desk(FixedJudge(verdict))
    reply = await desk.ask(a_body())

    assert (True, 1, ["undecided"], 1.0) == (
        reply.is_allowed,
        len(reply.remarks.warnings),
        list(reply.remarks.audit_annotations),
        desk.counted(
            "landwaiter_findings_total",
            policy="production-images",
            rule="cosignSignatures",
            action="Deny",
            outcome="let through",
            cause="not known",
        ),
    )


@pytest.mark.parametrize(
    "finding",
    [a_finding(actions=WARN), a_finding(actions=AUDIT), a_finding(not_known(), actions=WARN)],
)
async def test_semantics_18_observe_allows_with_remarks(finding: Any) -> None:  # noqa: ANN401
    """What warns or audits is told on /observe."""
    verdict = a_verdict(finding)

    assert allowed(A_UID, remarks_of(verdict)) == await Desk(FixedJudge(verdict)).ask(
        a_body(), Side.OBSERVE
    )


@pytest.mark.parametrize("finding", [a_finding(), a_finding(not_known())])
async def test_semantics_18_observe_never_stops_anyone(finding: Any) -> None:  # noqa: ANN401
    """Not even by a verdict that should not have come there."""
    reply = await Desk(FixedJudge(a_verdict(finding))).ask(a_body(), Side.OBSERVE)

    assert reply.is_allowed


async def test_the_judge_is_given_the_whole_case() -> None:
    """Operation, both objects, requester, dry run, deadline and whether credentials may be used."""
    judge = FixedJudge()
    body = a_body(a_pod("nginx:2"), operation="UPDATE", oldObject=a_pod("nginx:1"), dryRun=True)
    await Desk(judge).ask(body, proven=True)
    case, side = judge.asked[0]
    deadline = case.deadline

    assert (
        Case(
            operation=Operation.UPDATE,
            workload=the_workload(a_pod("nginx:2")),
            deadline=deadline,
            old=the_workload(a_pod("nginx:1")),
            requester=Requester("alice", ("developers",)),
            dry_run=True,
            credentials_allowed=True,
        ),
        Side.ENFORCE,
    ) == (case, side)


async def test_conditions_are_given_the_request_under_the_names_of_kubernetes() -> None:
    """Both objects as they were sent, and of the request what docs/conditions.md lists."""
    judge = FixedJudge()
    old, new = a_pod("nginx:1"), a_pod("nginx:2")
    body = a_body(
        new, operation="UPDATE", oldObject=old, dryRun=True, subResource="ephemeralcontainers"
    )
    await Desk(judge).ask(body)
    ((case, _),) = judge.asked
    assert case.objects is not None

    assert {
        "request": {
            "operation": "UPDATE",
            "name": "web",
            "namespace": "shop",
            "dryRun": True,
            "subResource": "ephemeralcontainers",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "userInfo": {"username": "alice", "groups": ["developers"]},
        },
        "object": new,
        "oldObject": old,
    } == case.objects.take()


async def test_semantics_15_ratify_connaisseur_kyverno_the_judge_is_done_in_time() -> None:
    """Its deadline is a little earlier than the answer's, which is earlier than the webhook's."""
    judge = FixedJudge()
    desk = Desk(judge)
    due = Deadline.after(SOME_TIME)
    await desk.handler.answer(decode(a_body()), Call(Side.ENFORCE, due.at - SOME_TIME, due))

    assert due.earlier(GUARD_SECONDS) == judge.asked[0][0].deadline


async def test_semantics_20_credentials_are_not_used_for_anybody() -> None:
    """Only for a caller that has proven to be the API server."""
    judge = FixedJudge()
    await Desk(judge).ask(a_body(), proven=False)

    assert [False] == [case.credentials_allowed for case, _ in judge.asked]


async def test_semantics_19_a_dry_run_gets_the_same_verdict() -> None:
    """The judge knows that it is one, and the answer is the same."""
    verdict = a_verdict(a_finding())
    judge = FixedJudge(verdict)
    desk = Desk(judge)

    assert (await desk.ask(a_body(dryRun=False)), [False, True]) == (
        await desk.ask(a_body(dryRun=True)),
        [case.dry_run for case, _ in judge.asked],
    )


async def test_semantics_04_ephemeral_containers_are_an_update_of_a_pod() -> None:
    """`kubectl debug` comes as subresource `ephemeralcontainers` with the whole Pod."""
    pod = a_pod("nginx:1")
    pod["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "busybox"}]
    judge = FixedJudge()
    await Desk(judge).ask(
        a_body(
            pod, operation="UPDATE", oldObject=a_pod("nginx:1"), subResource="ephemeralcontainers"
        )
    )

    assert ["docker.io/library/nginx:1", "docker.io/library/busybox"] == [
        str(use.reference)
        for case, _ in judge.asked
        for use in case.workload.uses
        if isinstance(use, ImageUse)
    ]


async def test_a_subresource_of_a_later_kubernetes_is_judged() -> None:
    """What is not known to carry no image is read by the kind of its object."""
    judge = FixedJudge()
    await Desk(judge).ask(a_body(a_pod("nginx:1"), operation="UPDATE", subResource="newthing"))

    assert [Operation.UPDATE] == [case.operation for case, _ in judge.asked]


@pytest.mark.parametrize(
    "body",
    [
        a_body(operation="DELETE", object=None),
        a_body(operation="CONNECT", subResource="exec"),
        a_body(subResource="status", operation="UPDATE"),
        a_body(
            {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 1}},
            subResource="scale",
            operation="UPDATE",
        ),
        a_body({"apiVersion": "v1", "kind": "ConfigMap", "data": {}}),
        a_body({"apiVersion": "policy/v1", "kind": "Eviction"}, subResource="eviction"),
        a_body({"apiVersion": "v1", "kind": "Binding"}, subResource="binding"),
        a_body({"apiVersion": "example.com/v1", "kind": "Deployment", "spec": {}}),
    ],
)
async def test_what_carries_no_image_is_allowed_unasked(body: bytes) -> None:
    """Deleting, scaling, evicting and other people's kinds never depend on a judge."""
    judge = FixedJudge(RuntimeError("not to be asked"))

    assert (allowed(A_UID), []) == (await Desk(judge).ask(body), judge.asked)


async def test_the_kind_of_the_request_counts() -> None:
    """Not what the object says of itself: the API server has decided what it is."""
    pod = a_pod("nginx:1")
    judge = FixedJudge()
    body = a_body({**pod, "kind": "ConfigMap"}, kind={"group": "", "version": "v1", "kind": "Pod"})
    await Desk(judge).ask(body)

    assert ["Pod"] == [case.workload.kind for case, _ in judge.asked]


MALFORMED = {**a_pod("nginx"), "spec": {"containers": "many"}}


async def test_a_malformed_object_is_refused_by_its_field() -> None:
    """The review is good and gets its answer; the object in it is not."""

    assert refused(
        A_UID,
        "\nPod shop/web cannot be read, so its images are unknown: "
        'spec.containers: seen "many", wanted a list',
    ) == await Desk(FixedJudge()).ask(a_body(MALFORMED))


def not_observed(problem: str) -> Reply:
    """Return the answer of /observe where nothing could be found out about the object."""
    return allowed(A_UID, Remarks((problem,), {"problem": json.dumps({"detail": problem})}))


async def test_semantics_18_observe_tells_of_a_malformed_object() -> None:
    """And lets it pass: the person is warned, and the audit log says that nobody looked."""
    told = (
        "Pod shop/web cannot be read, so its images are unknown: "
        'spec.containers: seen "many", wanted a list'
    )

    assert not_observed(told) == await Desk(FixedJudge()).ask(a_body(MALFORMED), Side.OBSERVE)


@pytest.mark.parametrize("stored", [a_pod("nginx"), a_deployment("nginx")], ids=["Pod", "template"])
@pytest.mark.parametrize("side", [Side.ENFORCE, Side.OBSERVE])
async def test_semantics_06_what_changes_nothing_that_is_read_is_passed_over(
    stored: dict[str, Any], side: Side
) -> None:
    """Kubernetes before 1.28 asks all the same, and a condition on finalizers must hold no Pod."""
    held = {**stored, "metadata": {**stored["metadata"], "finalizers": ["example.com/hold"]}}
    judge = FixedJudge(a_verdict(a_finding()))

    reply = await Desk(judge).ask(a_body(stored, operation="UPDATE", oldObject=held), side)

    assert (allowed(A_UID), []) == (reply, judge.asked)


@pytest.mark.parametrize("change", ["labels", "annotations", "ownerReferences"])
async def test_semantics_06_a_template_is_judged_when_its_metadata_has_changed(change: str) -> None:
    """A policy may apply that did not before."""
    stored = a_deployment("nginx")
    written = {**stored, "metadata": {**stored["metadata"], change: {"a": "b"}}}
    judge = FixedJudge()
    await Desk(judge).ask(a_body(written, operation="UPDATE", oldObject=stored))

    assert 1 == len(judge.asked)


async def test_semantics_07_a_mirror_pod_of_a_node_is_passed_over_unread() -> None:
    """Whoever else claims the annotation is judged."""
    mirror = too_many("Pod")
    mirror["metadata"] = {**mirror["metadata"], "annotations": {"kubernetes.io/config.mirror": "1"}}
    node = {"username": "system:node:n1", "groups": ["system:nodes"]}
    judge = FixedJudge()
    replies = [
        (await Desk(judge).ask(a_body(mirror, userInfo=user))).is_allowed
        for user in (node, {"username": "alice", "groups": ["system:nodes"]})
    ]

    assert ([True, False], []) == (replies, judge.asked)


async def test_semantics_07_a_mirror_pod_that_can_be_read_is_passed_over_too() -> None:
    """A Pod that is created is read before anybody looks at who creates it."""
    mirror = a_pod("nginx")
    mirror["metadata"] = {**mirror["metadata"], "annotations": {"kubernetes.io/config.mirror": "1"}}
    judge = FixedJudge()
    for user in ({"username": "system:node:n1", "groups": ["system:nodes"]}, {"username": "alice"}):
        await Desk(judge).ask(a_body(mirror, userInfo=user))

    assert ["alice"] == [
        case.requester.username for case, _ in judge.asked if case.requester is not None
    ]


def too_many(kind: str, **more: object) -> dict[str, Any]:
    """Return an object with more volumes than are read."""
    spec = {"volumes": [{"name": f"v{at}"} for at in range(1001)], "containers": [], **more}
    if kind == "Pod":
        return {**a_pod(), "spec": spec}
    return {**a_deployment(), "spec": {"template": {"spec": spec}}}


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
async def test_semantics_06_what_cannot_be_read_and_stands_there_already_brings_nothing_new(
    kind: str,
) -> None:
    """Else nobody could take the finalizer off an object that was stored before."""
    old = too_many(kind)
    new = {**old, "metadata": {**old["metadata"], "finalizers": []}}
    judge = FixedJudge()

    reply = await Desk(judge).ask(a_body(new, operation="UPDATE", oldObject=old))

    assert (allowed(A_UID), []) == (reply, judge.asked)


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
@pytest.mark.parametrize(
    ("operation", "old"),
    [("CREATE", {}), ("UPDATE", None), ("UPDATE", {"containers": [{"image": "nginx"}]})],
    ids=["create", "without-old", "changed"],
)
async def test_semantics_06_what_cannot_be_read_and_is_new_is_refused(
    kind: str, operation: str, old: dict[str, Any] | None
) -> None:
    """Only the stored object excuses, and only what is the same to the letter."""
    stored = None if old is None else too_many(kind, **old)
    body = a_body(too_many(kind), operation=operation, oldObject=stored)

    reply = await Desk(FixedJudge()).ask(body)

    assert not reply.is_allowed


async def test_a_review_without_object_is_refused() -> None:
    """A CREATE of nothing is no reason to allow anything."""

    assert refused(
        A_UID,
        "\nDeployment shop/web cannot be read, so its images are unknown: "
        "request.object: seen nothing, wanted the object to be stored",
    ) == await Desk(FixedJudge()).ask(a_body(object=None, kind=KIND_DEPLOYMENT))


KIND_DEPLOYMENT = {"group": "apps", "version": "v1", "kind": "Deployment"}


@pytest.mark.parametrize("old", [None, MALFORMED])
async def test_an_old_object_that_cannot_be_read_excuses_nothing(old: Any) -> None:  # noqa: ANN401
    """Then everything in the new one is new."""
    judge = FixedJudge()
    await Desk(judge).ask(a_body(a_pod("nginx:1"), operation="UPDATE", oldObject=old))

    assert [None] == [case.old for case, _ in judge.asked]


async def test_the_install_setting_for_short_names_is_heeded() -> None:
    """With Refuse, `nginx` does not parse."""
    judge = FixedJudge()
    await Desk(judge, ShortNames.REFUSE).ask(a_body(a_pod("nginx:1")))

    assert ["UnreadableUse"] == [
        type(use).__name__ for case, _ in judge.asked for use in case.workload.uses
    ]


FAULT = f"Landwaiter failed to judge this object; its log has the cause under uid {A_UID}"


@pytest.mark.parametrize(
    "bug",
    [
        RuntimeError("secret detail"),
        AssertionError(),
        RecursionError(),
        MemoryError(),
        ExceptionGroup("many", [ValueError("x")]),
    ],
)
async def test_a_bug_is_answered_as_undecided(bug: Exception, log: io.StringIO) -> None:
    """503 without retry and without a word of the traceback; counted and logged."""
    desk = Desk(FixedJudge(bug))
    reply = await desk.ask(a_body())
    line = json.loads(log.getvalue().splitlines()[-1])

    assert (undecided(A_UID, f"\n{FAULT}"), 1.0, 1.0, A_UID, True) == (
        reply,
        desk.counted("landwaiter_handler_errors_total", side="enforce"),
        desk.counted("landwaiter_decisions_total", side="enforce", decision="undecided"),
        line["uid"],
        type(bug).__name__ in line["exception"],
    )


async def test_semantics_18_a_bug_stops_nobody_on_observe() -> None:
    """There it is a warning, and a line in the audit log."""

    assert not_observed(FAULT) == await Desk(FixedJudge(RuntimeError())).ask(a_body(), Side.OBSERVE)


class CancelledWithin(JudgesAnew):
    """A judge with a bug that cancels itself."""

    async def judge(self, case: Case, side: Side) -> Verdict:
        raise asyncio.CancelledError


async def test_a_judge_that_is_cancelled_from_within_is_a_bug() -> None:
    """It must not look as if the request had been given up, which would leave it unanswered."""

    assert undecided(A_UID, f"\n{FAULT}") == await Desk(CancelledWithin()).ask(a_body())


class Overrunning(JudgesAnew):
    """A judge that heeds neither its deadline nor, until it is let go, its cancellation."""

    def __init__(self, after: Exception | None = None) -> None:
        self.let_go = asyncio.Event()
        self.ended = asyncio.Event()
        self._after = after

    async def judge(self, case: Case, side: Side) -> Verdict:
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        self.ended.set()
        if self._after:
            raise self._after
        return Verdict()


BUSY = "Landwaiter is too busy to judge this object in time"


async def test_ratify_116_a_timeout_does_not_short_circuit_to_success() -> None:
    """A judge that overruns its deadline is answered for: not decided, try again (ratify#116)."""
    judge = Overrunning()
    desk = Desk(judge)
    reply = await desk.ask(a_body(), seconds=0.05)
    judge.let_go.set()
    await judge.ended.wait()

    assert (try_again(A_UID, f"\n{BUSY}; try again in a moment", after_seconds=5), 1.0) == (
        reply,
        desk.counted("landwaiter_judge_overruns_total", side="enforce"),
    )


async def test_semantics_18_an_overrun_stops_nobody_on_observe() -> None:
    """There it is a warning, and a line in the audit log."""
    judge = Overrunning()
    reply = await Desk(judge).ask(a_body(), Side.OBSERVE, seconds=0.05)
    judge.let_go.set()
    await judge.ended.wait()

    assert not_observed(f"{BUSY}; its findings are not known") == reply


async def test_a_judge_that_fails_after_its_deadline_is_logged(log: io.StringIO) -> None:
    """Nobody waits for it any more, but its bug is not lost."""
    judge = Overrunning(RuntimeError("late"))
    await Desk(judge).ask(a_body(), seconds=0.05)
    judge.let_go.set()
    await judge.ended.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (
        "the judge failed after its deadline"
        == json.loads(log.getvalue().splitlines()[-1])["event"]
    )


class Hanging(JudgesAnew):
    """A judge that waits until it is cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def judge(self, case: Case, side: Side) -> Verdict:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Verdict()


async def test_a_request_that_is_given_up_cancels_the_judge() -> None:
    """What nobody waits for is not continued."""
    judge = Hanging()
    task = asyncio.create_task(Desk(judge).ask(a_body()))
    await judge.begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await judge.cancelled.wait()

    assert task.cancelled()


async def test_each_answer_is_one_line_in_the_log(log: io.StringIO) -> None:
    """With the images, the digest that was judged, and who asked."""
    obj = a_pod("nginx:latest")
    workload = the_workload(obj)
    verdict = Verdict(
        (
            UseVerdict(
                workload.uses[0],
                digest=A_DIGEST,
                findings=(
                    a_finding(policy="a"),
                    a_finding(not_known(), policy="b", rule="cosignSignatures"),
                ),
                not_checked=(RuleId("x"),),
            ),
        )
    )
    await Desk(FixedJudge(verdict)).ask(a_body(obj))
    logged = [json.loads(line) for line in log.getvalue().splitlines()]
    for line in logged:
        del line["time"], line["duration_ms"]

    assert [
        {
            "event": "decided",
            "level": "info",
            "uid": A_UID,
            "side": "enforce",
            "operation": "CREATE",
            "kind": "Pod",
            "namespace": "shop",
            "name": "web",
            "user": "alice",
            "dry_run": False,
            "decision": "deny",
            "code": 403,
            "images": ["docker.io/library/nginx:latest"],
            "digests": [A_DIGEST],
            "policies": ["a", "b"],
            "violated": ["pinnedTags"],
            "undecided": ["cosignSignatures"],
            "verdicts": [
                {
                    "path": "spec.containers[0].image",
                    "policy": "a",
                    "rule": "pinnedTags",
                    "action": "Deny",
                    "outcome": "violation",
                    "reason": "floating tag",
                    "digest": A_DIGEST,
                },
                {
                    "path": "spec.containers[0].image",
                    "policy": "b",
                    "rule": "cosignSignatures",
                    "action": "Deny",
                    "outcome": "undecided",
                    "reason": "not known",
                    "digest": A_DIGEST,
                },
            ],
        }
    ] == logged


async def test_the_line_says_what_was_waited_for(log: io.StringIO) -> None:
    """Also where the judge did not return in time: that is when one asks."""

    class Waits(JudgesAnew):
        async def judge(self, case: Case, side: Side) -> Verdict:
            with step("signature"):
                await asyncio.sleep(0.05)
            with step("digest"):
                await asyncio.get_running_loop().create_future()
            return Verdict()

    await Desk(Waits()).ask(a_body(), seconds=0.2)
    line = json.loads(log.getvalue().splitlines()[0])

    assert ("overrun", ["signature"]) == (line["problem"], list(line["waited_ms"]))
    assert 50 <= line["waited_ms"]["signature"] < line["duration_ms"]


async def test_a_long_verdict_is_logged_in_part(log: io.StringIO) -> None:
    """Hundreds of findings are told by number in the metrics, and by the first in the log."""
    use = UseVerdict(a_use(), findings=tuple(a_finding() for _ in range(100)))
    await Desk(FixedJudge(Verdict((use,) * 100))).ask(a_body())
    line = json.loads(log.getvalue())

    assert (21, True) == (len(line["verdicts"]), line["verdicts"][-1].startswith("… "))


async def test_answers_are_counted_by_path_and_decision() -> None:
    """And their time is observed."""
    desk = Desk(FixedJudge(a_verdict(a_finding())))
    await desk.ask(a_body())

    assert (1.0, 1.0, 1.0) == (
        desk.counted("landwaiter_decisions_total", side="enforce", decision="deny"),
        desk.counted("landwaiter_request_seconds_count", side="enforce"),
        desk.counted(
            "landwaiter_findings_total",
            policy="production-images",
            rule="pinnedTags",
            action="Deny",
            outcome="violation",
            cause="floating tag",
        ),
    )
    assert desk.counted("landwaiter_deadline_left_seconds_sum", side="enforce") == pytest.approx(
        SOME_TIME, abs=5
    )


async def test_a_used_exception_is_counted_and_logged(log: io.StringIO) -> None:
    """By its name, so that its use can be alerted on; the finding counts as lifted."""
    desk = Desk(FixedJudge(a_verdict(a_finding(exception=an_exception()))))
    reply = await desk.ask(a_body())
    labels = {"policy": "production-images", "rule": "pinnedTags"}

    assert (True, 1.0, 1.0, ["hotfix"]) == (
        reply.is_allowed,
        desk.counted("landwaiter_exceptions_used_total", exception="hotfix", **labels),
        desk.counted(
            "landwaiter_findings_total",
            action="Deny",
            outcome="excepted",
            cause="floating tag",
            **labels,
        ),
        json.loads(log.getvalue())["exceptions"],
    )
    assert ["hotfix"] == [each["exception"] for each in json.loads(log.getvalue())["verdicts"]]
