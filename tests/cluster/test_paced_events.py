"""Notes that anybody can cause are bounded, counted, and nobody waits for them."""

import asyncio
from collections.abc import Callable
from typing import Any

from cluster.an_api import FakeAPI
from landwaiter.cluster.events import EventRecorder, Note, Regarding
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.paced_events import EventOutcome, Pace, PacedEvents
from landwaiter.errors import ClusterUnavailable

AT_ONCE = Pace(gap_seconds=0.0)


def a_note(number: int = 0, namespace: str = "shop") -> Note:
    regarding = Regarding("apps/v1", "ReplicaSet", f"web-{number}", namespace, "uid-1")
    return Note(regarding, "ImagesRefused", "JudgeImages", "no", is_warning=True)


class Room:
    """Paced events over an API server in memory, with a clock that is set."""

    def __init__(self, pace: Pace = AT_ONCE) -> None:
        self.api = FakeAPI()
        self.now = 100.0
        self.told: list[EventOutcome] = []
        recorder = EventRecorder(ClusterObjects(self.api), instance="replica-1")
        self.events = PacedEvents(recorder, self, pace=pace, clock=lambda: self.now)

    def event_noted(self, outcome: EventOutcome) -> None:
        self.told.append(outcome)

    async def run(self, until: Callable[[], bool]) -> None:
        """Let it write until a condition holds, and then what it writes by itself."""
        running = asyncio.create_task(self.events.run())
        async with asyncio.timeout(10):
            while not until():  # noqa: ASYNC110  # Another task decides.
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def counts(self) -> list[int | None]:
        """Return how often each Event that there is has been observed, None for once."""
        found: list[dict[str, Any]] = list(self.api.objects.values())
        return [each.get("series", {}).get("count") for each in found]


async def test_a_note_is_written_at_once() -> None:
    """Beside whoever has made it."""
    room = Room()
    room.events.record(a_note())
    await room.run(until=lambda: bool(room.told))

    assert ([None], ["written"]) == (room.counts(), room.told)


async def test_repetitions_are_counted_and_written_after_a_while() -> None:
    """A controller that tries again and again has one Event, and one request each half minute."""
    room = Room()
    room.events.record(a_note())
    await room.run(until=lambda: bool(room.told))
    for _ in range(7):
        room.events.record(a_note())
    before = len(room.api.asked)
    await room.run(until=lambda: True)
    meanwhile = len(room.api.asked) - before
    room.now += 30
    await room.run(until=lambda: len(room.told) == 2)

    assert (0, [8]) == (meanwhile, room.counts())


async def test_repetitions_before_the_first_writing_are_in_it() -> None:
    """An Event that comes late says how often."""
    room = Room()
    for _ in range(3):
        room.events.record(a_note())
    await room.run(until=lambda: bool(room.told))

    assert ([3], ["written"]) == (room.counts(), room.told)


async def test_a_namespace_has_so_many_and_takes_none_from_others() -> None:
    """What is over is dropped and counted; after a while there is room for more."""
    room = Room(Pace(burst=2, refill_seconds=10.0, gap_seconds=0.0))
    for number in range(5):
        room.events.record(a_note(number))
    room.events.record(a_note(namespace="bank"))
    room.now += 10
    room.events.record(a_note(9))
    room.events.record(a_note(10))
    await room.run(until=lambda: room.told.count("written") == 4)

    assert (4, 4) == (len(room.api.objects), room.told.count("dropped"))


async def test_only_so_many_wait() -> None:
    """With an API server that is away, memory stays bounded whatever comes."""
    room = Room(Pace(waiting=3, gap_seconds=0.0))
    for number in range(10):
        room.events.record(a_note(number, namespace=f"n{number}"))

    assert ["dropped"] * 7 == room.told


async def test_a_cluster_that_takes_no_events_loses_notes_and_no_more() -> None:
    """They are counted as failed, and the next one is tried."""
    room = Room()
    room.api.down = ClusterUnavailable("down")
    room.events.record(a_note(1))
    await room.run(until=lambda: bool(room.told))
    room.api.down = None
    room.events.record(a_note(2))
    await room.run(until=lambda: len(room.told) == 2)

    assert (["failed", "written"], 1) == (room.told, len(room.api.objects))


async def test_what_is_over_is_forgotten() -> None:
    """A note that came once takes no place for longer than it may be repeated."""
    room = Room(Pace(waiting=1, gap_seconds=0.0))
    room.events.record(a_note(1))
    await room.run(until=lambda: bool(room.told))
    room.now += 30
    await room.run(until=lambda: True)
    room.events.record(a_note(2))
    await room.run(until=lambda: len(room.told) == 2)

    assert ["written", "written"] == room.told
