"""
A Service on loopback: one port that leads to whichever replica takes the connection.

It goes by connections, as kube-proxy does, and knows nothing of TLS. A connection that no replica
takes is closed.
"""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65_536
HOST = "127.0.0.1"


class Balancer:
    """Forwards connections from `with` to its end; `ports` may be set at any time."""

    def __init__(self, ports: Sequence[int] = ()) -> None:
        self.ports = tuple(ports)
        self.port = 0
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            with suppress(OSError, asyncio.CancelledError):  # Nobody waits for this task.
                await self._join(reader, writer)
        finally:
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replica = await self._replica()
        if replica is None:
            return
        try:
            await asyncio.gather(_forward(reader, replica[1]), _forward(replica[0], writer))
        finally:
            replica[1].close()

    async def _replica(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        ports = self.ports
        for _ in ports:
            self._turn += 1
            with suppress(OSError):
                return await asyncio.open_connection(HOST, ports[self._turn % len(ports)])
        return None

    def drop(self) -> None:
        """End every connection; new ones are taken as before."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(10)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._drop()

    async def _drop(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                writer.write(chunk)
                await writer.drain()
    finally:
        # One side that ends ends the other; the API server and TLS close both ways together.
        writer.close()
