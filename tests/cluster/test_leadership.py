"""One replica writes at a time, whatever becomes of the others."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from cluster.an_api import FakeAPI
from landwaiter.cluster.leadership import Leadership, LeaseName, LeaseTimes
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.errors import ClusterUnavailable

PATH = "/apis/coordination.k8s.io/v1/namespaces/lw/leases/guard"
TIMES = LeaseTimes()
OWNER = {"kind": "Role", "name": "guard", "uid": "u"}


async def owners() -> list[dict[str, Any]]:
    return [OWNER]


@dataclass
class Hall:
    """An API server, a clock, and the changes that replicas were told of."""

    api: FakeAPI = field(default_factory=FakeAPI)
    now: float = 0.0
    changes: list[str] = field(default_factory=list)

    def replica(self, identity: str) -> Leadership:
        return Leadership(
            ClusterObjects(self.api),
            LeaseName("lw", "guard", identity),
            owners=owners,
            changed=lambda: self.changes.append(identity),
            clock=lambda: self.now,
        )

    @property
    def lease(self) -> dict[str, Any]:
        return self.api.objects[PATH]

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"])


async def test_the_first_to_ask_holds_the_lease() -> None:
    """It belongs to the install, so that it goes with it; the second waits."""
    hall = Hall()
    first, second = hall.replica("a"), hall.replica("b")
    for each in (first, second):
        await each.round()

    assert (True, False, "a", ["a"]) == (
        first.is_leader,
        second.is_leader,
        hall.holder,
        hall.changes,
    )
    assert [OWNER] == hall.lease["metadata"]["ownerReferences"]


async def test_two_who_ask_at_once_are_not_both_let_in() -> None:
    """The one whose write comes second is refused by the resource version."""
    hall = Hall()
    hall.api.put(PATH, {"metadata": {"name": "guard", "namespace": "lw"}, "spec": {}})
    replicas = [hall.replica(name) for name in "ab"]
    await asyncio.gather(*(each.round() for each in replicas))

    assert 1 == sum(each.is_leader for each in replicas)


async def test_a_holder_that_renews_stays() -> None:
    """For as long as it does, and without a look at what it has written itself."""
    hall = Hall()
    first, second = hall.replica("a"), hall.replica("b")
    for _ in range(20):
        hall.now += TIMES.pause
        await first.round()
        await second.round()

    assert (True, False, ["a"]) == (first.is_leader, second.is_leader, hall.changes)
    assert 19 == hall.api.asked.count(f"PUT {PATH}")


async def test_one_that_was_killed_is_succeeded_after_its_time() -> None:
    """Counted from when the successor has seen the Lease change, by its own clock."""
    hall = Hall()
    first, second = hall.replica("a"), hall.replica("b")
    await first.round()
    hall.now = 5.0
    await second.round()
    hall.now = 5.0 + TIMES.duration - 0.1
    await second.round()
    before = second.is_leader
    hall.now = 5.0 + TIMES.duration
    await second.round()

    assert (False, True, "b", 1) == (
        before,
        second.is_leader,
        hall.holder,
        hall.lease["spec"]["leaseTransitions"],
    )


async def test_one_that_cannot_renew_stops_before_another_may_begin() -> None:
    """There is no moment in which both think that they are to write."""
    hall = Hall()
    first, second = hall.replica("a"), hall.replica("b")
    await first.round()
    await second.round()
    seen = []
    for tenth in range(1, 130):
        hall.now = tenth / 10
        hall.api.down = ClusterUnavailable("cut off")
        await first.round()
        hall.api.down = None
        await second.round()
        seen.append((first.is_leader, second.is_leader))

    assert (True, True) not in seen
    assert [(True, False), (False, False), (False, True)] == list(dict.fromkeys(seen))
    assert TIMES.give_up < TIMES.duration


async def test_one_that_was_cut_off_and_succeeded_does_not_come_back() -> None:
    """What it has in mind of the Lease is an old version."""
    hall = Hall()
    first, second = hall.replica("a"), hall.replica("b")
    await first.round()
    await second.round()
    hall.now = 10.0
    await second.round()
    await first.round()
    await first.round()

    assert (False, True, "b") == (first.is_leader, second.is_leader, hall.holder)


async def test_a_lease_that_somebody_edits_stays_with_its_holder() -> None:
    """The holder reads it again, and knows itself."""
    hall = Hall()
    first = hall.replica("a")
    await first.round()
    hall.api.put(PATH, {**hall.lease, "metadata": {**hall.lease["metadata"], "labels": {"x": "y"}}})
    await first.round()
    await first.round()

    assert (True, {"x": "y"}) == (first.is_leader, hall.lease["metadata"]["labels"])


async def test_a_lease_of_any_form_is_taken_in_time() -> None:
    """Whoever may write it can make it last a minute at most, and nonsense counts as usual."""
    for spec, seconds in (
        ({"holderIdentity": "x", "leaseDurationSeconds": 10**9}, 6 * TIMES.duration),
        ({"holderIdentity": "x", "leaseDurationSeconds": "nonsense"}, TIMES.duration),
        ({"holderIdentity": "x"}, TIMES.duration),
        ("nonsense", 0),
    ):
        hall = Hall()
        hall.api.put(PATH, {"metadata": {"name": "guard", "namespace": "lw"}, "spec": spec})
        first = hall.replica("a")
        await first.round()
        before = first.is_leader
        hall.now = seconds
        await first.round()

        assert (seconds == 0, True) == (before, first.is_leader)


async def test_a_missing_right_makes_nobody_a_leader() -> None:
    """Nor does it end anything."""
    hall = Hall(FakeAPI(refused=frozenset({"GET", "POST"})))
    first = hall.replica("a")
    await first.round()

    assert (False, []) == (first.is_leader, hall.changes)


async def test_one_that_ends_lets_go_at_once() -> None:
    """The next one need not wait for the end of the Lease."""
    hall = Hall()
    first, second = hall.replica("a"), hall.replica("b")
    running = asyncio.create_task(first.run())
    async with asyncio.timeout(10):
        while not first.is_leader:  # noqa: ASYNC110  # Another task decides.
            await asyncio.sleep(0)
    await second.round()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await second.round()

    assert (False, True, ["a", "a", "b"]) == (
        first.is_leader,
        second.is_leader,
        hall.changes,
    )


async def test_one_that_ends_without_an_api_server_ends() -> None:
    """Letting go is a courtesy."""
    hall = Hall()
    first = hall.replica("a")
    running = asyncio.create_task(first.run())
    async with asyncio.timeout(10):
        while not first.is_leader:  # noqa: ASYNC110  # Another task decides.
            await asyncio.sleep(0)
        hall.api.down = ClusterUnavailable("down")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert running.cancelled()
