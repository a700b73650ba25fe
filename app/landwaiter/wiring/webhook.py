"""Builds what keeps the webhook object and the certificate behind it, and lets it run."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from landwaiter.cluster.events import EventRecorder
from landwaiter.cluster.leadership import Leadership, LeaseName
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.version import server_version
from landwaiter.errors import InvalidInput
from landwaiter.serving.certificates import CertificateFiles
from landwaiter.serving.companions import run_all
from landwaiter.serving.handover import TRUSTED_SECONDS, Handover, HandoverSettings
from landwaiter.serving.server import Backing
from landwaiter.serving.trust import distrust
from landwaiter.telemetry.observers import WebhookMetrics
from landwaiter.tls.rotation import RotationTimes
from landwaiter.webhooks.configuration import WebhookPath
from landwaiter.webhooks.keeper import Surroundings, WebhookKeeper
from landwaiter.webhooks.settings import TrustFile, WebhookSettings
from landwaiter.webhooks.trust_file import TrustFileBundle
from landwaiter.webhooks.view import WebhookView
from landwaiter.wiring.certificate import Certificate, FilesCertificate, OwnCertificate
from landwaiter.wiring.own_objects import ClusterSecret, OwningRole
from landwaiter.wiring.reaching import until_reached


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """
    What the webhook is kept with.

    `paths` gives those that are needed at this moment. `files` are those of the certificate, None
    where Landwaiter makes its own.
    """

    transport: ApiTransport
    paths: Callable[[], frozenset[WebhookPath]]
    collectors: CollectorRegistry
    files: CertificateFiles | None = None
    times: RotationTimes = field(default_factory=RotationTimes)


@asynccontextmanager
async def webhook_kept(settings: WebhookSettings, parts: WebhookParts) -> AsyncIterator[Backing]:
    """
    Give what the server leans on for the body of the context; everything has ended behind it.

    Raises `InvalidCertificate` for a CA file that cannot be used.
    """
    common = _Common(settings, parts)
    certificate = _certificate(common)
    source = Handover(certificate.source, common.view, _handover(common))
    leadership = Leadership(
        common.objects,
        LeaseName(settings.own_namespace, settings.name, common.identity),
        owners=common.owner.references,
        changed=common.bell.ring,
    )
    keeper = _keeper(common, certificate, source, leadership)
    common.bell.wakes += (keeper.wake,)
    running = asyncio.create_task(run_all((common.recorder.run, *certificate.companions)))
    common.view.start()
    try:
        yield Backing(source, (leadership.run, keeper.run), parts.transport.server_time)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await certificate.close()
        await common.view.close()


class _Bell:
    """Wakes everybody who waits for news of the cluster."""

    def __init__(self) -> None:
        self.wakes: tuple[Callable[[], None], ...] = ()

    def ring(self) -> None:
        for wake in self.wakes:
            wake()


class _Common:
    """What all parts share; no two processes have the same `identity`."""

    def __init__(self, settings: WebhookSettings, parts: WebhookParts) -> None:
        self.settings = settings
        self.parts = parts
        self.bell = _Bell()
        self.identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self.objects = ClusterObjects(parts.transport)
        self.owner = OwningRole(self.objects, namespace=settings.own_namespace, name=settings.name)
        self.recorder = EventRecorder(self.objects, instance=self.identity)
        self.view = WebhookView(
            parts.transport,
            settings.name,
            own_namespace=settings.own_namespace,
            changed=self.bell.ring,
        )


def _certificate(common: _Common) -> Certificate:
    settings, parts = common.settings, common.parts
    if isinstance(settings.trust, TrustFile):
        if parts.files is None:
            raise InvalidInput("no certificate: a CA file is given, and no certificate for it")
        return FilesCertificate(parts.files, TrustFileBundle(settings.trust.path))
    secret = ClusterSecret(
        parts.transport,
        common.objects,
        common.owner,
        namespace=settings.own_namespace,
        name=settings.trust.name,
        changed=common.bell.ring,
    )
    own = OwnCertificate(
        secret,
        common.view,
        common.recorder,
        names=frozenset(settings.address.names),
        times=parts.times,
        now=parts.transport.server_time,
    )
    common.bell.wakes += (own.keeper.wake,)
    return own


def _handover(common: _Common) -> HandoverSettings:
    trusted_after = common.parts.times.trusted_after.total_seconds()
    return HandoverSettings(
        host=common.settings.address.host,
        trusted_seconds=min(TRUSTED_SECONDS, trusted_after),
        now=common.parts.transport.server_time,
    )


def _keeper(
    common: _Common, certificate: Certificate, source: Handover, leadership: Leadership
) -> WebhookKeeper:
    address, parts = common.settings.address, common.parts

    def leads() -> bool:
        return leadership.is_leader

    metrics = WebhookMetrics(
        parts.collectors,
        armed=lambda path: common.view.is_armed(WebhookPath(path)),
        wanted=lambda path: WebhookPath(path) in parts.paths(),
        leads=leads,
    )
    surroundings = Surroundings(
        paths=parts.paths,
        bundle=certificate.bundle,
        distrust=lambda bundle: distrust(source.read(), bundle, address.host),
        reached=lambda: until_reached(address, certificate.bundle),
        leads=leads,
        version=lambda: server_version(parts.transport),
        note=common.recorder.record,
        repaired=metrics.repaired,
    )
    return WebhookKeeper(common.objects, common.view, common.settings, surroundings)
