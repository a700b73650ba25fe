"""
Sends reviews over TLS as fast as they are answered, from a process of its own.

    python tests/bench/load.py SPECIFICATION.json

The specification says where to, over how many connections, for how long; the result goes to
standard output as JSON. Each connection sends its next review when its last one is answered, as
an API server's connections do. Every answer is looked at: HTTP 200, and the text that is wanted.
"""

import asyncio
import itertools
import json
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import uvloop

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.machine import cpu_seconds

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Specification:
    """
    What load is wanted.

    `bodies` is a file with one review a line, sent in turn; `expected` is what each answer holds;
    `server_pids` are the processes whose processor time is told, together. With `count` the load
    ends after so many answers, else after `seconds`, and `warm_seconds` before that are not
    counted; `timeout_seconds` is what the API server would wait for each.
    """

    port: int
    path: str
    connections: int
    bodies: str
    expected: str
    ca: str
    certificate: str
    key: str
    server_pids: Sequence[int]
    seconds: float = 0.0
    warm_seconds: float = 0.0
    count: int | None = None
    timeout_seconds: int = 10


@dataclass(frozen=True, slots=True)
class Result:
    """
    What came of it; latencies are in milliseconds, of the answers that count.

    `server_cpu_seconds` is what the server used meanwhile, `own_cpu_seconds` what this process did.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    longest: float
    server_cpu_seconds: float
    own_cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        """Processor time of the server for one answer."""
        return 1e6 * self.server_cpu_seconds / self.requests


class Tally:
    """What all connections count together."""

    def __init__(self, specification: Specification, requests: Sequence[bytes]) -> None:
        self.expected = specification.expected.encode()
        self.latencies: list[float] = []
        self.is_over = False
        self.ended = asyncio.Event()
        self.problem: str | None = None
        self._left = specification.count
        self._requests: Iterator[bytes] = itertools.cycle(requests)

    def next_request(self) -> bytes | None:
        """Return what to send next, None when nothing more is wanted."""
        if self.is_over or self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        return next(self._requests)

    def fail(self, problem: str) -> None:
        """End everything: an answer that is not the wanted one makes all figures worthless."""
        self.problem = self.problem or problem
        self.is_over = True
        self.ended.set()


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._received = bytearray()
        self._wanted = 0
        self._sent = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport for TLS does everything that `Transport` does, and is not one.
        self._transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        """Send the next review, or end."""
        if (request := self._tally.next_request()) is None:
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if not self._wanted:
            if (end := received.find(HEAD_END)) < 0:
                return
            at = received.find(LENGTH) + len(LENGTH)
            self._wanted = end + len(HEAD_END) + int(received[at : received.index(b"\r", at)])
        if len(received) < self._wanted:
            return
        self._tally.latencies.append(time.perf_counter() - self._sent)
        if not received.startswith(b"HTTP/1.1 200 ") or self._tally.expected not in received:
            self._tally.fail(f"not what is wanted: {bytes(received[:2000])!r}")
        received.clear()
        self._wanted = 0
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._tally.fail(f"the server has closed a connection: {exc}")
            self.done.set_result(None)


async def load(specification: Specification) -> Result:
    """Return what came of the load; raise `RuntimeError` for an answer that is not wanted."""
    tally = Tally(specification, [_request(specification, body) for body in _bodies(specification)])
    context = ssl.create_default_context(cafile=specification.ca)
    context.load_cert_chain(specification.certificate, specification.key)
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(specification.connections):
        _, client = await loop.create_connection(
            lambda: Client(tally),
            "127.0.0.1",
            specification.port,
            ssl=context,
            server_hostname="localhost",
        )
        clients.append(client)
    began, cpu, own = (
        time.perf_counter(),
        _cpu_seconds(specification),
        time.process_time(),
    )
    for client in clients:
        client.send()
    if specification.count is None:
        await _pass(tally, specification.warm_seconds)
        tally.latencies.clear()
        began = time.perf_counter()
        cpu, own = _cpu_seconds(specification), time.process_time()
        await _pass(tally, specification.seconds)
        seconds, answered = time.perf_counter() - began, list(tally.latencies)
        cpu, own = _cpu_seconds(specification) - cpu, time.process_time() - own
        tally.is_over = True
        await asyncio.wait([client.done for client in clients])
    else:
        await asyncio.wait([client.done for client in clients])
        seconds, answered = time.perf_counter() - began, tally.latencies
        cpu, own = _cpu_seconds(specification) - cpu, time.process_time() - own
    if tally.problem is not None:
        raise RuntimeError(tally.problem)
    answered = sorted(1000 * latency for latency in answered)
    p50, p99 = (answered[int(len(answered) * share)] for share in (0.5, 0.99))
    return Result(len(answered), seconds, p50, p99, answered[-1], cpu, own)


async def _pass(tally: Tally, seconds: float) -> None:
    """Let time pass, less of it where something fails meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await tally.ended.wait()
    except TimeoutError:
        return


def _cpu_seconds(specification: Specification) -> float:
    return sum(map(cpu_seconds, specification.server_pids))


def _bodies(specification: Specification) -> list[bytes]:
    return Path(specification.bodies).read_bytes().splitlines()


def _request(specification: Specification, body: bytes) -> bytes:
    head = (
        f"POST {specification.path}?timeout={specification.timeout_seconds}s HTTP/1.1\r\n"
        "Host: localhost\r\n"
        "User-Agent: kube-apiserver-admission\r\nAccept: application/json, */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main(file: Path) -> None:
    """Do what a file asks for, and print what came of it."""
    specification = Specification(**json.loads(file.read_text(encoding="utf-8")))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(load(specification)))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
