"""
What a registry that misbehaves writes to its connection, byte by byte.

Each misdeed is told the truth, which is what an honest registry would have answered at this step,
and yields what is written in its place; then the connection is closed. Nothing here goes through a
library that would set it right. `misdeeds.py` says what becomes of each.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from aiohttp import web

from registry.fake_registry import FakeRegistry, digest_of

ENDLESS_PIECE: Final = b" " * 65_536
SLOW_SECONDS: Final = 0.02
"""Between two bytes: never silent for long, and never at an end."""

MUCH_BYTES: Final = 64 * 1024 * 1024
"""What nobody may take from a connection in these tests; the system's buffers hold a few MiB."""

AGAIN: Final = "again=1"
"""The query of a redirect that leads to the same misdeed once more."""

_ROOM_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Truth:
    """
    What the registry should have answered, to which path, its own URL and another registry's.

    `is_head` is True where no body is wanted: then an answer has none, whatever it announces.
    """

    body: bytes
    headers: Mapping[str, str]
    path: str
    registry: str
    stranger: str
    is_head: bool

    def answer(
        self,
        body: bytes | None = None,
        *lines: str,
        status: str = "200 OK",
        without: tuple[str, ...] = (),
    ) -> bytes:
        """Return an answer: the true headers but those in `without`, and these lines."""
        content = self.body if body is None else body
        headers = {**self.headers, "Content-Length": str(len(content))}
        kept = [f"{name}: {value}" for name, value in headers.items() if name not in without]
        head = "\r\n".join([f"HTTP/1.1 {status}", *kept, *lines, "", ""])
        return head.encode("latin-1") + (b"" if self.is_head else content)


Misdeed = Callable[[Truth], AsyncIterator[bytes]]


def once(answer: Callable[[Truth], bytes]) -> Misdeed:
    """Return the misdeed of one answer."""

    async def misdeed(truth: Truth) -> AsyncIterator[bytes]:
        yield answer(truth)

    return misdeed


def redirect(location: Callable[[Truth], str], status: str = "307 Temporary Redirect") -> Misdeed:
    """Return the misdeed of a redirect."""
    return once(lambda truth: truth.answer(b"", f"Location: {location(truth)}", status=status))


def status(line: str, *headers: str, body: bytes = b"") -> Misdeed:
    """Return the misdeed of an answer of another status."""
    return once(lambda truth: truth.answer(body, *headers, status=line))


def going_on(
    head: Callable[[Truth], bytes], piece: bytes = ENDLESS_PIECE, *, every_seconds: float = 0.0
) -> Misdeed:
    """Return the misdeed of an answer that never ends, where it has a body that could."""

    async def misdeed(truth: Truth) -> AsyncIterator[bytes]:
        yield head(truth)
        while not truth.is_head:
            yield piece
            await asyncio.sleep(every_seconds)

    return misdeed


def before_the_body(beginning: bytes, piece: bytes = b"") -> Misdeed:
    """Return the misdeed of an answer whose body never begins."""

    async def misdeed(_truth: Truth) -> AsyncIterator[bytes]:
        yield beginning
        while True:
            yield piece
            await asyncio.sleep(SLOW_SECONDS)

    return misdeed


def falling_silent(head: Callable[[Truth], bytes]) -> Misdeed:
    """Return the misdeed of an answer that stops, and keeps its connection."""
    return going_on(head, b"", every_seconds=SLOW_SECONDS)


def chunked(truth: Truth, *bodies: bytes, status: str = "200 OK") -> bytes:
    """Return an answer in chunks, without the one that ends it."""
    headers = ("Transfer-Encoding: chunked",)
    head = truth.answer(b"", *headers, without=("Content-Length",), status=status)
    return head + (b"" if truth.is_head else b"".join(map(chunk, bodies)))


def chunk(content: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%s\r\n" % (len(content), content)


@cache
def a_bomb() -> bytes:
    """Return a few kilobytes that become 64 MiB."""
    return gzip.compress(b" " * MUCH_BYTES, compresslevel=9)


def altered(truth: Truth) -> bytes:
    """Return the truth and a space, under the true digest."""
    return truth.answer(truth.body + b" ")


def smuggled(truth: Truth) -> bytes:
    """Return a short answer with another one behind it, which nobody has asked for."""
    return truth.answer(truth.body[:-1]) + truth.answer(b"{}")


def filed_as(body: bytes) -> Misdeed:
    """Return the misdeed of other content, under the digest that it has."""
    header = f"Docker-Content-Digest: {digest_of(body)}"
    return once(lambda truth: truth.answer(body, header, without=("Docker-Content-Digest",)))


def with_lines(*lines: str, without: tuple[str, ...] = ()) -> Misdeed:
    """Return the misdeed of the truth with other headers."""
    return once(lambda truth: truth.answer(None, *lines, without=without))


class Player:
    """
    Writes a misdeed to each connection that asks; `written` is what was taken of them.

    With `at_the_door` whoever brings a token that the registry gave is told the truth.
    """

    def __init__(
        self,
        registry: FakeRegistry,
        stranger: FakeRegistry,
        misdeed: Misdeed,
        *,
        at_the_door: bool = False,
    ) -> None:
        self.written = 0
        self._at_the_door = at_the_door
        self._registry = registry
        self._stranger = stranger
        self._misdeed = misdeed

    async def fault(self, request: web.Request) -> web.StreamResponse:
        """Answer with the misdeed; a fault to put in front of the registry."""
        if self._at_the_door and self._registry.lets_in(request):
            return await self._registry.truth(request)
        transport = request.transport
        assert transport is not None
        async for piece in self._misdeed(await self._truth(request)):
            while (  # noqa: ASYNC110  # No event tells of room.
                transport.get_write_buffer_size() > _ROOM_BYTES and not transport.is_closing()
            ):
                await asyncio.sleep(0.001)
            if transport.is_closing():
                break
            transport.write(piece)
            self.written += len(piece)
        transport.close()
        return web.Response()  # Which goes nowhere.

    async def _truth(self, request: web.Request) -> Truth:
        answer = await self._registry.truth(request)
        assert isinstance(answer.body, bytes)
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name in {"Content-Type", "Docker-Content-Digest", "Link"}
        }
        is_head = request.method == "HEAD"
        return Truth(
            answer.body, headers, request.path, self._registry.url, self._stranger.url, is_head
        )
