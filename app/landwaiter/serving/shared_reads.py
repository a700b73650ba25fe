"""
Reads for all connections of a listener into one piece of memory.

Where a protocol is given bytes, each read from a TLS connection makes room for 256 KiB first (in
uvloop, and another time to find that there is no more), most of which is given back at once: that
is more work than reading, and holes in the heap (ADR 18). A read is over before the next begins, on
one event loop, so all can have the same room.
"""

import asyncio
from typing import Final

from landwaiter.serving.connection import Connection

ROOM_BYTES: Final = 256 * 1024
"""What one read gives at most, as much as one that makes its own room; a record of TLS has 16."""


def room_for_reads() -> memoryview:
    """Return memory for the connections of one listener."""
    return memoryview(bytearray(ROOM_BYTES))


class SharedReads(asyncio.BufferedProtocol):
    """Hands a connection what is read for it, and everything else that its transport says."""

    __slots__ = ("_connection", "_room")

    def __init__(self, connection: Connection, room: memoryview) -> None:
        self._connection = connection
        self._room = room

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the connection that it is one."""
        self._connection.connection_made(transport)  # type: ignore[arg-type]  # uvicorn wants less.

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature.
        """Return where to read to."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over so many bytes that were read."""
        self._connection.data_received(bytes(self._room[:nbytes]))

    def eof_received(self) -> None:
        """Tell the connection that nothing more comes."""
        self._connection.eof_received()

    def pause_writing(self) -> None:
        """Tell the connection that its answers are not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell the connection that they are read again."""
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Tell the connection that it has ended, and let go of it.

        uvloop keeps this object's methods, and the connection its transport: with the last link of
        the circle they would stay, with 256 KiB more, until the garbage collector comes by.
        """
        self._connection.connection_lost(exc)
        del self._connection
