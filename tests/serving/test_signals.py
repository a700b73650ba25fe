"""A process under load that is told to stop: no request is lost or refused for it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from admission.builders import a_body
from serving.clients import PATIENCE_SECONDS, Answer, Certificates, Client, Clients

SCRIPT = Path(__file__).parent / "a_server.py"
ROOT = Path(__file__).parents[2]
JSON = {"content-type": "application/json"}


@dataclass
class Process:
    """A server in its own process."""

    process: asyncio.subprocess.Process
    admission: Clients
    metrics: Clients

    async def ended(self) -> tuple[int, bytes]:
        """Return its exit code and what it wrote on standard error."""
        async with asyncio.timeout(60):
            _, errors = await self.process.communicate()
        return self.process.returncode or 0, errors


@asynccontextmanager
async def process(
    certificates: Certificates, *, drain: float, drain_timeout: float
) -> AsyncIterator[Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        str(certificates.server.certificate),
        str(certificates.server.key),
        str(drain),
        str(drain_timeout),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'app'}:{ROOT / 'tests'}"},
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            ports = json.loads(await child.stdout.readline())
        one = Process(
            child,
            Clients(ports["admission"], certificates.client_context()),
            Clients(ports["metrics"]),
        )
        try:
            yield one
        finally:
            await one.admission.close()
            await one.metrics.close()
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


@dataclass
class Load:
    """
    API servers that post one review after another, as kube-apiserver does.

    A connection is used until an answer says that it is the last one; new ones are opened only as
    long as the Service names this process.
    """

    clients: Clients
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    is_in_service: bool = True

    async def post(self, client: Client) -> Answer | None:
        try:
            answer = await client.ask("/validate?timeout=10s", a_body(), headers=JSON)
        except (OSError, EOFError, TimeoutError) as error:
            self.lost.append(repr(error))
            return None
        if answer.status == 200 and json.loads(answer.body)["response"]["allowed"]:
            self.answered += 1
        else:
            self.lost.append(f"{answer.status} {answer.body!r}")
        return answer

    async def one_api_server(self) -> None:
        while self.is_in_service:
            client = await self.clients.connect()
            while (answer := await self.post(client)) is not None and not answer.is_last:
                pass

    async def one_seldom_used_connection(self, posts_after: asyncio.Event) -> Answer | None:
        client = await self.clients.connect()
        await self.post(client)
        await posts_after.wait()
        return await self.post(client)


async def test_no_request_is_lost_when_the_process_is_told_to_stop(
    certificates: Certificates,
) -> None:
    """Busy and idle connections, and new ones until the endpoints have changed; then exit 0."""
    async with process(certificates, drain=1.0, drain_timeout=300.0) as one:
        load = Load(one.admission)
        is_late = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(load.one_api_server())
            seldom = [group.create_task(load.one_seldom_used_connection(is_late)) for _ in range(5)]
            unused = await one.admission.connect()
            await unready(one, load, sent=False)
            one.process.send_signal(signal.SIGTERM)
            await unready(one, load, sent=True)
            load.is_in_service = False
            # The process is past the time of accepting when an answer says goodbye.
            await goodbye(one, load)
            is_late.set()
        last = await load.post(unused)
        late = [task.result() for task in seldom]
        ended = await one.ended()

    assert ([], True, [True] * 6, (0, b"")) == (
        load.lost,
        load.answered > 50,
        [answer is not None and answer.is_last for answer in (*late, last)],
        without_warnings(ended),
    )


async def goodbye(one: Process, load: Load) -> None:
    """Return when a new connection is told that its first answer is the last one."""
    answer = None
    while answer is None or not answer.is_last:
        client = await one.admission.connect()
        answer = await load.post(client)
        client.close()


async def unready(one: Process, load: Load, *, sent: bool) -> None:
    """Return when /readyz is as it should be, and the load has been under way."""
    begin = load.answered
    client = await one.metrics.connect()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await client.get("/readyz")).status != (503 if sent else 200):
            pass
        while load.answered < begin + 30:
            await client.get("/livez")


def without_warnings(ended: tuple[int, bytes]) -> tuple[int, bytes]:
    """Leave out the line about the missing client CA, which belongs there."""
    code, errors = ended
    return code, b"\n".join(line for line in errors.splitlines() if b"no --client-ca" not in line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_process(
    certificates: Certificates, number: signal.Signals
) -> None:
    """With exit code 0 and without a word of a traceback."""
    async with process(certificates, drain=0.1, drain_timeout=30.0) as one:
        one.process.send_signal(number)
        ended = await one.ended()

    assert (0, b"") == without_warnings(ended)


async def test_an_interrupt_does_not_wait_for_idle_connections(
    certificates: Certificates,
) -> None:
    """SIGINT ends a process that SIGTERM would let wait for a minute."""
    async with process(certificates, drain=60.0, drain_timeout=60.0) as one:
        client = await one.admission.connect()
        load = Load(one.admission)
        await load.post(client)
        one.process.send_signal(signal.SIGTERM)
        one.process.send_signal(signal.SIGINT)
        rest = await client.rest()
        ended = await one.ended()

    assert (b"", (0, b"")) == (rest, without_warnings(ended))
