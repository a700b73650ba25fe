"""
Events whose number others decide: what is refused, and which exceptions are used.

Whoever may create Pods can have as many refused as they like, so these notes have a place and a
pace of their own, away from those about Landwaiter itself. A note is written once, and then counted
in its Event at most every half a minute; a namespace has so many a minute, and all together so many
a second. What does not fit is dropped and counted: an answer never waits for any of this.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from cachetools import TTLCache

from landwaiter.cluster.events import EventRecorder, Note
from landwaiter.errors import ClusterUnavailable

NAMESPACES_MAX: Final = 10_000
KEPT_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How much may be written.

    `waiting` notes are kept at most, `burst` of one namespace may come at once and one more each
    `refill_seconds`; a note that comes again is written no sooner than after `repeat_seconds`, and
    between two requests there are `gap_seconds`. At an hour that an Event lives, 18,000 of each
    replica are the most that a cluster has to keep.
    """

    waiting: int = 500
    burst: int = 25
    refill_seconds: float = 10.0
    repeat_seconds: float = 30.0
    gap_seconds: float = 0.2


EventOutcome = Literal["written", "failed", "dropped"]


class EventObserver(Protocol):
    """Is told of notes; returns at once and raises nothing."""

    def event_noted(self, outcome: EventOutcome) -> None:
        """Note what became of one note; one that is counted in its Event is not told of."""
        ...


@dataclass(slots=True)
class _Tally:
    """How often a note has come since it was last written, and when it may be written again."""

    due: float
    times: int = 1


@dataclass(slots=True)
class _Bucket:
    """What a namespace may still have written, as of a time."""

    left: float
    at: float


class PacedEvents:
    """Takes notes at once, and writes them at its pace while `run` does. Used on one event loop."""

    def __init__(
        self,
        recorder: EventRecorder,
        observer: EventObserver,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._observer = observer
        self._pace = pace or Pace()
        self._clock = clock
        self._tallies: dict[Note, _Tally] = {}
        self._buckets: TTLCache[str, _Bucket] = TTLCache(NAMESPACES_MAX, KEPT_SECONDS)
        self._arrived = asyncio.Event()

    def record(self, note: Note) -> None:
        """Take a note, and return at once."""
        if (tally := self._tallies.get(note)) is not None:
            tally.times += 1
        elif len(self._tallies) >= self._pace.waiting or not self._take(note.regarding.namespace):
            self._observer.event_noted("dropped")
        else:
            self._tallies[note] = _Tally(self._clock())
            self._arrived.set()

    async def run(self) -> None:
        """Write notes until cancelled."""
        while True:
            await self._until_due()
            for note, tally in list(self._tallies.items()):
                if tally.due > self._clock():
                    continue
                if not tally.times:
                    del self._tallies[note]
                    continue
                await self._write(note, tally)
                await asyncio.sleep(self._pace.gap_seconds)

    async def _until_due(self) -> None:
        self._arrived.clear()
        first = min((tally.due for tally in self._tallies.values()), default=None)
        seconds = None if first is None else max(0.0, first - self._clock())
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return

    async def _write(self, note: Note, tally: _Tally) -> None:
        times, tally.times = tally.times, 0
        tally.due = self._clock() + self._pace.repeat_seconds
        try:
            await self._recorder.write(note, times)
        except ClusterUnavailable:
            self._observer.event_noted("failed")
        else:
            self._observer.event_noted("written")

    def _take(self, namespace: str) -> bool:
        """Take one of what the namespace may have written, if there is one left."""
        now, pace = self._clock(), self._pace
        bucket = self._buckets.get(namespace) or _Bucket(pace.burst, now)
        grown = bucket.left + (now - bucket.at) / pace.refill_seconds
        bucket.left, bucket.at = min(grown, float(pace.burst)), now
        is_left = bucket.left >= 1
        if is_left:
            bucket.left -= 1
        self._buckets[namespace] = bucket
        return is_left
