"""What is known of the door and of the object, and since when."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.a_watch import FakeSource, Resource
from landwaiter.cluster import following
from landwaiter.tls.bundles import fingerprints_in
from landwaiter.webhooks.view import Door, DoorState, WebhookView
from tls.states import an_identity
from webhooks.objects import OBSERVE, VALIDATE, an_object, stored

ONE, OTHER = an_identity().ca, an_identity().ca
FIRST = next(iter(fingerprints_in(ONE)))
SECOND = next(iter(fingerprints_in(OTHER)))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACK_OFF_SECONDS", 0.001)
    monkeypatch.setattr(following, "BACK_OFF_MAX_SECONDS", 0.002)


def a_role(uid: str = "role-1", **metadata: object) -> dict[str, Any]:
    return {"metadata": {"name": "guard", "uid": uid, "resourceVersion": "2", **metadata}}


@dataclass
class Sight:
    """A view, what it is a view of, and a clock."""

    view: WebhookView
    objects: Resource
    roles: Resource
    now: list[float]
    changes: list[int] = field(default_factory=list)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  # Another thread decides.
                await asyncio.sleep(0.002)


@asynccontextmanager
async def seeing(
    objects: Resource | None = None,
    roles: Resource | None = None,
    namespaces: Resource | None = None,
) -> AsyncIterator[Sight]:
    there = {
        "validatingwebhookconfigurations": objects,
        "clusterroles": roles,
        "namespaces": namespaces,
    }
    source = FakeSource({name: each for name, each in there.items() if each is not None})
    now, changes = [0.0], [0]

    def changed() -> None:
        changes[0] += 1

    view = WebhookView(source, "guard", own_namespace="lw", changed=changed, clock=lambda: now[0])
    view.start()
    try:
        yield Sight(view, objects or Resource(), roles or Resource(), now, changes)
    finally:
        for each in (objects, roles, namespaces):
            if each is not None:
                each.events.put(None)
        await view.close()


def resource(*items: dict[str, Any]) -> Resource:
    return Resource(list(items))


async def test_what_is_there_is_known() -> None:
    """The role's uid, the object as it is, and which paths it arms."""
    live = stored(an_object([VALIDATE], bundle=ONE))
    async with seeing(resource(live), resource(a_role())) as sight:
        view = sight.view
        await sight.until(lambda: view.problem() is None)

        assert (Door(DoorState.CLOSED, "role-1"), live, True) == (
            view.door,
            view.live,
            view.is_known,
        )
        assert [True, False] == [view.is_armed(path) for path in (VALIDATE, OBSERVE)]
        assert (ONE,) == view.bundles()
        assert sight.changes[0] >= 2


async def test_what_is_not_there_is_known_too() -> None:
    """Without a role the door is open."""
    async with seeing(resource(), resource()) as sight:
        await sight.until(lambda: sight.view.problem() is None)

        why = 'the ClusterRole "guard" is missing'
        assert (Door(DoorState.OPEN, why=why), None, ()) == (
            sight.view.door,
            sight.view.live,
            sight.view.bundles(),
        )


async def test_what_nobody_has_told_is_unknown() -> None:
    """An API server that is down opens no door."""
    async with seeing(None, None) as sight:
        await asyncio.sleep(0.01)

        assert (Door(DoorState.UNKNOWN), False) == (sight.view.door, sight.view.is_known)
        assert 'the ClusterRole "guard" is not known yet' == sight.view.problem()


async def test_a_missing_right_is_told() -> None:
    """It is unknown then, and not missing."""
    async with seeing(Resource(status=403), resource(a_role())) as sight:
        told = 'the webhook object "guard" is not known, for Landwaiter may not list it'
        await sight.until(lambda: sight.view.problem() == told)

        assert not sight.view.is_known


@pytest.mark.parametrize("how", ["deleted", "being deleted"])
async def test_the_door_opens_with_the_role(how: str) -> None:
    """Also while something still holds its deletion up."""
    roles = resource(a_role())
    async with seeing(resource(), roles) as sight:
        await sight.until(lambda: sight.view.door.state is DoorState.CLOSED)
        if how == "deleted":
            roles.say("DELETED", a_role())
        else:
            roles.say("MODIFIED", a_role(deletionTimestamp="2026-11-25T00:00:00Z"))
        await sight.until(lambda: sight.view.door.state is DoorState.OPEN)
        roles.say("ADDED", a_role("role-2"))
        await sight.until(lambda: sight.view.door == Door(DoorState.CLOSED, "role-2"))


def a_namespace(**metadata: object) -> dict[str, Any]:
    return {"metadata": {"name": "lw", "uid": "lw-1", "resourceVersion": "2", **metadata}}


async def test_the_door_opens_with_our_namespace() -> None:
    """Nobody will be there to answer. What is not known of is not being deleted."""
    namespaces = resource(a_namespace())
    async with seeing(resource(), resource(a_role()), namespaces) as sight:
        await sight.until(lambda: sight.view.door.state is DoorState.CLOSED)
        namespaces.say("MODIFIED", a_namespace(deletionTimestamp="2026-11-25T00:00:00Z"))
        why = 'the namespace "lw" is being deleted'
        await sight.until(lambda: sight.view.door == Door(DoorState.OPEN, why=why))
    async with seeing(resource(), resource(a_role()), Resource(status=403)) as sight:
        await sight.until(lambda: sight.view.door == Door(DoorState.CLOSED, "role-1"))


async def test_a_ca_is_trusted_since_every_webhook_has_it() -> None:
    """One that is taken away and put back counts anew; one that stays counts on."""
    objects = resource(stored(an_object(bundle=ONE)))
    async with seeing(objects, resource(a_role())) as sight:
        view = sight.view
        await sight.until(lambda: view.is_known)
        sight.now[0] = 10.0
        both = stored(an_object(bundle=ONE + OTHER))
        half = {
            **both,
            "webhooks": [both["webhooks"][0], stored(an_object(bundle=ONE))["webhooks"][1]],
        }
        objects.say("MODIFIED", half)
        await sight.until(lambda: view.live == half)
        half_way = (view.trusted_seconds(FIRST), view.trusted_seconds(SECOND))
        objects.say("MODIFIED", both)
        await sight.until(lambda: view.live == both)
        sight.now[0] = 15.0
        whole = (view.trusted_seconds(FIRST), view.trusted_seconds(SECOND))
        objects.say("MODIFIED", stored(an_object(bundle=OTHER)))
        await sight.until(lambda: view.trusted_seconds(FIRST) == 0.0)
        objects.say("MODIFIED", both)
        await sight.until(lambda: view.live == both)
        sight.now[0] = 16.0
        again = (view.trusted_seconds(FIRST), view.trusted_seconds(SECOND))

    assert ((10.0, 0.0), (15.0, 5.0), (1.0, 6.0)) == (half_way, whole, again)


async def test_where_there_is_no_webhook_every_ca_is_as_good() -> None:
    """Nobody connects; from when that is so is what counts."""
    objects = resource(stored(an_object(bundle=ONE)))
    async with seeing(objects, resource(a_role())) as sight:
        view = sight.view
        await sight.until(lambda: view.is_known)
        sight.now[0] = 10.0
        before = view.trusted_seconds(SECOND)
        objects.say("DELETED", stored(an_object()))
        await sight.until(lambda: view.live is None)
        sight.now[0] = 13.0

        assert (0.0, 3.0) == (before, view.trusted_seconds(SECOND))


async def test_a_bundle_that_cannot_be_read_trusts_nobody() -> None:
    """Whatever stands in its place."""
    live = stored(an_object([VALIDATE]))
    for text in (base64.b64encode(b"junk").decode(), "no base64!", None, 7):
        live["webhooks"][0]["clientConfig"]["caBundle"] = text
        async with seeing(resource(live), resource(a_role())) as sight:
            await sight.until(lambda sight=sight: sight.view.is_known)  # type: ignore[misc]  # Bound now.
            sight.now[0] = 10.0

            assert 0.0 == sight.view.trusted_seconds(FIRST)
