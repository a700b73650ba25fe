"""What an install keeps of successes, and what it believes of what it has kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cluster.a_watch import FakeSource, Resource
from cluster.an_api import FakeAPI
from inventory.observed import Observed
from inventory.sealed import DAY, NOW, SEAL, a_record, an_object
from inventory.verified import a_verification
from landwaiter.cluster import following, persistence
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.errors import ClusterUnavailable
from landwaiter.inventory import keeping
from landwaiter.inventory.keeping import KeepSettings, KeptImages
from landwaiter.inventory.ledger import RENEWED_SECONDS
from landwaiter.inventory.records import RESOURCE, Record
from landwaiter.inventory.sealing import FUTURE_SECONDS, Disbelief, Seal
from landwaiter.inventory.verifications import Success
from landwaiter.serving.companions import run_all

A_FEW = 3


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACK_OFF_SECONDS", 0.001)
    monkeypatch.setattr(following, "BACK_OFF_MAX_SECONDS", 0.002)
    monkeypatch.setattr(persistence, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(persistence, "RETRY_MAX_SECONDS", 0.002)


@dataclass
class World:
    """An API server that is written to, one that is heard, and the time."""

    api: FakeAPI = field(default_factory=FakeAPI)
    heard: Resource = field(default_factory=Resource)
    observed: Observed = field(default_factory=Observed)
    seconds: float = NOW
    limit: int = A_FEW
    keep_seconds: int = DAY
    disbelieved: int = 0

    def disbelieve(self) -> None:
        self.disbelieved += 1

    @asynccontextmanager
    async def kept(self, *, seal: Seal | None = SEAL) -> AsyncIterator[KeptImages]:
        """Give what is kept; with a seal what is heard is known."""
        kept = KeptImages(
            FakeSource({"verifiedimages": self.heard}),
            ClusterObjects(self.api),
            KeepSettings(self.limit, lambda: self.keep_seconds, lambda: self.seconds),
            self.observed,
            disbelieved=self.disbelieve,
        )
        if seal is not None:
            await kept.take(seal)
            await until(lambda: kept.problem() is None)
        try:
            yield kept
        finally:
            self.heard.events.put(None)
            await kept.close()

    def written(self) -> list[dict[str, Any]]:
        return [each["spec"] for each in self.api.objects.values()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # Another thread, or another task, decides.
            await asyncio.sleep(0.001)


async def wrote(kept: KeptImages, world: World, outcomes: int) -> None:
    """Let it write until there are so many outcomes."""
    running = asyncio.create_task(run_all((kept.run,)))
    await until(lambda: len(world.observed.writes) == outcomes)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def a_success(name: str = "a", *, when: float = NOW) -> Success:
    return Success(a_verification(name), "ci", when)


def spec_of(record: Record) -> dict[str, str]:
    return {**record.fields(), "hmac": SEAL.of(record)}


async def test_what_others_have_kept_is_found_by_its_key() -> None:
    """It is heard at the start, and as it comes."""
    world = World(heard=Resource([an_object(a_record("a", when=NOW - 60))]))
    async with world.kept() as kept:
        at_the_start = kept.when(a_verification("a"))
        world.heard.say("ADDED", an_object(a_record("b")))
        await until(lambda: len(kept) > 1)

        assert [NOW - 60.0, NOW + 0.0, None] == [
            at_the_start,
            kept.when(a_verification("b")),
            kept.when(a_verification("c")),
        ]


async def test_attack_a_key_that_begins_the_same_is_another_one() -> None:
    """The name of an object has half of its key, and the whole key decides."""
    record = a_record()
    other = replace(record, key=f"{record.name}{'0' * len(record.name)}")
    world = World(heard=Resource([an_object(other)]))
    async with world.kept() as kept:
        assert (1, None) == (len(kept), kept.when(a_verification()))


@pytest.mark.parametrize(
    ("later", "when"),
    [(DAY - 1, float(NOW)), (DAY, None), (-FUTURE_SECONDS, float(NOW)), (-1e4, None)],
)
async def test_what_is_in_memory_is_believed_as_long_as_it_says(
    later: float, when: float | None
) -> None:
    """Time goes on behind what was heard, and may be set back."""
    world = World(heard=Resource([an_object()]))
    async with world.kept() as kept:
        world.seconds += later

        assert when == kept.when(a_verification())


async def test_what_is_not_believed_is_ignored_counted_and_told() -> None:
    """It takes no room in memory either."""
    others = an_object(a_record("b"), seal=Seal(b"x" * 32))
    world = World(heard=Resource([an_object(a_record("a", when=NOW - 2 * DAY)), others]))
    async with world.kept() as kept:
        await until(lambda: world.disbelieved > 1)

        assert ([Disbelief.EXPIRED, Disbelief.FORGED], 0, None) == (
            world.observed.ignored_for,
            len(kept),
            kept.when(a_verification("b")),
        )


async def test_under_another_key_nothing_of_before_is_believed() -> None:
    """Whoever deletes the Secret takes back all that was kept."""
    world = World(heard=Resource([an_object()]))
    async with world.kept() as kept:
        before = kept.when(a_verification())
        world.heard.events.put(None)
        await kept.take(Seal(b"x" * 32))
        await until(lambda: world.disbelieved > 0)

        assert (NOW, None) == (before, kept.when(a_verification()))


async def test_a_success_is_written_under_its_seal() -> None:
    """With what people want to read, and for as long as policies would admit by it."""
    world = World(keep_seconds=2 * DAY)
    async with world.kept() as kept:
        kept.offer(a_success())
        await wrote(kept, world, 1)

    record = a_record(keep_seconds=2 * DAY)
    assert ["written"] == world.observed.writes
    assert [spec_of(record)] == world.written()
    assert [f"PATCH {RESOURCE.path(name=record.name)}"] == world.api.asked


async def test_nothing_is_written_before_there_is_a_seal() -> None:
    """It waits for it."""
    world = World()
    async with world.kept(seal=None) as kept:
        kept.offer(a_success())
        running = asyncio.create_task(kept.run())
        for _ in range(10):
            await asyncio.sleep(0)
        before = list(world.written())
        await kept.take(SEAL)
        await until(lambda: world.observed.writes == ["written"])
        running.cancel()

    assert ([], [spec_of(a_record())]) == (before, world.written())


@pytest.mark.parametrize(
    ("later", "keep_seconds", "asked"),
    [(RENEWED_SECONDS, DAY, 0), (RENEWED_SECONDS + 1, DAY, 1), (0, 2 * DAY, 1)],
)
async def test_what_another_replica_has_written_a_moment_ago_is_not_written_again(
    later: float, keep_seconds: int, asked: int
) -> None:
    """Unless it is later by more than that, or is to be kept for longer."""
    world = World(heard=Resource([an_object()]), keep_seconds=keep_seconds)
    async with world.kept() as kept:
        kept.offer(a_success(when=NOW + later))
        kept.offer(a_success("b"))
        await wrote(kept, world, 1 + asked)

    assert asked + 1 == len(world.api.asked)


async def test_there_are_no_more_than_are_kept() -> None:
    """What is there is written anew all the same."""
    heard = Resource([an_object(a_record(name)) for name in ("a", "b", "c")])
    world = World(heard=heard)
    async with world.kept() as kept:
        kept.offer(a_success("d"))
        kept.offer(a_success("a", when=NOW + DAY))
        await wrote(kept, world, 2)

    assert ["dropped", "written"] == world.observed.writes


async def test_more_successes_than_may_wait_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that answers nobody costs no memory; one key waits once."""
    monkeypatch.setattr(keeping, "WAITING_MAX", 2)
    world = World()
    async with world.kept() as kept:
        taken = [kept.offer(a_success(name)) for name in ("a", "b", "a", "c")]

    assert ([True, True, True, False], ["dropped"]) == (taken, world.observed.writes)


async def test_what_cannot_be_written_is_tried_again_and_given_up() -> None:
    """Nothing waits for it, and what comes next is written."""
    world = World(api=FakeAPI(down=ClusterUnavailable("down")))
    async with world.kept() as kept:
        kept.offer(a_success())
        await wrote(kept, world, 1)
        attempts, world.api.down = len(world.api.asked), None
        kept.offer(a_success("b"))
        await wrote(kept, world, 2)

    assert (persistence.ATTEMPTS, ["failed", "written"]) == (attempts, world.observed.writes)


async def test_what_was_refused_since_is_removed() -> None:
    """Also where it still waits to be written; what is not there is not asked for."""
    record = a_record("a")
    world = World(heard=Resource([an_object(record)]))
    world.api.put(RESOURCE.path(name=record.name), an_object(record))
    async with world.kept() as kept:
        kept.offer(a_success("b"))
        for name in ("a", "b", "c"):
            kept.withdraw(a_verification(name), for_all=True)
        await wrote(kept, world, 2)

    assert (["withdrawn"] * 2, []) == (world.observed.writes, world.written())


async def test_what_was_refused_counts_no_more_before_it_is_removed() -> None:
    """Nor where it is not removed at all, for a dry run leaves nothing behind."""
    world = World(heard=Resource([an_object(a_record(name)) for name in ("a", "b")]))
    async with world.kept() as kept:
        world.seconds += 60
        kept.withdraw(a_verification("a"), for_all=False)
        kept.withdraw(a_verification("c"), for_all=True)

        assert [NOW + 60, 0, 0] == [kept.counts_from(a_verification(name)) for name in "abc"]
        assert [] == world.observed.writes


async def test_what_another_replica_has_removed_is_taken_back_here_too() -> None:
    """Also what was removed while nothing was heard; but not what has just come to its end."""
    ended = a_record("c", when=NOW - DAY + 30)
    records = [a_record("a"), a_record("b"), ended, a_record("d")]
    world = World(heard=Resource([an_object(each) for each in records]))
    async with world.kept() as kept:
        world.seconds += 60
        for record in (records[0], ended):
            world.heard.say("DELETED", an_object(record))
        await until(lambda: len(kept) == A_FEW - 1)
        world.heard.items = [an_object(records[3])]
        world.heard.say("ERROR", {"code": 410})
        await until(lambda: len(kept) == 1)

        assert [NOW + 60, NOW + 60, 0, 0] == [
            kept.counts_from(a_verification(name)) for name in "abcd"
        ]


async def test_so_much_is_remembered_of_what_was_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last, for what was taken back first has the least time left."""
    monkeypatch.setattr(keeping, "TAKEN_BACK_MAX", 2)
    world = World(heard=Resource([an_object(a_record(name)) for name in "abc"]))
    async with world.kept() as kept:
        for name in "abac":
            kept.withdraw(a_verification(name), for_all=False)

        assert [NOW, 0, NOW] == [kept.counts_from(a_verification(name)) for name in "abc"]


async def test_a_new_process_waits_for_what_is_kept_but_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have been started in an outage; but a missing definition stops nobody."""
    world = World()
    async with world.kept(seal=None) as kept:
        waiting = kept.problem()
    monkeypatch.setattr(keeping, "SETTLE_SECONDS", 0.0)
    async with world.kept(seal=None) as kept:
        assert ("not read yet", None) == (waiting, kept.problem())


async def test_a_right_that_is_missing_keeps_nobody_from_being_ready() -> None:
    """Nothing is known then, and nothing is waited for."""
    world = World(heard=Resource(status=403))
    async with world.kept() as kept:
        assert (None, None) == (kept.problem(), kept.when(a_verification()))
