"""
Pipes from a process to us that are bounded, and that nobody can make us wait for.

asyncio has pipes of its own, but there, waiting for a process also waits until nobody holds its
pipes any more, and a credential helper that outlives cosign does hold them.
"""

import asyncio
import os
from collections.abc import Callable


class Output(asyncio.Protocol):
    """
    What arrives at one pipe.

    `overflow` is called for as long as more arrives than is accepted; `ended` is done when nobody
    holds the other end any more.
    """

    def __init__(self, *, max_bytes: int, kept_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept_bytes = kept_bytes
        self._seen_bytes = 0
        self._kept = bytearray()
        self.overflow: Callable[[], None] = _nothing
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Keep what arrives, or report that it is too much."""
        self._seen_bytes += len(data)
        if self.is_over_limit:
            self._kept.clear()
            self.overflow()
            return
        self._kept += data
        if len(self._kept) > 2 * self._kept_bytes:
            del self._kept[: -self._kept_bytes]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's.
        """Note the end."""
        if not self.ended.done():
            self.ended.set_result(None)

    @property
    def is_over_limit(self) -> bool:
        """Whether more was printed than is accepted."""
        return self._seen_bytes > self._max_bytes

    def content(self) -> bytes:
        """Return what was kept, the end of it where it was too much."""
        return bytes(self._kept[-self._kept_bytes :])


def _nothing() -> None:
    """Stand in until there is a process to end."""


class Pipe:
    """A pipe whose one end we read; the other is `writer`, to be closed once it is handed on."""

    def __init__(self, output: Output, writer: int, transport: asyncio.ReadTransport) -> None:
        self.output = output
        self.writer = writer
        self._transport = transport

    @classmethod
    async def open(cls, *, max_bytes: int, kept_bytes: int) -> "Pipe":
        """Return a new pipe that is being read. Raises `OSError` when there are no more."""
        reader, writer = os.pipe()
        try:
            transport, output = await asyncio.get_running_loop().connect_read_pipe(
                lambda: Output(max_bytes=max_bytes, kept_bytes=kept_bytes),
                os.fdopen(reader, "rb", buffering=0),
            )
        except BaseException:
            os.close(writer)
            raise
        return cls(output, writer, transport)

    def close_writer(self) -> None:
        """Close our copy of the end that the process writes to."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Close both ends that are ours."""
        self.close_writer()
        self._transport.close()
