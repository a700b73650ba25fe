"""
One listening port: who may connect, who is connected, and how it comes to an end.

uvicorn's own server closes its port the moment it is told to stop, and idle connections right
after; both lose requests (ADR 7). So its protocol and configuration are used here without it, and
without its signal handlers and its loop that ticks ten times a second.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from landwaiter.errors import InvalidInput
from landwaiter.serving.certificates import ServingCertificate
from landwaiter.serving.connection import Connection, ConnectionObserver
from landwaiter.serving.house import House
from landwaiter.serving.limits import ConnectionLimits
from landwaiter.serving.shared_reads import SharedReads, room_for_reads

ASGIMessage = MutableMapping[str, Any]
ASGIApplication = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[ASGIMessage]],
        Callable[[ASGIMessage], Awaitable[None]],
    ],
    Awaitable[None],
]

BACKLOG: Final = 1024
"""Connections that the kernel holds while this process is busy: a rollout's worth."""

TLS_SHUTDOWN_SECONDS: Final = 5.0
"""How long to wait for the other side's goodbye, in seconds; nothing depends on it."""

Admit = Callable[[asyncio.Transport], dict[str, Any] | None]


def admit_anybody(_transport: asyncio.Transport) -> dict[str, Any]:
    """Serve every caller, and tell the application nothing about them."""
    return {}


class Listener:
    """A port and its connections, on the running event loop."""

    def __init__(
        self,
        app: ASGIApplication,
        *,
        limits: ConnectionLimits,
        observer: ConnectionObserver,
        admit: Admit = admit_anybody,
    ) -> None:
        self._config = Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        self._config.load()
        self._limits = limits
        self._observer = observer
        self._admit = admit
        self._state = ServerState()
        self._house: House[Connection] = House()
        self._room = room_for_reads()
        self._server: asyncio.Server | None = None
        self._closed_one = asyncio.Event()
        self._is_leaving = False
        self._accepted = 0

    @property
    def accepted(self) -> int:
        """How many connections have been accepted so far, also those in their TLS handshake."""
        return self._accepted

    @property
    def connections(self) -> frozenset[Connection]:
        """The connections that are open; one whose TLS handshake goes on is not among them yet."""
        return frozenset(one for one in self._state.connections if isinstance(one, Connection))

    async def start(
        self, host: str, port: int, certificate: ServingCertificate | None = None
    ) -> int:
        """
        Begin to accept connections; returns the port, which 0 leaves to the kernel.

        Without a certificate plain HTTP is spoken.
        """
        sock = _listening_socket(host, port)
        tls: dict[str, Any] = {}
        if certificate is not None:
            tls = {
                "ssl": certificate.context,
                "ssl_handshake_timeout": self._limits.handshake_seconds,
                "ssl_shutdown_timeout": TLS_SHUTDOWN_SECONDS,
            }
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, sock=sock, backlog=BACKLOG, **tls)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def _connection(self) -> SharedReads:
        self._accepted += 1
        connection = Connection(
            config=self._config,
            server_state=self._state,
            limits=self._limits,
            observer=self._observer,
            admit=self._admit,
            on_close=self._closed_one.set,
            house=self._house,
        )
        if self._is_leaving:
            connection.say_goodbye()
        return SharedReads(connection, self._room)

    def say_goodbye(self) -> None:
        """From now on each answer is the last one on its connection; go on accepting."""
        self._is_leaving = True
        for connection in self.connections:
            connection.say_goodbye()

    async def wait_until_empty(self) -> None:
        """Return when no connection is open."""
        while self._state.connections:
            self._closed_one.clear()
            await self._closed_one.wait()

    async def close(self, *, grace_seconds: float) -> None:
        """
        Stop accepting, end idle connections, and the others when they have their answers.

        What is not answered after `grace_seconds` is cut off.
        """
        if self._server is not None:
            self._server.close()
        self.say_goodbye()
        for connection in self.connections:
            if connection.is_idle:
                connection.transport.close()
        await self._wait_until_empty_or(grace_seconds)
        for connection in self.connections:
            connection.transport.abort()
        await self._wait_until_empty_or(TLS_SHUTDOWN_SECONDS)
        tasks = tuple(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait_until_empty_or(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait_until_empty()


def _listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, an empty `host` standing for all of IPv6 and IPv4."""
    try:
        if host == "" and socket.has_dualstack_ipv6():
            with suppress(OSError):
                return socket.create_server(
                    ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
                )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"{host or '*'}:{port}"
        if isinstance(error, socket.gaierror) or error.errno is None:
            reason = str(error.strerror or error)
        else:
            reason = os.strerror(error.errno)
        raise InvalidInput(f"cannot listen on {where}: {reason}") from error
