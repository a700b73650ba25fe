"""Connections that do what no client should: with their own TLS, so that a thousand cost little."""

import asyncio
import contextlib
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Final

HOST: Final = "127.0.0.1"
READ_BYTES: Final = 65_536
HANDSHAKE_STEPS_MAX: Final = 20
STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@dataclass(slots=True)
class Raw:
    """A TCP connection with TLS or without; what TLS needs can be thrown away, the socket stays."""

    sock: socket.socket
    tls: ssl.SSLObject | None = None
    incoming: ssl.MemoryBIO | None = None
    outgoing: ssl.MemoryBIO | None = None

    @classmethod
    async def connect(cls, port: int) -> "Raw":
        """Connect, and say nothing."""
        sock = socket.socket()
        sock.setblocking(False)  # noqa: FBT003  # Its only parameter.
        await asyncio.get_running_loop().sock_connect(sock, (HOST, port))
        return cls(sock)

    async def shake_hands(self, context: ssl.SSLContext) -> None:
        """Begin TLS. Raises `OSError` where that fails."""
        loop = asyncio.get_running_loop()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=HOST)
        for _ in range(HANDSHAKE_STEPS_MAX):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await loop.sock_sendall(self.sock, self.outgoing.read())
                data = await loop.sock_recv(self.sock, READ_BYTES)
                if not data:
                    raise ConnectionResetError("closed during the handshake") from None
                self.incoming.write(data)
            else:
                await loop.sock_sendall(self.sock, self.outgoing.read())
                return
        raise ConnectionError("a handshake without end")

    async def send(self, data: bytes) -> None:
        """Send data, through TLS where there is some."""
        loop = asyncio.get_running_loop()
        if self.tls is None or self.outgoing is None:
            await loop.sock_sendall(self.sock, data)
            return
        for at in range(0, len(data), READ_BYTES):
            self.tls.write(data[at : at + READ_BYTES])
            await loop.sock_sendall(self.sock, self.outgoing.read())

    async def until_closed(self) -> bytes:
        """Return what comes until the other side closes, by whatever means."""
        loop = asyncio.get_running_loop()
        found = b""
        while True:
            try:
                data = await loop.sock_recv(self.sock, READ_BYTES)
            except OSError:
                return found
            if not data:
                return found
            found += self._plain(data)

    def _plain(self, data: bytes) -> bytes:
        if self.tls is None or self.incoming is None:
            return data
        self.incoming.write(data)
        found = b""
        try:
            while piece := self.tls.read(READ_BYTES):
                found += piece
        except ssl.SSLError:
            pass  # No more of it yet, or an alert.
        return found

    def forget_tls(self) -> None:
        """Keep the socket alone."""
        self.tls = self.incoming = self.outgoing = None

    def close(self) -> None:
        """Close it at once."""
        self.sock.close()


def client_hello(context: ssl.SSLContext) -> bytes:
    """Return the first packet of a handshake."""
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def exchanged(port: int, context: ssl.SSLContext, data: bytes, *, seconds: float) -> bytes:
    """Return all that is answered to data until the connection is closed; raises `TimeoutError`."""
    raw = await Raw.connect(port)
    try:
        async with asyncio.timeout(seconds):
            await raw.shake_hands(context)
            await raw.send(data)
            return await raw.until_closed()
    finally:
        raw.close()


def statuses(answers: bytes) -> list[int]:
    """Return the status of each answer."""
    return [int(found) for found in STATUS.findall(answers)]
