"""
Removes what is kept for nothing, while this replica is the one that does.

That is what has expired, the oldest where there is more than is kept, and after an hour what is not
believed: until then people can look at what an Event has told them of. Objects are read page by
page, so that a flood of forged ones takes no memory.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.events import Note, Regarding
from landwaiter.cluster.listing import Content
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.errors import ClusterConflict, ClusterUnavailable
from landwaiter.inventory.observer import InventoryObserver, Removed
from landwaiter.inventory.records import KIND, RESOURCE
from landwaiter.inventory.sealing import Disbelief, NotBelieved, Seal
from landwaiter.policy.models import API_VERSION

ROUND_SECONDS: Final = 300.0
"""How often it is looked for what can go."""

PAUSE_SECONDS: Final = 10.0
"""Between two rounds at least, whatever is heard of meanwhile."""

NOT_BELIEVED_SECONDS: Final = 3600.0
"""How long an object stays that is not believed, and from when on an expired one is odd."""

ROOM_SHARE: Final = 0.1
"""How much room is made at once where there is more than is kept."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class _Object:
    """One version of an object, and how long ago the first one was made."""

    name: str
    uid: str
    version: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """
    What a collector needs to know: the seal, who removes, how much is kept, and what time it is.

    `note` takes what an Event is to say, and returns at once.
    """

    seal: Callable[[], Seal | None]
    is_leader: Callable[[], bool]
    limit: int
    now: Callable[[], float]
    note: Callable[[Note], None]


class Collector:
    """Removes objects that are kept for nothing; used on one event loop."""

    def __init__(
        self, objects: ClusterObjects, settings: CollectorSettings, observer: InventoryObserver
    ) -> None:
        self._objects = objects
        self._settings = settings
        self._observer = observer
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look soon: something was heard of that is not believed, or this replica removes now."""
        self._woken.set()

    async def run(self) -> None:
        """Remove until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self.round()
            except ClusterUnavailable as fault:
                _log.warning("verified images could not be looked through", error=str(fault))
            await asyncio.sleep(PAUSE_SECONDS)

    async def round(self) -> None:
        """Look at every object once. Raises `ClusterUnavailable`."""
        seal, now = self._settings.seal(), self._settings.now()
        if seal is None or not self._settings.is_leader():
            return
        kept: list[tuple[int, _Object]] = []
        async for page in self._objects.pages(RESOURCE):
            for content in page:
                found = _object(content, now)
                record = seal.opened(content, now=now)
                if isinstance(record, NotBelieved):
                    await self._ignored(found, record)
                else:
                    kept.append((record.when, found))
        limit = self._settings.limit
        if len(kept) >= limit:
            kept.sort(key=lambda each: each[0])
            for _, oldest in kept[: len(kept) - int(limit * (1 - ROOM_SHARE))]:
                await self._remove(oldest, "surplus")

    async def _ignored(self, found: _Object, problem: NotBelieved) -> None:
        """Tell of an object that is not believed, and remove it when it is due."""
        is_expired = problem.why is Disbelief.EXPIRED
        if not is_expired or problem.expired_seconds > NOT_BELIEVED_SECONDS:
            about = Regarding(API_VERSION, KIND, found.name, uid=found.uid)
            text = f"this VerifiedImage is ignored and will be removed: {problem}"
            self._settings.note(Note(about, "NotBelieved", "Verify", text, is_warning=True))
        if is_expired:
            await self._remove(found, "expired")
        elif found.age_seconds > NOT_BELIEVED_SECONDS:
            await self._remove(found, "not believed")

    async def _remove(self, found: _Object, why: Removed) -> None:
        """Remove this very version, and none that was written since."""
        if not self._settings.is_leader():
            return
        with suppress(ClusterConflict):
            if await self._objects.delete(
                RESOURCE, found.name, uid=found.uid, version=found.version
            ):
                self._observer.removed(why)


def _object(content: Content, now: float) -> _Object:
    metadata = content["metadata"]
    made = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
    return _Object(metadata["name"], metadata["uid"], metadata["resourceVersion"], now - made)
