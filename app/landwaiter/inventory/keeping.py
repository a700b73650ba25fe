"""
The successes that an install keeps as `VerifiedImage` objects: all of them heard, new ones written.

What is heard of is believed only under the seal, and is in memory from then on, so that looking it
up asks nobody. Writing goes on beside the answering: so many successes wait at most, each key once,
and nothing ever waits for them. A success that another replica has written a moment ago is not
written again.

What one replica refuses it removes, and whatever goes before its time is taken back: no replica
counts by its own memory what was found out before.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.following import Watched, WatchSource
from landwaiter.cluster.listing import Content
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.persistence import persistently
from landwaiter.cluster.watching import Watch
from landwaiter.errors import ClusterUnavailable
from landwaiter.inventory.ledger import RENEWED_SECONDS
from landwaiter.inventory.observer import InventoryObserver
from landwaiter.inventory.records import RESOURCE, Record, content_of, name_of
from landwaiter.inventory.sealing import FUTURE_SECONDS, Seal
from landwaiter.inventory.verifications import Success, Verification

WAITING_MAX: Final = 1_000
"""Successes that wait to be written; a rollout of more images at once keeps some of them later."""

TAKEN_BACK_MAX: Final = 5_000
"""Some 200 bytes each; only what was kept is among them, so that refusals push nothing out."""

SETTLE_SECONDS: Final = 10.0
"""How long a new process waits for the first list before it is ready all the same."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class KeepSettings:
    """
    How much is kept, and for how long.

    At most about `limit` objects; `seconds` gives how long an image that was verified now is worth
    keeping. `now` is the time of the API server.
    """

    limit: int
    seconds: Callable[[], float]
    now: Callable[[], float] = time.time


class KeptImages:
    """What outlives this process, as the ledger asks for it. Used on one event loop."""

    def __init__(
        self,
        source: WatchSource,
        objects: ClusterObjects,
        settings: KeepSettings,
        observer: InventoryObserver,
        *,
        disbelieved: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._objects = objects
        self._settings = settings
        self._observer = observer
        self._disbelieved = disbelieved
        self._loop = asyncio.get_running_loop()
        self._watch: Watch[Record] | None = None
        self._due: dict[str, Record | None] = {}
        self._under_way = ""
        self._taken_back: dict[str, float] = {}
        self._arrived = asyncio.Event()
        self._settles_at = time.monotonic() + SETTLE_SECONDS
        self.seal: Seal | None = None

    async def take(self, seal: Seal) -> None:
        """Believe what is sealed by this key from now on, and nothing else."""
        await self.close()
        self.seal = seal

        def believed(content: Content) -> Record | None:
            return self._believed(content, seal)

        self._watch = Watch(self._source, Watched(RESOURCE, believed), gone=self._gone)
        self._watch.start()
        self._arrived.set()

    async def close(self) -> None:
        """End the watch, and forget what was heard."""
        watch, self._watch = self._watch, None
        if watch is not None:
            await watch.close()

    def problem(self) -> str | None:
        """Return why a new process is not to be asked yet, None from the first list on."""
        watch = self._watch
        if watch is not None and (watch.is_synced or watch.is_refused):
            return None
        return "not read yet" if time.monotonic() < self._settles_at else None

    def __len__(self) -> int:
        return 0 if self._watch is None else len(self._watch.values)

    def when(self, verification: Verification) -> float | None:
        """Return when that was last verified, as far as it is believed; None for nothing."""
        key, now = verification.key, self._settings.now()
        record = self._record(key)
        if record is None or record.key != key:
            return None
        is_now = record.when <= now + FUTURE_SECONDS and now < record.until
        return float(record.when) if is_now else None

    def counts_from(self, verification: Verification) -> float:
        """Return when it was last taken back, here or by another replica; 0 for never."""
        # Mostly there is none, and a key takes its time.
        return self._taken_back.get(verification.key, 0.0) if self._taken_back else 0.0

    def offer(self, success: Success) -> bool:
        """Take a success to keep, and return at once whether there was room for it."""
        return self._put(success.verification.key, success)

    def withdraw(self, verification: Verification, *, for_all: bool) -> None:
        """Believe it no longer from now on; `for_all`, also remove it."""
        key = verification.key
        if self._record(key) is not None or key in self._due or key == self._under_way:
            self._take_back(key)
            if for_all:
                self._put(key, None)

    def _gone(self, records: Iterable[Record]) -> None:
        """Take back what was removed before its time: refused elsewhere, or by people."""
        now = self._settings.now()
        for record in records:
            if record.until > now:
                self._take_back(record.key)

    def _take_back(self, key: str) -> None:
        self._taken_back.pop(key, None)
        if len(self._taken_back) >= TAKEN_BACK_MAX:
            del self._taken_back[next(iter(self._taken_back))]
        self._taken_back[key] = self._settings.now()

    def _put(self, key: str, success: Success | None) -> bool:
        if key not in self._due and len(self._due) >= WAITING_MAX:
            self._observer.written("dropped")
            return False
        seconds = self._settings.seconds()
        self._due[key] = None if success is None else Record.of(success, keep_seconds=seconds)
        self._arrived.set()
        return True

    def _record(self, key: str) -> Record | None:
        return None if self._watch is None else self._watch.values.get(("", name_of(key)))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._due and self.seal is not None:
                key, record = next(iter(self._due.items()))
                del self._due[key]
                self._under_way = key
                await self._written(key, record, self.seal)
                self._under_way = ""

    async def _written(self, key: str, record: Record | None, seal: Seal) -> None:
        retrying = persistently()
        try:
            if record is None:
                await retrying(self._objects.delete, RESOURCE, name_of(key))
                self._observer.written("withdrawn")
            elif not self._has_room_for(record):
                self._observer.written("dropped")
            elif not self._is_kept(record):
                await retrying(self._objects.apply, RESOURCE, content_of(record, seal.of(record)))
                self._observer.written("written")
        except ClusterUnavailable as fault:
            self._observer.written("failed")
            _log.warning("a verified image was not kept", error=str(fault))

    def _has_room_for(self, record: Record) -> bool:
        return len(self) < self._settings.limit or self._record(record.key) is not None

    def _is_kept(self, record: Record) -> bool:
        """Whether another replica has kept as much a moment ago."""
        found = self._record(record.key)
        return (
            found is not None
            and found.when >= record.when - RENEWED_SECONDS
            and found.until >= record.until - RENEWED_SECONDS
        )

    def _believed(self, content: Content, seal: Seal) -> Record | None:
        """Return what an object keeps, in the thread of the watch; None where it is ignored."""
        found = seal.opened(content, now=self._settings.now())
        if isinstance(found, Record):
            return found
        self._observer.ignored(found.why)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._disbelieved)
        return None
