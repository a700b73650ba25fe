"""
Pipes from a process to us that are bounded, and that nobody can make us wait for.

asyncio has pipes of its own, but there, waiting for a process also waits until nobody holds its
pipes any more, and a process that outlives the program which started it does hold them. They also
take an `await` to be made, in which a cancellation can lose them.
"""

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Self

READ_BYTES = 262_144
"""How much is taken at a time; a pipe of Linux holds 64 KiB, or 1 MiB when it is told to."""


class BoundedPipe:
    """
    A pipe whose one end we read; the other is `writer`, to be closed once it is handed on.

    `ended` is done when nobody holds the other end any more. `overflow` is called when more
    arrives than is accepted, which is then dropped. Use it as a context: both ends are closed
    when it is left. Raises `OSError` when there are no more pipes.
    """

    def __init__(self, *, max_bytes: int, kept_bytes: int) -> None:
        self.overflow: Callable[[], None] = _nothing
        self._max_bytes = max_bytes
        self._kept_bytes = kept_bytes
        self._seen_bytes = 0
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._loop.add_reader(self._reader, self._read)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close_writer()
        self._close_reader()

    @property
    def is_over_limit(self) -> bool:
        """Whether more arrived than is accepted."""
        return self._seen_bytes > self._max_bytes

    def content(self) -> bytes:
        """Return what was kept, the end of it where it was too much."""
        return bytes(self._kept[-self._kept_bytes :])

    def close_writer(self) -> None:
        """Close our copy of the end that the process writes to."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def _close_reader(self) -> None:
        if self._reader >= 0:
            self._loop.remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
            self.ended.set_result(None)

    def _read(self) -> None:
        try:
            arrived = os.read(self._reader, READ_BYTES)
        except BlockingIOError:
            return
        if not arrived:
            self._close_reader()
            return
        self._seen_bytes += len(arrived)
        if self.is_over_limit:
            self._kept.clear()
            self.overflow()
            return
        self._kept += arrived
        if len(self._kept) > 2 * self._kept_bytes:
            del self._kept[: -self._kept_bytes]


def _nothing() -> None:
    """Stand in until there is a process to end."""
