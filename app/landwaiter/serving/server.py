"""
The life of the server: start, serve, drain, end.

Health is told from the first moment; reviews are taken once there is a certificate.

On SIGTERM no request is lost (ADR 7): unready at once, accept for `drain_seconds` more, then each
answer ends its connection, and the process ends when no connection is left, at
`drain_timeout_seconds` at the latest. On SIGINT it ends within a second or two.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import structlog
import uvloop
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from landwaiter.admission.http import CALLER_IS_API_SERVER
from landwaiter.errors import InvalidInput
from landwaiter.serving.certificates import (
    CertificateFiles,
    CertificateSource,
    ServingCertificate,
    names_of,
)
from landwaiter.serving.companions import Companion, run_all
from landwaiter.serving.descriptors import connections_within_limit
from landwaiter.serving.health import Readiness, health_app
from landwaiter.serving.limits import ConnectionLimits
from landwaiter.serving.listener import ASGIApplication, Listener, admit_anybody
from landwaiter.serving.stopping import Stop, signals_to, unless_told
from landwaiter.telemetry.metrics import ServingMetrics

QUIET_SECONDS: Final = 0.5
"""
How long no connection may be open before the drain counts as done.

A connection is seen when its TLS handshake is over, which takes some milliseconds.
"""

QUICK_SECONDS: Final = 1.0
"""How long answers may still take after SIGINT."""

METRICS_LIMITS: Final = ConnectionLimits(connections=64, request_seconds=10.0)
"""A scraper, the kubelet's probes, and a person or two."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """
    Where to listen, with which certificate, for whom, and how to end.

    Without `tls_cert` and `tls_key` the server has to be given another source of certificates.
    An empty `host` stands for all addresses of both families, port 0 for a free one.
    `client_ca` and `client_names` go together: a CA alone also vouches for everybody else whom it
    has signed, in a cluster for every node. A caller needs one of the names.

    `drain_timeout_seconds` counts from SIGTERM, as `drain_seconds` does, and has to be 90 s more
    than that for the API server's idle connections to end by themselves.
    """

    tls_cert: Path | None
    tls_key: Path | None
    port: int
    metrics_port: int
    host: str = ""
    client_ca: Path | None = None
    client_names: frozenset[str] = frozenset()
    drain_seconds: float = 5.0
    drain_timeout_seconds: float = 100.0
    certificate_poll_seconds: float = 5.0
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)

    def __post_init__(self) -> None:
        """Raise `InvalidInput` for settings that do not go together."""
        if (self.client_ca is None) != (not self.client_names):
            raise InvalidInput(
                "--client-ca and --client-name go together: the CA says who vouches for a caller, "
                "the name which of its certificates is the API server's"
            )
        if self.drain_timeout_seconds < self.drain_seconds:
            raise InvalidInput(
                f"--drain-timeout-seconds: seen {self.drain_timeout_seconds:g}, wanted at least "
                f"--drain-seconds, which is {self.drain_seconds:g}"
            )


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports in use."""

    admission: int
    metrics: int


@dataclass(frozen=True, slots=True)
class Backing:
    """
    What the server leans on.

    `source` is where the certificate comes from, None for the files of the settings; `companions`
    run while reviews are taken. By `now`, in seconds since the epoch, the certificate ends.
    """

    source: CertificateSource | None = None
    companions: Sequence[Companion] = ()
    now: Callable[[], float] = time.time


NO_BACKING: Final = Backing()


class Server:
    """Both listeners, on the running event loop."""

    def __init__(
        self,
        app: ASGIApplication,
        settings: ServerSettings,
        *,
        readiness: Readiness,
        metrics: ServingMetrics,
        registry: CollectorRegistry,
        backing: Backing = NO_BACKING,
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._metrics = metrics
        self._source = backing.source or _files(settings)
        self._companions = backing.companions
        self._now = backing.now
        self._certificate: ServingCertificate | None = None
        readiness.add("certificate", self._problem)
        connections = connections_within_limit(settings.limits.connections)
        self._admission = Listener(
            app,
            limits=replace(settings.limits, connections=connections),
            observer=metrics,
            admit=self._admit_api_server if settings.client_names else admit_anybody,
        )
        self._health = Listener(
            health_app(readiness, registry), limits=METRICS_LIMITS, observer=_Uncounted()
        )

    def _admit_api_server(self, transport: asyncio.Transport) -> dict[str, Any] | None:
        names = names_of(transport.get_extra_info("peercert"))
        if names & self._settings.client_names:
            return {CALLER_IS_API_SERVER: True}
        _log.warning("a client certificate has none of the wanted names", common_name=sorted(names))
        return None

    async def start(self) -> Ports:
        """Begin to listen on the metrics port, and once there is a certificate on both."""
        if self._settings.client_ca is None:
            _log.warning(
                "no --client-ca: whoever reaches the port can ask for reviews; answers tell them "
                "nothing beyond what they name, and no credentials are used"
            )
        host = self._settings.host
        try:
            metrics_port = await self._health.start(host, self._settings.metrics_port)
            await self._source.ready()
            certificate = ServingCertificate(
                self._source, self._metrics, self._settings.client_ca, now=self._now
            )
            admission_port = await self._admission.start(host, self._settings.port, certificate)
        except BaseException:
            await self._health.close(grace_seconds=0)
            raise
        self._certificate = certificate
        return Ports(admission_port, metrics_port)

    async def run(self, stop: Stop) -> None:
        """Serve until told to stop, then end as told."""
        beside = asyncio.create_task(run_all((self._watch_certificate, *self._companions)))
        try:
            await stop.drain.wait()
            beside.cancel()
            await self._drain(stop)
        finally:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)
            await self._admission.close(grace_seconds=0)
            await self._health.close(grace_seconds=0)

    def _problem(self) -> str | None:
        """Return why nobody can be answered by TLS, None where the certificate is good."""
        return (self._certificate or self._source).problem()

    async def _watch_certificate(self) -> None:
        if self._certificate is not None:
            await self._certificate.watch(self._settings.certificate_poll_seconds)

    async def _drain(self, stop: Stop) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._settings.drain_timeout_seconds
        self._readiness.leave()
        _log.info("draining", connections=len(self._admission.connections))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await stop.quick.wait()
        self._admission.say_goodbye()
        if not stop.quick.is_set():
            await self._wait_until_left(stop, ends_at)
        is_quick = stop.quick.is_set()
        seconds = QUICK_SECONDS if is_quick else self._settings.limits.request_seconds
        _log.info("closing", connections=len(self._admission.connections))
        await self._admission.close(grace_seconds=seconds)

    async def _wait_until_left(self, stop: Stop, ends_at: float) -> None:
        """Return when no connection has been open for a moment, or there is no more time."""
        leaving = asyncio.create_task(self._quiet())
        quick = asyncio.create_task(stop.quick.wait())
        left = max(0.0, ends_at - asyncio.get_running_loop().time())
        try:
            await asyncio.wait({leaving, quick}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            quick.cancel()
            await asyncio.gather(leaving, quick, return_exceptions=True)

    async def _quiet(self) -> None:
        while True:
            await self._admission.wait_until_empty()
            accepted = self._admission.accepted
            await asyncio.sleep(QUIET_SECONDS)
            # One that came and went meanwhile says that more of them are to be expected.
            if not self._admission.connections and self._admission.accepted == accepted:
                return


def _files(settings: ServerSettings) -> CertificateFiles:
    if settings.tls_cert is None or settings.tls_key is None:
        raise InvalidInput("no certificate: its files, or another source of it, are wanted")
    return CertificateFiles(settings.tls_cert, settings.tls_key)


class _Uncounted:
    """Counts nothing: the connections of scrapers are of no interest."""

    def connections(self, count: int) -> None:
        """Do nothing."""

    def connection_ended(self, reason: str) -> None:
        """Do nothing."""


async def serve(
    app: ASGIApplication,
    settings: ServerSettings,
    *,
    readiness: Readiness,
    metrics: ServingMetrics,
    registry: CollectorRegistry,
    on_started: Callable[[Ports], None],
    backing: Backing = NO_BACKING,
) -> None:
    """
    Serve until SIGTERM or SIGINT has ended it.

    Raises `InvalidInput` when a port or the certificate cannot be used.
    """
    server = Server(
        app,
        settings,
        readiness=readiness,
        metrics=metrics,
        registry=registry,
        backing=backing,
    )
    stop = Stop()
    with signals_to(stop):
        ports = await unless_told(stop, server.start())
        if ports is None:
            return
        _log.info("serving", port=ports.admission)
        on_started(ports)
        await server.run(stop)


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    """
    Run a coroutine to its end on a new uvloop event loop.

    SIGTERM and SIGINT end it at once for as long as it does not heed them itself, as `serve` does.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_unless_told(main))


async def _unless_told(main: Coroutine[Any, Any, None]) -> None:
    stop = Stop()
    with signals_to(stop):
        await unless_told(stop, main)
