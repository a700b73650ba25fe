"""How the server is told to stop: by SIGTERM to drain, by SIGINT to end at once."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Stop:
    """What has been asked for: to drain, or to end at once."""

    drain: asyncio.Event = field(default_factory=asyncio.Event)
    quick: asyncio.Event = field(default_factory=asyncio.Event)

    def begin_drain(self) -> None:
        """End without losing a request."""
        self.drain.set()

    def end_quickly(self) -> None:
        """End as soon as may be."""
        self.quick.set()
        self.drain.set()


@contextmanager
def signals_to(stop: Stop) -> Iterator[None]:
    """Let SIGTERM drain and SIGINT end quickly, on the running event loop's main thread."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.begin_drain)
    loop.add_signal_handler(signal.SIGINT, stop.end_quickly)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)


async def unless_told(stop: Stop, work: Coroutine[Any, Any, _Result]) -> _Result | None:
    """Return what the work comes to, None when told to stop before."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.drain.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
    return None if working.cancelled() else working.result()
