"""
All objects of one resource, kept up with the cluster.

Each watch has a thread of its own, so that a hanging API server can stop nothing else; decoded
values are handed to the event loop, and only there they are looked at. What the client library
offers for this does not back off, has no read timeout and no paging (kubernetes 37.0.2), so the
protocol is spoken in `following`, on the library's connections.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Generic

from landwaiter.cluster.following import (
    Alive,
    Follower,
    Gone,
    Listed,
    News,
    ObjectName,
    Refused,
    Stands,
    ValueT,
    Watched,
    WatchSource,
)


class Watch(Generic[ValueT]):
    """
    The objects of one resource. Made and used on one event loop; `close` ends its thread.

    `values` holds what was last heard, and is empty until `synced`. `changed`, when given, is
    called on the event loop after every change, once at least when synced; `gone` before it, with
    what was there and is not any more.
    """

    def __init__(
        self,
        source: WatchSource,
        watched: Watched[ValueT],
        *,
        changed: Callable[[], None] | None = None,
        gone: Callable[[Iterable[ValueT]], None] = lambda _: None,
    ) -> None:
        self._watched = watched
        self._changed = changed or (lambda: None)
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._values: dict[ObjectName, ValueT] = {}
        self._synced = asyncio.Event()
        self._is_refused = False
        self._heard_at: float | None = None
        self._follower = Follower(source, watched, self._tell)

    def start(self) -> None:
        """Begin to list and to watch."""
        self._follower.start()

    @property
    def values(self) -> Mapping[ObjectName, ValueT]:
        """Return a view of what was last heard."""
        return MappingProxyType(self._values)

    @property
    def is_synced(self) -> bool:
        """Whether everything has been listed once."""
        return self._synced.is_set()

    @property
    def is_refused(self) -> bool:
        """Whether the API server has said that it does not let us list."""
        return self._is_refused

    async def synced(self) -> None:
        """Return when everything has been listed once."""
        await self._synced.wait()

    def age_seconds(self) -> float | None:
        """Return how long nothing has been heard, bookmarks included; None before the first."""
        return None if self._heard_at is None else max(0.0, time.monotonic() - self._heard_at)

    async def close(self) -> None:
        """End the thread; what it still says is not heard."""
        self._changed = lambda: None
        self._gone = lambda _: None
        await asyncio.to_thread(self._follower.stop)

    def _tell(self, news: News[ValueT]) -> None:
        """Hand over what was heard, from the thread; nobody listens on a closed loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hear, news)

    def _hear(self, news: News[ValueT]) -> None:
        if isinstance(news, Refused):
            self._is_refused = True
            return
        self._heard_at = time.monotonic()
        match news:
            case Listed(values):
                self._is_refused = False
                before, self._values = self._values, dict(values)
                self._synced.set()
                self._gone([before[name] for name in before.keys() - values.keys()])
                self._changed()
            case Stands(name, value):
                self._values[name] = value
                self._changed()
            case Gone(name):
                if name in self._values:
                    self._gone([self._values.pop(name)])
                self._changed()
            case Alive():
                pass
