"""
An answer whose head goes out together with the first of its body.

uvicorn writes the two one by one, which are two records of TLS and two packets where one will do
(ADR 18). A head is held back for as long as the application takes to the first of the body, which
it has at hand.
"""

import asyncio


class JoinedWrites(asyncio.Transport):
    """What the answer to one request is written to; the first thing written is its head."""

    __slots__ = ("_head", "_is_begun", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._is_begun = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the head, and write everything else behind it."""
        if self._is_begun:
            joined = self._head + data if self._head else data
            self._head = b""
            self._transport.write(joined)
        else:
            self._is_begun = True
            self._head = bytes(data)

    def is_closing(self) -> bool:
        """Say whether the connection ends."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection once what was written is sent, a head without a body too."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()
