"""
Input that nobody honest sends, to the real process, while it serves others.

The bounds are those of production. `make hostile` tries 100,000 spoilt reviews; `make test` as many
as LANDWAITER_HOSTILE_REVIEWS says, 12,000 if it says nothing.
"""

import asyncio
import json
import os
import socket
import ssl
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest

from hostile.mutations import Spoiler
from hostile.siege import Siege, besieged, room_for
from hostile.wire import Raw, client_hello, exchanged, statuses
from load.generations import EVEN_REGISTRY, filled, review
from serving.clients import Client
from system.objects import A_DIGEST, a_pod

SPOILT = int(os.environ.get("LANDWAITER_HOSTILE_REVIEWS", "12000"))
SEED = 20_261_124
SENDERS = 8
SPOILT_SECONDS = 600.0

IDLE = 10_000
IDLE_SECONDS = 180.0
CONNECTING_AT_ONCE = 40
CONNECTIONS_MAX = 4_000

HANDSHAKE_SECONDS, HEAD_SECONDS, BODY_SECONDS = 5.0, 10.0, 20.0
BUSY_SECONDS = 8.0
"""How much later something may be noticed on a busy machine."""
COPIES = 25
PIECE_SECONDS = 0.5

MEBIBYTE = 1024 * 1024

GOOD = filled(review(a_pod(f"{EVEN_REGISTRY}/app:1.0@{A_DIGEST}")), 1).encode()
HEAD = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def with_length(body: bytes) -> bytes:
    return b"content-length: %d\r\n" % len(body)


def in_a_chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


CHUNKED = b"transfer-encoding: chunked\r\n"
WHOLE = HEAD + with_length(GOOD) + b"\r\n" + GOOD


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with besieged(tmp_path_factory.mktemp("siege")) as siege:
        yield siege


async def send_spoilt(siege: Siege, spoiler: Spoiler, count: int) -> list[str]:
    """Post spoilt reviews over one connection after another; return what is wrong with answers."""
    problems: list[str] = []
    tls, port = siege.landwaiter.client_context(), siege.landwaiter.port
    client: Client | None = None
    for _ in range(count):
        client = client or await Client.connect(port, tls)
        victim, body = spoiler.spoilt()
        answer = await client.ask("/validate", body, headers={"content-type": "application/json"})
        if answer.status == 200:
            response = json.loads(answer.body)["response"]
            if response["allowed"] and victim.is_still_there(loaded(body)):
                problems.append(f"allowed: {body!r}")
        elif answer.status != 400:
            problems.append(f"{answer.status}: {body!r}")
        if answer.is_last:
            client.writer.close()
            client = None
    if client is not None:
        client.writer.close()
    return problems


def loaded(body: bytes) -> Any:  # noqa: ANN401  # JSON.
    """Return what is in a body, None where that is no JSON for Python."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


@pytest.mark.timeout(SPOILT_SECONDS + 60)
def test_spoilt_reviews_are_answered_and_never_admit(siege: Siege) -> None:
    """Each is refused, or is no review; no bug shows, and the bad image never gets in."""

    async def send() -> list[str]:
        spoilers = [Spoiler(SEED + number) for number in range(SENDERS)]
        async with asyncio.timeout(SPOILT_SECONDS):
            found = await asyncio.gather(
                *(send_spoilt(siege, each, SPOILT // SENDERS) for each in spoilers)
            )
        return [problem for each in found for problem in each]

    with siege.attacked():
        problems = asyncio.run(send())

    assert [] == problems


Attack = Callable[[Raw, ssl.SSLContext], Awaitable[None]]


async def says_nothing(raw: Raw, tls: ssl.SSLContext) -> None:
    """Connect, and be silent."""


async def half_a_hello(raw: Raw, tls: ssl.SSLContext) -> None:
    hello = client_hello(tls)
    await raw.send(hello[: len(hello) // 2])


async def a_hello_in_pieces(raw: Raw, tls: ssl.SSLContext) -> None:
    for byte in client_hello(tls)[:60]:
        await raw.send(bytes([byte]))
        await asyncio.sleep(PIECE_SECONDS)


async def a_hello_and_no_end(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.send(client_hello(tls))


async def a_record_too_long(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.send(b"\x16\x03\x01\xff\xff" + b"x" * 100)


async def no_tls(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.send(WHOLE)


async def half_closed_in_the_handshake(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.send(client_hello(tls))
    raw.sock.shutdown(socket.SHUT_WR)


async def a_slow_head(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.shake_hands(tls)
    for byte in HEAD:
        await raw.send(bytes([byte]))
        await asyncio.sleep(PIECE_SECONDS)


async def a_slow_body(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.shake_hands(tls)
    await raw.send(HEAD + with_length(GOOD) + b"\r\n")
    for byte in GOOD:
        await raw.send(bytes([byte]))
        await asyncio.sleep(PIECE_SECONDS)


async def slow_chunks(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.shake_hands(tls)
    await raw.send(HEAD + CHUNKED + b"\r\n")
    for byte in GOOD:
        await raw.send(b"1\r\n%c\r\n" % byte)
        await asyncio.sleep(PIECE_SECONDS)


async def a_chunk_without_end(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.shake_hands(tls)
    await raw.send(HEAD + CHUNKED + b"\r\nffffffffffffffff\r\n{")


async def half_closed_in_the_body(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.shake_hands(tls)
    await raw.send(WHOLE[:-10])
    raw.sock.shutdown(socket.SHUT_WR)


async def broken_off_in_a_record(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.shake_hands(tls)
    raw.forget_tls()
    await raw.send(b"\x17\x03\x03\x40\x00" + b"x" * 100)
    raw.sock.shutdown(socket.SHUT_WR)


async def junk_in_a_record(raw: Raw, tls: ssl.SSLContext) -> None:
    await raw.shake_hands(tls)
    raw.forget_tls()
    await raw.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)


AT_ONCE = 0.0
ATTACKS: Mapping[Attack, tuple[float, list[int]]] = {
    says_nothing: (HANDSHAKE_SECONDS, []),
    half_a_hello: (HANDSHAKE_SECONDS, []),
    a_hello_in_pieces: (HANDSHAKE_SECONDS, []),
    a_hello_and_no_end: (HANDSHAKE_SECONDS, []),
    a_record_too_long: (AT_ONCE, []),
    no_tls: (AT_ONCE, []),
    half_closed_in_the_handshake: (AT_ONCE, []),
    a_slow_head: (HEAD_SECONDS, []),
    a_slow_body: (BODY_SECONDS, [408]),
    slow_chunks: (BODY_SECONDS, [408]),
    a_chunk_without_end: (BODY_SECONDS, [408]),
    half_closed_in_the_body: (AT_ONCE, []),
    broken_off_in_a_record: (AT_ONCE, []),
    junk_in_a_record: (AT_ONCE, []),
}
"""What a client does, within how many seconds its connection ends, and what it is told."""


async def outcome(attack: Attack, port: int, tls: ssl.SSLContext) -> tuple[float, list[int]]:
    """Return how many seconds an attacker was borne with, and what it was told."""
    raw = await Raw.connect(port)
    begin = time.monotonic()
    attacking = asyncio.create_task(attack(raw, tls))
    try:
        if attack in {says_nothing, a_hello_and_no_end}:
            await attacking
        else:
            await asyncio.wait({attacking}, timeout=2 * PIECE_SECONDS)
        told = await raw.until_closed()
    finally:
        attacking.cancel()
        await asyncio.gather(attacking, return_exceptions=True)
        raw.close()
    return time.monotonic() - begin, statuses(told)


def test_whoever_dawdles_or_breaks_off_is_let_go_in_time(siege: Siege) -> None:
    """Truncated TLS, slow heads and bodies, half-closed connections; many of each at once."""
    tls, port = siege.landwaiter.client_context(), siege.landwaiter.port

    async def attack_all() -> dict[str, tuple[float, list[list[int]]]]:
        found = {}
        async with asyncio.timeout(BODY_SECONDS + 60), asyncio.TaskGroup() as group:
            running = {
                attack: [group.create_task(outcome(attack, port, tls)) for _ in range(COPIES)]
                for attack in ATTACKS
            }
        for attack, tasks in running.items():
            ends = [task.result() for task in tasks]
            told = [list(each) for each in {tuple(told) for _, told in ends}]
            found[attack.__name__] = (max(seconds for seconds, _ in ends), told)
        return found

    with siege.attacked():
        found = asyncio.run(attack_all())

    late = {
        name: seconds
        for (name, (seconds, _)), (limit, _) in zip(found.items(), ATTACKS.values(), strict=True)
        if seconds > limit + BUSY_SECONDS
    }
    assert {attack.__name__: [told] for attack, (_, told) in ATTACKS.items()} == {
        name: told for name, (_, told) in found.items()
    }
    assert {} == late
