"""
Input that nobody honest sends, to the real process, while it serves others.

The bounds are those of production. `make hostile` tries 100,000 spoilt reviews; `make test` as many
as LANDWAITER_HOSTILE_REVIEWS says, 8,000 if it says nothing.
"""

import asyncio
import json
import os
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import pytest

from hostile.mutations import Spoiler, victims
from hostile.siege import Siege, besieged, room_for
from hostile.wire import Raw, client_hello, exchanged, statuses
from load.generations import EVEN_REGISTRY, filled, review
from serving.clients import Client
from system.objects import A_DIGEST, a_pod

SPOILT = int(os.environ.get("LANDWAITER_HOSTILE_REVIEWS", "8000"))
SEED = 20_261_124
SENDERS = 8
SPOILT_SECONDS = 1500.0

IDLE = 10_000
IDLE_SECONDS = 180.0
CONNECTING_AT_ONCE = 40
CONNECTIONS_MAX = 4_000

HANDSHAKE_SECONDS, HEAD_SECONDS, BODY_SECONDS = 5.0, 10.0, 20.0
BUSY_SECONDS = 8.0
"""How much later something may be noticed on a busy machine."""
COPIES = 25
PIECE_SECONDS = 0.5

JSON = {"content-type": "application/json"}
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


def test_every_review_is_refused_before_it_is_spoilt(siege: Siege) -> None:
    """Because of the image, of which the next test says that it never gets in."""
    tls, port = siege.landwaiter.client_context(), siege.landwaiter.port

    async def ask_all() -> list[bool]:
        client = await Client.connect(port, tls)
        bodies = [json.dumps(victim.review).encode() for victim in victims()]
        answers = [await client.ask("/validate", body, headers=JSON) for body in bodies]
        await end(client)
        return [json.loads(answer.body)["response"]["allowed"] for answer in answers]

    assert {False} == set(asyncio.run(ask_all()))


async def end(client: Client) -> None:
    """End a connection, and wait for its end."""
    client.close()
    await asyncio.gather(client.writer.wait_closed(), return_exceptions=True)


async def send_spoilt(siege: Siege, spoiler: Spoiler, count: int) -> list[str]:
    """Post spoilt reviews over one connection after another; return what is wrong with answers."""
    problems: list[str] = []
    tls, port = siege.landwaiter.client_context(), siege.landwaiter.port
    client: Client | None = None
    for _ in range(count):
        client = client or await Client.connect(port, tls)
        victim, body = spoiler.spoilt()
        answer = await client.ask("/validate", body, headers=JSON)
        if answer.status == 200:
            response = json.loads(answer.body)["response"]
            if response["allowed"] and victim.is_still_there(loaded(body)):
                problems.append(f"allowed: {body!r}")
        elif answer.status != 400:
            problems.append(f"{answer.status}: {body!r}")
        if answer.is_last:
            await end(client)
            client = None
    if client is not None:
        await end(client)
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


Attack = Callable[[Raw, ssl.SSLContext], Coroutine[Any, Any, None]]


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


async def open_idle(port: int, tls: ssl.SSLContext, count: int) -> list[Raw]:
    """Open connections that ask nothing; what TLS would need to ask is thrown away."""
    places = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one() -> Raw:
        async with places:
            raw = await Raw.connect(port)
            await raw.shake_hands(tls)
            raw.forget_tls()
            return raw

    async with asyncio.timeout(IDLE_SECONDS):
        return list(await asyncio.gather(*(one() for _ in range(count))))


@pytest.mark.timeout(IDLE_SECONDS + 60)
def test_ten_thousand_idle_connections_keep_nobody_out(siege: Siege) -> None:
    """The least missed are let go, and the API server's connections are none of them."""
    tls, port = siege.landwaiter.client_context(), siege.landwaiter.port

    async def hold() -> float:
        held = await open_idle(port, tls, IDLE)
        try:
            alive = await asyncio.to_thread(siege.is_alive)
            assert alive
            return await asyncio.to_thread(siege.landwaiter.metric, "landwaiter_connections")
        finally:
            for raw in held:
                raw.close()

    with siege.attacked(), room_for(IDLE + 1024):
        most = asyncio.run(hold())
    evicted = siege.landwaiter.metric("landwaiter_connections_ended_total", reason="evicted")

    assert (True, True) == (
        most <= CONNECTIONS_MAX,
        evicted >= IDLE - CONNECTIONS_MAX,
    )


async def upload(port: int, tls: ssl.SSLContext, head: bytes, piece: bytes) -> list[int]:
    """Send a piece of a body again and again, as far as the other side takes it."""
    raw = await Raw.connect(port)
    sending = None
    try:
        await raw.shake_hands(tls)
        sending = asyncio.create_task(repeated(raw, head, piece))
        return statuses(await raw.until_closed())
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        raw.close()


async def repeated(raw: Raw, head: bytes, piece: bytes) -> None:
    await raw.send(head)
    for _ in range(PIECES):
        await raw.send(piece)


PIECES = 1_000
LAST = b"connection: close\r\n"
LARGEST = GOOD + b" " * (7 * MEBIBYTE - len(GOOD))
"""What the API server could send, if everything in it were as large as it may be."""
ENDLESS = b"10000\r\n" + b"[" * 0x10000 + b"\r\n"


def test_huge_bodies_are_refused_or_answered(siege: Siege) -> None:
    """What says that it is too large, what turns out to be, and more than there is room for."""
    tls, port = siege.landwaiter.client_context(), siege.landwaiter.port
    declared = HEAD + b"content-length: 1099511627776\r\n\r\n"

    async def send_all() -> list[list[list[int]]]:
        kinds = [
            [(declared, b"x" * 1000)] * 50,
            [(HEAD + CHUNKED + b"\r\n", ENDLESS)] * 20,
            [(HEAD + LAST + with_length(LARGEST) + b"\r\n" + LARGEST, b"")] * 24,
        ]
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            tasks = [
                [group.create_task(upload(port, tls, *each)) for each in kind] for kind in kinds
            ]
        return [[task.result() for task in kind] for kind in tasks]

    with siege.attacked():
        declared_ones, endless, largest = asyncio.run(send_all())

    assert ([[413]] * 50, True, True) == (
        declared_ones,
        all(told in ([413], [503], []) for told in endless),
        all(told in ([200], [503], []) for told in largest),
    )
    assert [200] in largest


REFUSED, ANSWERED = [400], [200]
LENGTH, CHUNK = with_length(GOOD), in_a_chunk(GOOD)
SMUGGLED = b"POST /observe HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"

ODDITIES: Mapping[str, tuple[bytes, list[int]]] = {
    "as it should be": (HEAD + LAST + LENGTH + b"\r\n" + GOOD, ANSWERED),
    "two lengths that agree": (HEAD + LENGTH + LENGTH + b"\r\n" + GOOD, REFUSED),
    "two lengths that do not": (HEAD + b"content-length: 3\r\n" + LENGTH + b"\r\n" + GOOD, REFUSED),
    "a list of lengths": (HEAD + LENGTH[:-2] + b", 3\r\n\r\n" + GOOD, REFUSED),
    "a length and chunks": (HEAD + LENGTH + CHUNKED + b"\r\n" + CHUNK, REFUSED),
    "chunks and a length": (HEAD + CHUNKED + b"content-length: 4\r\n\r\n" + CHUNK, REFUSED),
    "a request behind chunks and a length": (
        HEAD + CHUNKED + b"content-length: 4\r\n\r\n" + CHUNK + SMUGGLED,
        REFUSED,
    ),
    "chunks twice": (HEAD + CHUNKED + CHUNKED + b"\r\n" + CHUNK, REFUSED),
    "chunks that are not the last coding": (
        HEAD + b"transfer-encoding: chunked, identity\r\n\r\n" + CHUNK,
        REFUSED,
    ),
    "another coding": (HEAD + b"transfer-encoding: xchunked\r\n\r\n" + CHUNK, REFUSED),
    "a coding behind a vertical tab": (
        HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n" + CHUNK,
        REFUSED,
    ),
    "a space before the colon": (HEAD + b"transfer-encoding : chunked\r\n\r\n" + CHUNK, REFUSED),
    "a length with a sign": (HEAD + b"content-length: +5\r\n\r\n" + GOOD, REFUSED),
    "a length in hexadecimal": (HEAD + b"content-length: 0x5\r\n\r\n" + GOOD, REFUSED),
    "no length": (HEAD + b"content-length: \r\n\r\n" + GOOD, REFUSED),
    "a length that is none": (HEAD + b"content-length: -1\r\n\r\n" + GOOD, REFUSED),
    "a chunk of no length": (HEAD + CHUNKED + b"\r\n-1\r\n" + GOOD, REFUSED),
    "a chunk with a prefix": (HEAD + CHUNKED + b"\r\n0x5\r\n" + GOOD, REFUSED),
    "a chunk longer than numbers are": (HEAD + CHUNKED + b"\r\n" + b"f" * 18 + b"\r\n", REFUSED),
    "a chunk without its end": (HEAD + CHUNKED + b"\r\n5\r\n" + GOOD, REFUSED),
    "an extension with a line feed": (HEAD + CHUNKED + b"\r\n5;a\n" + GOOD, REFUSED),
    "a length behind the chunks": (
        HEAD + CHUNKED + b"\r\n" + CHUNK[:-2] + b"content-length: 5\r\n\r\n",
        REFUSED,
    ),
    "line feeds alone": (WHOLE.replace(b"\r\n", b"\n"), REFUSED),
    "a carriage return alone": (HEAD + b"x: a\rb: c\r\n" + LENGTH + b"\r\n" + GOOD, REFUSED),
    "a folded header": (HEAD + b"x: a\r\n b\r\n" + LENGTH + b"\r\n" + GOOD, REFUSED),
    "a NUL": (HEAD + b"x: a\x00\r\n" + LENGTH + b"\r\n" + GOOD, REFUSED),
    "a header without a name": (HEAD + b": a\r\n" + LENGTH + b"\r\n" + GOOD, REFUSED),
    "a header without a colon": (HEAD + b"abc\r\n" + LENGTH + b"\r\n" + GOOD, REFUSED),
    "more than its length": (WHOLE + b"GARBAGE\r\n\r\n", REFUSED),
    "a path with a space": (WHOLE.replace(b"/validate", b"/val idate", 1), REFUSED),
    "another host's address": (WHOLE.replace(b"/validate", b"evil:443", 1), REFUSED),
    "a tunnel": (b"CONNECT evil:443 HTTP/1.1\r\nhost: evil\r\n\r\n" + WHOLE, REFUSED),
    "a request in lower case": (WHOLE.replace(b"POST", b"post", 1), REFUSED),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED),
    "HTTP/0.9": (b"GET /validate\r\n\r\n", [405]),
    "seventeen at once": (WHOLE * 18, REFUSED),
}
"""What is sent, and the only answers to it; the connection ends with them."""


def test_what_two_programs_could_read_differently_is_refused(siege: Siege) -> None:
    """One answer, and the end of the connection: nothing behind it is ever read as a request."""
    tls, port = siege.landwaiter.client_context(), siege.landwaiter.port

    async def ask_all() -> dict[str, list[int]]:
        answers = await asyncio.gather(
            *(exchanged(port, tls, sent, seconds=60) for sent, _ in ODDITIES.values())
        )
        return dict(zip(ODDITIES, map(statuses, answers), strict=True))

    with siege.attacked():
        told = asyncio.run(ask_all())

    assert {name: wanted for name, (_, wanted) in ODDITIES.items()} == told


async def speaks(port: int, tls: ssl.SSLContext) -> bool:
    """Whether a handshake is had."""
    raw = await Raw.connect(port)
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS + BUSY_SECONDS):
            await raw.shake_hands(tls)
    except OSError:
        return False
    else:
        return True
    finally:
        raw.close()


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
def test_old_tls_is_not_spoken(siege: Siege, version: ssl.TLSVersion, *, spoken: bool) -> None:
    """Not even with a client that would take any cipher."""
    tls = siege.landwaiter.client_context()
    tls.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tls.minimum_version = version
        tls.maximum_version = version

    assert spoken is asyncio.run(speaks(siege.landwaiter.port, tls))
