"""All connections of a listener are read into the same memory, and none sees another's."""

import asyncio
import gc
import socket
import ssl
import tracemalloc
import weakref
from pathlib import Path
from typing import Any, cast

import pytest

from landwaiter.serving.connection import Connection
from landwaiter.serving.shared_reads import ROOM_BYTES, SharedReads, room_for_reads
from serving.clients import HOST, Certificates, Running, a_post, listening
from serving.test_certificates import mounted

CONNECTIONS = 8
LARGE_BYTES = 3 * ROOM_BYTES + 1
BLOCKING_SECONDS = 20.0


class Told:
    """Stands for a connection, and keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Any method of a protocol.
        return lambda *given: self.heard.append((name, *given))


def shared(told: Told, room: memoryview) -> SharedReads:
    return SharedReads(cast("Connection", told), room)


def test_what_was_read_stays_when_the_next_is() -> None:
    """Each connection has its own bytes, whatever is read after them."""
    room, told, other = room_for_reads(), Told(), Told()
    one, another = shared(told, room), shared(other, room)
    for protocol, content in ((one, b"first"), (another, b"other"), (one, b"second")):
        protocol.get_buffer(-1)[: len(content)] = content
        protocol.buffer_updated(len(content))

    assert [("data_received", b"first"), ("data_received", b"second")] == told.heard
    assert [("data_received", b"other")] == other.heard


def test_everything_else_is_handed_on() -> None:
    """A connection hears of its beginning and end, and whether its answers are read."""
    told, fault = Told(), OSError("reset")
    transport = asyncio.Transport()
    reads = shared(told, room_for_reads())
    reads.connection_made(transport)
    reads.pause_writing()
    reads.resume_writing()
    reads.eof_received()
    reads.connection_lost(fault)

    assert [
        ("connection_made", transport),
        ("pause_writing",),
        ("resume_writing",),
        ("eof_received",),
        ("connection_lost", fault),
    ] == told.heard


async def test_a_connection_that_has_ended_is_gone(
    certificates: Certificates, tmp_path: Path
) -> None:
    """At once, without the garbage collector: each has some 300 kB of its own."""
    certificate = mounted(tmp_path / "m", certificates.server).certificate
    async with listening(certificate=certificate) as running:
        client = await running.connect(certificates.client_context())
        await client.ask(body=b"x")
        (one,) = map(weakref.ref, running.listener.connections)
        gc.disable()
        try:
            client.close()
            await running.counts.until(0)
            await asyncio.sleep(0)
            is_there = one() is not None
        finally:
            gc.enable()

    assert not is_there


@pytest.mark.parametrize("is_tls", [True, False], ids=["TLS", "plain"])
async def test_large_bodies_at_the_same_time_arrive_as_they_were_sent(
    certificates: Certificates,
    tmp_path: Path,
    is_tls: bool,  # noqa: FBT001  # A parameter of the test.
) -> None:
    """Each takes several reads, between which the others are read."""
    certificate = mounted(tmp_path / "m", certificates.server).certificate if is_tls else None
    tls = certificates.client_context() if is_tls else None
    bodies = [bytes([number]) * LARGE_BYTES for number in range(CONNECTIONS)]

    async def answered(running: Running, body: bytes) -> bytes:
        client = await running.connect(tls)
        return (await client.ask(body=body)).body

    async with listening(certificate=certificate) as running:
        answers = await asyncio.gather(*(answered(running, body) for body in bodies))

    assert [True] * CONNECTIONS == [
        answer == body for answer, body in zip(answers, bodies, strict=True)
    ]


def connected(port: int, tls: ssl.SSLContext) -> ssl.SSLSocket:
    """Return a client of its own thread, for those of the event loop make room themselves."""
    plain = socket.create_connection((HOST, port), timeout=BLOCKING_SECONDS)
    return tls.wrap_socket(plain, server_hostname=HOST)


def asked(client: ssl.SSLSocket) -> bytes:
    """Post a small body, and return the beginning of the answer."""
    client.sendall(a_post("/", b"small"))
    return client.recv(64)


async def test_a_small_read_takes_little_memory(certificates: Certificates, tmp_path: Path) -> None:
    """Where a protocol is given bytes, each read from TLS makes room for 256 KiB first."""
    certificate = mounted(tmp_path / "m", certificates.server).certificate
    tls = certificates.client_context()
    async with listening(certificate=certificate) as running:
        with await asyncio.to_thread(connected, running.clients.port, tls) as client:
            first = await asyncio.to_thread(asked, client)
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                second = await asyncio.to_thread(asked, client)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

    assert first == second
    assert peak - before < ROOM_BYTES / 2
