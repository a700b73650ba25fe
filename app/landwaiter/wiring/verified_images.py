"""
Builds the inventory of what was verified, which all replicas share as objects of the cluster.

The key of its seal is in a Secret of our own; one replica, which holds a Lease, removes what is
kept for nothing and tells of what is not believed.
"""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry

from landwaiter.cluster.events import EventRecorder
from landwaiter.cluster.leadership import Leadership, LeaseName
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.paced_events import EventOutcome, PacedEvents
from landwaiter.cluster.transport import ApiTransport
from landwaiter.errors import InvalidInput
from landwaiter.inventory.collecting import Collector, CollectorSettings
from landwaiter.inventory.keeping import KeepSettings, KeptImages
from landwaiter.inventory.ledger import Ledger
from landwaiter.inventory.seal_keeper import SealKeeper
from landwaiter.policy.matching import Policy
from landwaiter.serving.companions import run_all
from landwaiter.serving.health import Check
from landwaiter.telemetry.inventory_observers import InventoryMetrics
from landwaiter.wiring.own_objects import ClusterSecret, OwningRole

LEASE: Final = "landwaiter-verified-images"
"""Who holds it in Landwaiter's namespace removes what is kept for nothing."""

KEPT_SECONDS: Final = 86_400
"""How long a success is kept where no policy says how long it would be admitted by."""

DEFAULT_MAX: Final = 5_000


@dataclass(frozen=True, slots=True)
class VerifiedImageSettings:
    """
    What an install decides about the inventory.

    `secret` is the Secret of the seal in our own namespace, and `limit` how many objects are kept;
    `role` is the Role with which both go, None where they are nobody's.
    """

    own_namespace: str
    secret: str
    limit: int = DEFAULT_MAX
    role: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedBefore:
    """What was verified before, and what has to be well for it."""

    ledger: Ledger
    checks: Mapping[str, Check] = field(default_factory=dict)


@asynccontextmanager
async def verified_before(
    settings: VerifiedImageSettings | None,
    transport: ApiTransport | None,
    policies: Callable[[], Iterable[Policy]],
    collectors: CollectorRegistry,
) -> AsyncIterator[VerifiedBefore]:
    """
    Give what was verified before, for the body of the context.

    Without settings that is what this process remembers. Raises `InvalidInput` for settings without
    a cluster.
    """
    if settings is None:
        yield VerifiedBefore(Ledger())
        return
    if transport is None:
        raise InvalidInput("--verified-images-secret: given, but there is no cluster")
    async with _verified_images(settings, transport, policies, collectors) as kept:
        ledger = Ledger(kept, clock=transport.server_time)
        yield VerifiedBefore(ledger, {"verifiedImages": kept.problem})


@asynccontextmanager
async def _verified_images(
    settings: VerifiedImageSettings,
    transport: ApiTransport,
    policies: Callable[[], Iterable[Policy]],
    collectors: CollectorRegistry,
) -> AsyncIterator[KeptImages]:
    """Give what keeps successes, for the body of the context; everything has ended behind it."""
    objects = ClusterObjects(transport)
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    metrics = InventoryMetrics(collectors, count=lambda: len(kept))
    events = PacedEvents(EventRecorder(objects, instance=identity), _Uncounted())
    kept = KeptImages(
        transport,
        objects,
        KeepSettings(settings.limit, lambda: _kept_seconds(policies()), transport.server_time),
        metrics,
        disbelieved=lambda: collector.wake(),  # noqa: PLW0108  # It is made below.
    )
    owner = OwningRole(
        objects, namespace=settings.own_namespace, name=settings.role or settings.secret
    )
    secret = ClusterSecret(
        transport,
        objects,
        owner,
        namespace=settings.own_namespace,
        name=settings.secret,
        changed=lambda: seal.wake(),  # noqa: PLW0108  # It is made below.
    )
    seal = SealKeeper(secret, kept.take)
    leadership = Leadership(
        objects,
        LeaseName(settings.own_namespace, LEASE, identity),
        owners=owner.references,
        changed=lambda: collector.wake(),  # noqa: PLW0108  # It is made below.
    )
    collector = Collector(
        objects,
        CollectorSettings(
            seal=lambda: kept.seal,
            is_leader=lambda: leadership.is_leader,
            limit=settings.limit,
            now=transport.server_time,
            note=events.record,
        ),
        metrics,
    )
    companions = (seal.run, kept.run, leadership.run, collector.run, events.run)
    secret.start()
    running = asyncio.create_task(run_all(companions))
    try:
        yield kept
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await kept.close()
        await secret.close()


def _kept_seconds(policies: Iterable[Policy]) -> float:
    """Return how long a success of now is worth keeping: as long as a policy would admit by it."""
    return max((each.stale_within_seconds or 0 for each in policies), default=0) or KEPT_SECONDS


class _Uncounted:
    """What becomes of these Events is not counted: those of refusals are, under the same name."""

    def event_noted(self, outcome: EventOutcome) -> None:
        """Do nothing."""
