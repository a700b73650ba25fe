"""Lists of what runs: what is read of each object, and lists that are begun anew."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from landwaiter.cluster.listing import ListExpired
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.cluster.running import ATTEMPTS, WORKLOADS, RunningObject, running_objects
from landwaiter.workloads.walker import TEMPLATE_OF

GONE = ApiAnswer(410, b"{}")


@dataclass
class Server:
    """Answers in turn, the last answer for ever, and notes what it was asked."""

    answers: list[ApiAnswer]
    asked: list[ApiRequest] = field(default_factory=list)

    async def send(self, request: ApiRequest) -> ApiAnswer:
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def an_item(uid: str, *, owner: tuple[str, str] | None = None, **content: Any) -> dict[str, Any]:  # noqa: ANN401  # Any field of an object.
    owners = [] if owner is None else [{"kind": owner[0], "uid": owner[1], "controller": True}]
    metadata = {"name": uid, "uid": uid, "namespace": "shop", "ownerReferences": owners}
    return {"metadata": metadata, **content}


def a_page(*items: dict[str, Any], more: str = "") -> ApiAnswer:
    metadata = {"resourceVersion": "1", "continue": more}
    return ApiAnswer(200, json.dumps({"metadata": metadata, "items": list(items)}).encode())


async def listed(server: Server, kind: str, **given: str) -> list[list[RunningObject]]:
    return [[*page] async for page in running_objects(ClusterObjects(server), kind, **given)]


def test_every_kind_that_carries_images_is_listed_once() -> None:
    """A kind that the walker learns has to be listed too."""

    assert {kind for _, kind in TEMPLATE_OF} == set(WORKLOADS)


def test_owners_are_listed_before_what_they_own() -> None:
    """Only so an owner is known when its Pods come."""
    order = list(WORKLOADS)

    assert order.index("Deployment") < order.index("ReplicaSet") < order.index("Pod")
    assert order.index("CronJob") < order.index("Job") < order.index("Pod")


async def test_objects_say_what_they_are() -> None:
    """The items of a list have neither apiVersion nor kind; reviews have both."""
    server = Server([a_page(an_item("a", spec={"replicas": 1}))])
    ((found,),) = await listed(server, "Deployment", namespace="shop")

    assert (
        ("apps/v1", "Deployment", {"replicas": 1}),
        ("Deployment", "a", "shop", None, False),
        ["/apis/apps/v1/namespaces/shop/deployments"],
    ) == (
        (found.content["apiVersion"], found.content["kind"], found.content["spec"]),
        (found.kind, found.uid, found.namespace, found.controller, found.is_superseded),
        [each.path for each in server.asked],
    )


@pytest.mark.parametrize(
    ("kind", "owner", "replicas", "superseded"),
    [
        ("ReplicaSet", ("Deployment", "d"), 0, True),
        ("ReplicaSet", ("Deployment", "d"), 1, False),
        ("ReplicaSet", ("Deployment", "d"), None, False),
        ("ReplicaSet", ("Rollout", "r"), 0, False),
        ("ReplicaSet", None, 0, False),
        ("Deployment", ("Deployment", "d"), 0, False),
    ],
)
async def test_only_what_a_deployment_keeps_for_a_rollback_is_superseded(
    kind: str,
    owner: tuple[str, str] | None,
    replicas: int | None,
    superseded: bool,  # noqa: FBT001
) -> None:
    """Anything else that wants no Pods now may want some at any time."""
    spec = {} if replicas is None else {"replicas": replicas}
    ((found,),) = await listed(Server([a_page(an_item("a", owner=owner, spec=spec))]), kind)

    assert (superseded, owner and owner[1]) == (found.is_superseded, found.controller)


async def test_an_owner_that_is_no_controller_does_not_count() -> None:
    """Only one owner makes an object; others merely outlive it."""
    item = an_item("a")
    item["metadata"]["ownerReferences"] = [{"kind": "Deployment", "uid": "d"}]
    ((found,),) = await listed(Server([a_page(item)]), "ReplicaSet")

    assert found.controller is None


async def test_a_list_whose_rest_is_gone_is_begun_anew() -> None:
    """What was given already is not given again, and what is new is."""
    first, second, third = an_item("a"), an_item("b"), an_item("c")
    server = Server([a_page(first, second, more="next"), GONE, a_page(first, third)])
    found = await listed(server, "Pod")

    assert [["a", "b"], ["c"]] == [[each.uid for each in page] for page in found]


async def test_a_list_that_never_ends_is_given_up() -> None:
    """A cluster that changes faster than it is read is told of, after some attempts."""
    server = Server([GONE])
    with pytest.raises(ListExpired):
        await listed(server, "Pod")

    assert ATTEMPTS == len(server.asked)
