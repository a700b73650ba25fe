"""What the server leans on: a certificate that comes later, and work beside the answering."""

import asyncio
import signal
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry

from landwaiter.serving.certificates import CertificatePair
from landwaiter.serving.health import Readiness
from landwaiter.serving.server import Backing, Ports, Server, ServerSettings, serve
from landwaiter.serving.stopping import Stop
from landwaiter.telemetry.metrics import ServingMetrics
from realparts.processes import free_port
from serving.clients import HOST, PATIENCE_SECONDS, Certificates, Client, Clients, Echo


@dataclass
class Awaited:
    """A source whose certificate comes when the test says so."""

    pair: CertificatePair
    come: asyncio.Event = field(default_factory=asyncio.Event)

    def problem(self) -> str | None:
        return None if self.come.is_set() else "not there yet"

    async def ready(self) -> None:
        await self.come.wait()

    def read(self) -> CertificatePair:
        return self.pair


def awaited(certificates: Certificates) -> Awaited:
    pair = certificates.server
    return Awaited(CertificatePair(pair.certificate.read_bytes(), pair.key.read_bytes()))


def free_settings() -> ServerSettings:
    """Return settings without certificate, and with a metrics port that is known beforehand."""
    return ServerSettings(tls_cert=None, tls_key=None, host=HOST, port=0, metrics_port=free_port())


def a_server(settings: ServerSettings, backing: Backing) -> Server:
    registry = CollectorRegistry()
    metrics = ServingMetrics(registry)
    source = backing.source
    assert source is not None
    return Server(
        Echo(),
        settings,
        readiness=Readiness({"certificate": source.problem}, metrics),
        metrics=metrics,
        registry=registry,
        backing=backing,
    )


async def test_health_is_told_before_there_is_a_certificate(certificates: Certificates) -> None:
    """A certificate that comes late ends no process: it is alive, unready, and then serves."""
    settings, source = free_settings(), awaited(certificates)
    server = a_server(settings, Backing(source))
    starting = asyncio.create_task(server.start())
    waiting = await status_of(settings.metrics_port, "/livez", "/readyz")
    source.come.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        ports = await starting
    client = Clients(ports.admission, certificates.client_context())
    answer = await (await client.connect()).ask(body=b"x")
    ready = await status_of(settings.metrics_port, "/readyz")
    stop = Stop()
    stop.end_quickly()
    await client.close()
    await server.run(stop)

    assert ([200, 503], b"x", [200]) == (waiting, answer.body, ready)


async def status_of(port: int, *paths: str) -> list[int]:
    """Return the statuses on the metrics port, once it listens."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                client = await Client.connect(port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            statuses = [(await client.get(path)).status for path in paths]
            client.close()
            return statuses


async def test_a_server_without_certificate_ends_when_told(certificates: Certificates) -> None:
    """SIGTERM ends the waiting for a certificate too; nothing was served."""
    settings, source = free_settings(), awaited(certificates)
    registry = CollectorRegistry()
    metrics = ServingMetrics(registry)
    started: list[Ports] = []
    serving = asyncio.create_task(
        serve(
            Echo(),
            settings,
            readiness=Readiness({}, metrics),
            metrics=metrics,
            registry=registry,
            on_started=started.append,
            backing=Backing(source),
        )
    )
    await status_of(settings.metrics_port, "/livez")
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await serving

    assert [] == started


async def test_companions_run_until_the_drain_begins(certificates: Certificates) -> None:
    """Whatever they keep in order is left to the other replicas from then on."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def companion() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    settings = replace(free_settings(), drain_seconds=PATIENCE_SECONDS)
    source = awaited(certificates)
    source.come.set()
    server, stop = a_server(settings, Backing(source, (companion,))), Stop()
    ports = await server.start()
    running = asyncio.create_task(server.run(stop))
    clients = Clients(ports.admission, certificates.client_context())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
        before = ended.is_set()
        stop.begin_drain()
        await ended.wait()
        still_served = (await (await clients.connect()).ask(body=b"x")).status
        stop.end_quickly()
        await clients.close()
        await running

    assert (False, 200) == (before, still_served)
