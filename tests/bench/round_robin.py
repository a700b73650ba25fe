"""
A Service on loopback in a process of its own: connections go to the servers behind it in turn.

    python tests/bench/round_robin.py PORT SERVER_PORT...

It goes by connections, as kube-proxy does, and knows nothing of TLS. Unlike kube-proxy's, which the
kernel does, its work costs processor time; the bench states how much.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import cast

import uvloop

HOST = "127.0.0.1"


class _Side(asyncio.Protocol):
    """One end of a connection that is forwarded; what comes before the other end is there waits."""

    def __init__(self) -> None:
        self._other: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def join(self, other: asyncio.Transport) -> None:
        """Forward to the other end from now on."""
        self._other = other
        other.writelines(self._waiting)
        self._waiting.clear()
        if self._is_lost:
            other.close()

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._waiting.append(data)
        else:
            self._other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._other is not None:
            self._other.close()


class _Front(_Side):
    """The end of whoever connects."""

    def __init__(self, ports: Iterator[int]) -> None:
        super().__init__()
        self._ports = ports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._joining = asyncio.ensure_future(self._joined())

    async def _joined(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, back = await loop.create_connection(_Side, HOST, next(self._ports))
        except OSError:
            self.transport.close()
        else:
            back.join(self.transport)
            self.join(back.transport)


async def forward(port: int, servers: Sequence[int]) -> None:
    """Forward connections to a port for good."""
    ports = itertools.cycle(servers)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Front(ports), HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    own, *behind = map(int, sys.argv[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(forward(own, behind))
