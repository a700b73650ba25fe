"""The life of the server: start, client certificates, reload, drain, end."""

import asyncio
import io
import json
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from landwaiter.admission.http import CALLER_IS_API_SERVER
from landwaiter.errors import InvalidInput
from landwaiter.serving.health import Readiness
from landwaiter.serving.limits import ConnectionLimits
from landwaiter.serving.server import Server, ServerSettings
from landwaiter.serving.stopping import Stop
from landwaiter.telemetry.logging import configure_logging
from landwaiter.telemetry.metrics import ServingMetrics
from realparts.certificates import Authority, KeyPair
from serving.clients import (
    HOST,
    PATIENCE_SECONDS,
    Answer,
    Certificates,
    Clients,
    Echo,
    a_post,
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()


def events(log: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in log.getvalue().splitlines()]


@dataclass
class Served:
    """A server that runs, with clients of both ports."""

    stop: Stop
    echo: Echo
    registry: CollectorRegistry
    admission: Clients
    metrics: Clients
    running: asyncio.Task[None]

    def counted(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    async def ended(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.running

    async def readyz(self) -> Answer:
        return await (await self.metrics.connect()).get("/readyz")

    async def unready(self) -> None:
        """Return when /readyz says so."""
        client = await self.metrics.connect()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await client.get("/readyz")).status != 503:
                pass


def the_settings(certificates: Certificates) -> ServerSettings:
    return ServerSettings(
        tls_cert=certificates.server.certificate,
        tls_key=certificates.server.key,
        host=HOST,
        port=0,
        metrics_port=0,
        drain_seconds=0.2,
        drain_timeout_seconds=15.0,
        certificate_poll_seconds=0.05,
    )


@asynccontextmanager
async def served(
    settings: ServerSettings, certificates: Certificates, pair: KeyPair | None = None
) -> AsyncIterator[Served]:
    registry = CollectorRegistry()
    metrics = ServingMetrics(registry)
    readiness = Readiness({"always": lambda: None}, metrics)
    echo = Echo()
    server = Server(echo, settings, readiness=readiness, metrics=metrics, registry=registry)
    ports = await server.start()
    stop = Stop()
    running = asyncio.create_task(server.run(stop))
    one = Served(
        stop,
        echo,
        registry,
        Clients(ports.admission, certificates.client_context(pair)),
        Clients(ports.metrics),
        running,
    )
    try:
        yield one
    finally:
        await one.admission.close()
        await one.metrics.close()
        stop.end_quickly()
        await one.ended()


async def test_both_ports_are_served(certificates: Certificates) -> None:
    """Reviews over TLS; health and metrics without."""
    async with served(the_settings(certificates), certificates) as one:
        answer = await (await one.admission.connect()).ask(body=b"x")
        ready = await one.readyz()
        scraped = await (await one.metrics.connect()).get("/metrics")

    assert (b"x", 200, True) == (
        answer.body,
        ready.status,
        b"\nlandwaiter_connections 1.0\n" in scraped.body,
    )


async def test_an_ended_certificate_is_unready_until_it_is_renewed(
    certificates: Certificates, tmp_path: Path
) -> None:
    """No API server trusts it, so another replica should be sent the reviews."""
    chain, key = tmp_path / "c", tmp_path / "k"
    settings = replace(the_settings(certificates), tls_cert=chain, tls_key=key)
    ended = certificates.authority.issue_server("ended", valid_for=timedelta(seconds=-1))
    shutil.copy(ended.certificate, chain)
    shutil.copy(ended.key, key)
    async with served(settings, certificates) as one:
        before = await one.readyz()
        shutil.copy(certificates.server.certificate, chain)
        shutil.copy(certificates.server.key, key)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (after := await one.readyz()).status == before.status:
                pass

    assert (503, True, b"[+] always: ok\n[+] certificate: ok\nready\n") == (
        before.status,
        before.body.startswith(b"[+] always: ok\n[-] certificate: it ended at 20"),
        after.body,
    )


async def test_connections_of_scrapers_are_not_counted(certificates: Certificates) -> None:
    """The gauge is about the admission port."""
    async with served(the_settings(certificates), certificates) as one:
        await one.readyz()
        await one.readyz()

    assert 0.0 == one.counted("landwaiter_connections")


async def test_semantics_20_without_client_ca_a_warning_says_so(
    certificates: Certificates, log: io.StringIO
) -> None:
    """And no caller is taken for the API server."""
    async with served(the_settings(certificates), certificates) as one:
        await (await one.admission.connect()).ask()
        states = one.echo.states

    assert ([{}], True) == (
        states,
        any(event.startswith("no --client-ca: whoever reaches the port") for event in events(log)),
    )


@pytest.fixture
def with_client_ca(certificates: Certificates) -> ServerSettings:
    return replace(
        the_settings(certificates),
        client_ca=certificates.authority.certificate,
        client_names=frozenset({"kube-apiserver"}),
    )


async def test_semantics_20_the_api_servers_certificate_is_recognised(
    certificates: Certificates, with_client_ca: ServerSettings, log: io.StringIO
) -> None:
    """The application is told, on each request of that connection; no warning is given."""
    pair = certificates.authority.issue_client("kube-apiserver")
    async with served(with_client_ca, certificates, pair) as one:
        client = await one.admission.connect()
        answers = [(await client.ask()).status for _ in range(2)]
        states = one.echo.states

    assert ([200, 200], [{CALLER_IS_API_SERVER: True}] * 2, []) == (
        answers,
        states,
        [event for event in events(log) if "client-ca" in event],
    )


async def test_semantics_20_another_name_of_the_same_ca_is_refused(
    certificates: Certificates, with_client_ca: ServerSettings
) -> None:
    """Every node has a certificate by the cluster's CA; the connection ends and is counted."""
    pair = certificates.authority.issue_client(
        "system:node:worker-1", organizations=["kube-apiserver"]
    )
    async with served(with_client_ca, certificates, pair) as one:
        client = await one.admission.connect()
        client.write(a_post("/", b""))
        rest = await client.rest()
        refused = one.counted("landwaiter_connections_ended_total", reason="client name")

    assert (b"", 1.0, []) == (rest, refused, one.echo.states)


async def test_semantics_20_a_caller_without_certificate_is_refused(
    certificates: Certificates, with_client_ca: ServerSettings
) -> None:
    """It asks for nothing and gets nothing."""
    async with served(with_client_ca, certificates) as one:
        with pytest.raises((OSError, EOFError)):
            await (await one.admission.connect()).ask()
        states = one.echo.states

    assert [] == states


async def test_semantics_20_a_certificate_of_another_ca_is_refused(
    certificates: Certificates, with_client_ca: ServerSettings, tmp_path: Path
) -> None:
    """The right name proves nothing by itself."""
    pair = Authority(tmp_path, "somebody").issue_client("kube-apiserver")
    async with served(with_client_ca, certificates, pair) as one:
        with pytest.raises((OSError, EOFError)):
            await (await one.admission.connect()).ask()
        states = one.echo.states

    assert [] == states


async def test_semantics_20_a_serving_certificate_is_no_client_certificate(
    certificates: Certificates, with_client_ca: ServerSettings
) -> None:
    """A certificate for serving under that name does not make a client."""
    pair = certificates.authority.issue_server("kube-apiserver", hosts=["kube-apiserver"])
    async with served(with_client_ca, certificates, pair) as one:
        with pytest.raises((OSError, EOFError)):
            await (await one.admission.connect()).ask()
        states = one.echo.states

    assert [] == states


async def test_changed_certificate_files_are_seen(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Within the poll interval, without a signal or a restart."""
    chain, key = tmp_path / "c", tmp_path / "k"
    settings = replace(the_settings(certificates), tls_cert=chain, tls_key=key)
    second = certificates.authority.issue_server("polled")
    shutil.copy(certificates.server.certificate, chain)
    shutil.copy(certificates.server.key, key)
    async with served(settings, certificates) as one:
        first_shown = (await one.admission.connect()).serial_number()
        shutil.copy(second.certificate, chain)
        shutil.copy(second.key, key)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await one.admission.connect()).serial_number() == first_shown:
                pass
        loaded = one.counted("landwaiter_certificate_reloads_total", outcome="loaded")

    assert 2.0 == loaded


async def test_a_draining_server_is_unready_at_once_and_still_accepts(
    certificates: Certificates,
) -> None:
    """Endpoints take a while to change; until then new connections come, and are kept."""
    settings = replace(the_settings(certificates), drain_seconds=5.0)
    async with served(settings, certificates) as one:
        one.stop.begin_drain()
        await one.unready()
        client = await one.admission.connect()
        answers = [await client.ask(body=b"x") for _ in range(2)]
        alive = await (await one.metrics.connect()).get("/livez")

    assert ([(200, False)] * 2, 200) == (
        [(answer.status, answer.is_last) for answer in answers],
        alive.status,
    )


async def last_answer(clients: Clients) -> Answer:
    """Ask on new connections until an answer is the last one on its connection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await (await clients.connect()).ask(body=b"x")
            if answer.is_last:
                return answer


async def test_after_the_drain_time_each_answer_is_the_last(certificates: Certificates) -> None:
    """Connections still come in and are served, and then end with their answer."""
    async with served(the_settings(certificates), certificates) as one:
        idle = await one.admission.connect()
        await idle.ask()
        one.stop.begin_drain()
        fresh = await last_answer(one.admission)
        late = await idle.ask(body=b"late")
        rest = await idle.rest()

    assert ((200, b"x"), (200, b"late", True), b"") == (
        (fresh.status, fresh.body),
        (late.status, late.body, late.is_last),
        rest,
    )


async def test_idle_connections_are_not_closed_by_the_drain(certificates: Certificates) -> None:
    """The API server may post on them at any moment; the process ends when they have ended."""
    async with served(the_settings(certificates), certificates) as one:
        used, unused = [await one.admission.connect() for _ in range(2)]
        await used.ask()
        one.stop.begin_drain()
        await last_answer(one.admission)
        answers = [(await client.ask(body=b"x")).status for client in (used, unused)]
        await one.admission.close()
        await one.ended()

    assert [200, 200] == answers


async def test_a_request_in_flight_is_answered(certificates: Certificates) -> None:
    """However long it takes within its own deadline, also past the end of the drain."""
    settings = replace(the_settings(certificates), drain_seconds=0.0, drain_timeout_seconds=0.1)
    async with served(settings, certificates) as one:
        client = await one.admission.connect()
        client.write(a_post("/hang", b"x"))
        await one.echo.asked.wait()
        one.stop.begin_drain()
        await one.unready()
        port_is_closed = await closed(one.admission)
        one.echo.let_go.set()
        answer = await client.answer()
        await one.ended()

    assert (True, 200, b"x", True) == (
        port_is_closed,
        answer.status,
        answer.body,
        answer.is_last,
    )


async def closed(clients: Clients) -> bool:
    """Return True when the port does not accept connections any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                (await clients.connect()).close()
            except OSError:
                return True


async def test_the_drain_has_an_end(certificates: Certificates) -> None:
    """A client that keeps its connection for ever does not keep the process."""
    settings = replace(the_settings(certificates), drain_seconds=0.0, drain_timeout_seconds=0.3)
    async with served(settings, certificates) as one:
        client = await one.admission.connect()
        await client.ask()
        begin = asyncio.get_running_loop().time()
        one.stop.begin_drain()
        rest = await client.rest()
        await one.ended()
        seconds = asyncio.get_running_loop().time() - begin

    assert (b"", True) == (rest, 0.25 < seconds < 5)


async def test_a_request_that_never_ends_is_cut_off_at_last(certificates: Certificates) -> None:
    """When even its own time is over."""
    settings = replace(
        the_settings(certificates),
        drain_seconds=0.0,
        drain_timeout_seconds=0.1,
        limits=ConnectionLimits(request_seconds=0.3),
    )
    async with served(settings, certificates) as one:
        client = await one.admission.connect()
        client.write(a_post("/hang", b"x"))
        await one.echo.asked.wait()
        one.stop.begin_drain()
        await one.ended()
        rest = await client.rest()

    assert b"" == rest


async def test_an_interrupt_ends_quickly(certificates: Certificates) -> None:
    """Whoever presses Ctrl+C does not wait for idle connections, nor for a hanging request."""
    settings = replace(the_settings(certificates), drain_seconds=60.0, drain_timeout_seconds=600.0)
    async with served(settings, certificates) as one:
        idle, busy = [await one.admission.connect() for _ in range(2)]
        await idle.ask()
        busy.write(a_post("/hang", b""))
        begin = asyncio.get_running_loop().time()
        one.stop.end_quickly()
        await one.ended()
        seconds = asyncio.get_running_loop().time() - begin

    assert seconds < 5


async def test_an_interrupt_shortens_a_drain(certificates: Certificates) -> None:
    """SIGINT after SIGTERM is heeded in each phase."""
    settings = replace(the_settings(certificates), drain_seconds=0.0, drain_timeout_seconds=600.0)
    async with served(settings, certificates) as one:
        idle = await one.admission.connect()
        await idle.ask()
        one.stop.begin_drain()
        await last_answer(one.admission)
        one.stop.end_quickly()
        await one.ended()

    assert one.running.done()


async def test_a_port_in_use_is_named(certificates: Certificates) -> None:
    """Whichever of the two it is, nothing is left listening."""
    async with served(the_settings(certificates), certificates) as one:
        settings = replace(the_settings(certificates), port=one.admission.port)
        registry = CollectorRegistry()
        metrics = ServingMetrics(registry)
        server = Server(
            Echo(),
            settings,
            readiness=Readiness({}, metrics),
            metrics=metrics,
            registry=registry,
        )
        with pytest.raises(InvalidInput) as problem:
            await server.start()

    assert f"cannot listen on {HOST}:{one.admission.port}: Address already in use" == str(
        problem.value
    )


async def test_a_host_that_is_none_is_named(certificates: Certificates) -> None:
    """As the resolver sees it."""
    registry = CollectorRegistry()
    metrics = ServingMetrics(registry)
    server = Server(
        Echo(),
        replace(the_settings(certificates), host="256.0.0.1"),
        readiness=Readiness({}, metrics),
        metrics=metrics,
        registry=registry,
    )
    with pytest.raises(InvalidInput, match=r"^cannot listen on 256\.0\.0\.1:0: \w+"):
        await server.start()


async def test_an_empty_host_is_every_address(certificates: Certificates) -> None:
    """A Pod has addresses of one family or of both."""
    settings = replace(the_settings(certificates), host="")
    async with served(settings, certificates) as one:
        answer = await (await one.admission.connect()).ask(body=b"x")

    assert b"x" == answer.body


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"client_names": frozenset({"x"})},
            (
                "--client-ca and --client-name go together: the CA says who vouches for a caller, "
                "the name which of its certificates is the API server's"
            ),
        ),
        (
            {"client_ca": Path("ca")},
            (
                "--client-ca and --client-name go together: the CA says who vouches for a caller, "
                "the name which of its certificates is the API server's"
            ),
        ),
        (
            {"drain_seconds": 20.0, "drain_timeout_seconds": 10.0},
            "--drain-timeout-seconds: seen 10, wanted at least --drain-seconds, which is 20",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    changes: dict[str, object], problem: str
) -> None:
    """With the options to change."""
    with pytest.raises(InvalidInput) as refusal:
        ServerSettings(Path("c"), Path("k"), 1, 2, **changes)  # type: ignore[arg-type]  # By name.

    assert problem == str(refusal.value)


def test_the_drain_outlasts_idle_connections_by_default() -> None:
    """The API server ends them after 90 s."""
    settings = ServerSettings(Path("c"), Path("k"), 1, 2)

    assert settings.drain_timeout_seconds >= settings.drain_seconds + 90
