"""A client that shows what arrives on the wire, and listeners to connect to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from landwaiter.admission.http import BODY_IS_WHOLE
from landwaiter.serving.certificates import ServingCertificate
from landwaiter.serving.limits import ConnectionLimits
from landwaiter.serving.listener import Admit, Listener, admit_anybody
from realparts.certificates import Authority, KeyPair

HOST = "127.0.0.1"
PATIENCE_SECONDS = 20.0
"""How long a test waits for what should happen at once."""


@dataclass(frozen=True)
class Certificates:
    authority: Authority
    server: KeyPair

    def client_context(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """Return what a client trusts, and shows of itself."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_last(self) -> bool:
        """Whether the server will close the connection."""
        return self.headers.get("connection") == "close"


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> Self:
        return cls(*await asyncio.open_connection(HOST, port, ssl=tls))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> Answer:
        """Read one answer that has a length."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, body)

    async def ask(
        self, path: str = "/", body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Post a body and read the answer."""
        self.write(a_post(path, body, headers=headers))
        return await self.answer()

    async def get(self, path: str) -> Answer:
        self.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        return await self.answer()

    async def rest(self) -> bytes:
        """Read until the server has closed the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def serial_number(self) -> str:
        """Return which certificate the server has shown."""
        certificate = self.writer.get_extra_info("peercert")
        return str(certificate["serialNumber"])

    def close(self) -> None:
        self.writer.transport.abort()


def a_post(path: str, body: bytes, *, headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Counts:
    """An observer that remembers."""

    ended: list[str] = field(default_factory=list)
    most: int = 0
    now: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def connections(self, count: int) -> None:
        self.now = count
        self.most = max(self.most, count)
        self.changed.set()

    async def until(self, count: int) -> None:
        """Return when so many connections are open."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.now != count:
                self.changed.clear()
                await self.changed.wait()

    def connection_ended(self, reason: str) -> None:
        self.ended.append(reason)


Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]


@dataclass
class Echo:
    """An application that answers with the body; `/hang` waits for `let_go` first."""

    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    states: list[dict[str, Any]] = field(default_factory=list)
    headers: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401  # ASGI.
        self.states.append(scope["state"])
        self.headers.append(list(scope["headers"]))
        self.whole.append(scope.get(BODY_IS_WHOLE, False))
        self.asked.set()
        body = b""
        if scope["path"] != "/unread":
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
        if scope["path"] == "/hang":
            await self.let_go.wait()
        if scope["path"] == "/large":
            body = b"x" * 10_000_000
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Clients:
    """Connections to one port, all of which end with their test."""

    port: int
    tls: ssl.SSLContext | None = None
    opened: list[Client] = field(default_factory=list)

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        client = await Client.connect(self.port, tls or self.tls)
        self.opened.append(client)
        return client

    async def connect_plainly(self) -> Client:
        """Connect without saying a word of TLS."""
        client = await Client.connect(self.port)
        self.opened.append(client)
        return client

    async def close(self) -> None:
        for client in self.opened:
            client.close()
            await asyncio.gather(client.writer.wait_closed(), return_exceptions=True)


@dataclass
class Running:
    listener: Listener
    clients: Clients
    echo: Echo
    counts: Counts

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        return await self.clients.connect(tls)


@asynccontextmanager
async def listening(
    limits: ConnectionLimits | None = None,
    *,
    certificate: ServingCertificate | None = None,
    admit: Admit = admit_anybody,
) -> AsyncIterator[Running]:
    """Run a listener with an echo behind it."""
    echo, counts = Echo(), Counts()
    listener = Listener(
        echo,
        limits=limits or ConnectionLimits(),
        observer=counts,
        admit=admit,
    )
    clients = Clients(await listener.start(HOST, 0, certificate))
    try:
        yield Running(listener, clients, echo, counts)
    finally:
        await clients.close()
        await listener.close(grace_seconds=0)
