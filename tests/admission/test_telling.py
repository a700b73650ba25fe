"""What the cluster is told of a review, and about which object."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from admission.builders import (
    FixedJudge,
    a_body,
    a_deployment,
    a_finding,
    a_pod,
    a_use,
    a_verdict,
    an_exception,
    not_known,
)
from landwaiter.admission.handler import Handler
from landwaiter.admission.outcome import Call
from landwaiter.admission.review import decode
from landwaiter.admission.telling import LINES_MAX, Subject, Told, subject_of
from landwaiter.deadline import Deadline
from landwaiter.images.reference import ShortNames
from landwaiter.policy.case import Side
from landwaiter.rules.verdict import UseVerdict, Verdict
from landwaiter.telemetry.metrics import Metrics

A_UID = "5d0b3f9e-uid"
OWNER = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "name": "web-7d9",
    "uid": A_UID,
    "controller": True,
}
REPLICA_SET = Subject("apps/v1", "ReplicaSet", "shop", "web-7d9", A_UID)
THE_POD = Subject("v1", "Pod", "shop", "web")


def owned(*owners: Any, **metadata: object) -> dict[str, Any]:  # noqa: ANN401
    """Return a Pod with owners."""
    pod = a_pod("nginx:latest")
    pod["metadata"] = {**pod["metadata"], "ownerReferences": list(owners), **metadata}
    return pod


@pytest.mark.parametrize(
    ("obj", "changes", "expected"),
    [
        (owned(OWNER, name="", generateName="web-7d9-"), {"name": ""}, REPLICA_SET),
        (owned({**OWNER, "controller": False}), {}, THE_POD),
        (owned({**OWNER, "controller": "yes"}), {}, THE_POD),
        (owned({**OWNER, "name": "../../secrets"}), {}, THE_POD),
        (owned({**OWNER, "apiVersion": "a b/v1"}), {}, THE_POD),
        (owned({**OWNER, "uid": ["x"]}), {}, THE_POD),
        (owned("nobody", None, 7), {}, THE_POD),
        (owned({}, OWNER), {}, REPLICA_SET),
        (
            a_deployment("nginx"),
            {
                "operation": "UPDATE",
                "oldObject": {"metadata": {"name": "web", "uid": A_UID}},
            },
            Subject("apps/v1", "Deployment", "shop", "web", A_UID),
        ),
        (a_deployment("nginx"), {}, Subject("apps/v1", "Deployment", "shop", "web")),
        (
            {**a_pod("nginx"), "metadata": {"generateName": "debug-"}},
            {"name": ""},
            Subject("v1", "Pod", "shop", "debug-"),
        ),
        (
            {**a_pod("nginx"), "metadata": {"name": 7}},
            {"name": "a b"},
            Subject("v1", "Pod", "shop", ""),
        ),
    ],
)
def test_a_person_would_look_at(
    obj: dict[str, Any], changes: dict[str, Any], expected: Subject
) -> None:
    """The controller that cannot have its Pod, what is changed, or a name that was refused."""

    assert expected == subject_of(decode(a_body(obj, **changes)))


class Heard:
    """A teller that remembers, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[Told] = []
        self.error = error

    def tell(self, told: Told) -> None:
        self.told.append(told)
        if self.error is not None:
            raise self.error


async def told_of(
    verdict: Verdict,
    *,
    teller: Heard | None = None,
    side: Side = Side.ENFORCE,
    proven: bool = True,
    **changes: Any,  # noqa: ANN401
) -> list[Told]:
    """Return what a teller hears of one review."""
    heard = teller or Heard()
    handler = Handler(
        judge=FixedJudge(verdict),
        short_names=ShortNames.DOCKER_HUB,
        metrics=Metrics(CollectorRegistry()),
        teller=heard,
    )
    call = Call(side, 0.0, Deadline.after(10), is_api_server=proven)
    await handler.answer(decode(a_body(owned(OWNER), **changes)), call)
    await asyncio.sleep(0)
    return heard.told


REFUSED = a_verdict(a_finding(), a_finding(policy="baseline"))
REFUSED_TEXT = (
    "Pod refused: nginx:latest: pinnedTags (production-images): floating tag; "
    "nginx:latest: pinnedTags (baseline): floating tag"
)
EXCEPTED = a_verdict(a_finding(exception=an_exception("shop/hotfix")))
EXCEPTED_TEXT = (
    "ReplicaSet shop/web-7d9: nginx:latest: pinnedTags (production-images): floating tag"
)


async def test_a_refused_workload_is_told_about_its_owner() -> None:
    """With each image, rule, policy and reason; the name of the Pod, ever new, is left out."""

    assert [Told(REPLICA_SET, REFUSED_TEXT)] == await told_of(REFUSED)


async def test_a_used_exception_is_told() -> None:
    """On either path, by its name and with what it let through."""
    expected = [Told(REPLICA_SET, EXCEPTED_TEXT, exception="shop/hotfix")]

    assert expected == await told_of(EXCEPTED)
    assert expected == await told_of(EXCEPTED, side=Side.OBSERVE)


async def test_what_is_not_known_is_told_apart() -> None:
    """A fault somewhere else is no fault of the image; what goes on is asked again, untold."""
    text = "Pod not admitted: nginx:latest: pinnedTags (production-images): not known (not known)"
    fault, going_on = a_verdict(a_finding(not_known())), a_verdict(a_finding(not_known(retry=True)))

    assert [Told(REPLICA_SET, text, is_known=False)] == await told_of(fault)
    assert [] == await told_of(going_on)


async def test_what_is_allowed_is_not_told() -> None:
    """Nor what only warns: the person has read the warning."""

    assert [] == await told_of(Verdict())
    assert [] == await told_of(REFUSED, side=Side.OBSERVE)


async def test_semantics_19_a_dry_run_leaves_no_event() -> None:
    """`sideEffects: NoneOnDryRun` is a promise."""

    assert [] == await told_of(REFUSED, dryRun=True) + await told_of(EXCEPTED, dryRun=True)


async def test_semantics_20_nobody_but_the_api_server_has_anything_written() -> None:
    """Or anybody on the Pod network could have Events written about any object."""

    assert [] == await told_of(REFUSED, proven=False)


async def test_a_teller_that_fails_changes_no_answer() -> None:
    """It is called behind the answer, and its fault goes to the loop's handler."""
    seen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    found = await told_of(REFUSED, teller=Heard(ValueError("broken")))

    assert (1, ["broken"]) == (len(found), [str(each["exception"]) for each in seen])


async def test_a_long_verdict_is_told_in_part() -> None:
    """An Event has room for about a thousand bytes, and hundreds of images can be refused."""
    uses = tuple(
        UseVerdict(a_use(f"app{number}:latest"), findings=(a_finding(),)) for number in range(100)
    )
    ((told),) = await told_of(Verdict(uses))

    assert (LINES_MAX + 1, True) == (
        len(told.text.split("; ")),
        told.text.endswith(f"; … and {100 - LINES_MAX} more"),
    )
