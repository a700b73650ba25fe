"""
What it brings that processes share an inventory of what they have verified.

Case `replicas`, second half: the same processes with and without `--verified-images-secret`, on a
real API server, under a policy with `staleIfUndecided`. First each number of processes is asked
about images that none of them has seen, and then answers from memory, both sides in turns. Then
each image is verified by one process alone, the registry is taken away, and each process is asked
about all of them; the last one is started meanwhile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Self

import yaml

from bench.figures import Figure, at_most, in_turns
from bench.loading import ANSWERED, Bodies
from bench.scene import Scene, a_policy
from bench.service import REPLICAS, Service, processes
from bench.storm import TIMEOUT_SECONDS, pods_of
from bench.warm import REVIEWS
from landwaiter.inventory.records import VERIFIED_IMAGES
from landwaiter.policy.crd import definition_of
from realparts.images import ImageMaker
from realparts.landwaiter import NAMESPACE, Landwaiter, account_and_rights
from realparts.processes import wait_until
from realparts.registries import DistributionRegistry
from realparts.signing import Signer, SigningKey

IMAGES = 50
REVIEWS_AN_IMAGE = 40
ROUNDS = 7
SECONDS = 2.0
WARM_SECONDS = 0.5
OUTAGE_IMAGES = 12
"""For each number of processes; a multiple of each, so that each can verify as many."""

SHARED_SECONDS = 30.0
SHARING = ("", ", shared inventory")
"""What figures are called of processes that share nothing, and of those that do."""

MEANWHILE = "started in it"
KNOWN = "landwaiter_verified_images"


@dataclass(frozen=True, slots=True)
class Replicas:
    """Starts processes that share an inventory, or do not; their images are of one registry."""

    scene: Scene
    host: str
    key: SigningKey
    is_shared: bool

    def start(self, name: str) -> Landwaiter:
        """Start one, which may use all cores."""
        return self.scene.landwaiter(
            f"{name}{'-sharing' if self.is_shared else ''}",
            [self.policy()],
            cluster=self.scene.cluster,
            registries=f'{{"registries": [{{"host": "{self.host}", "plainHTTP": true}}]}}',
            on_one_core=False,
            arguments=_SHARING_ARGUMENTS if self.is_shared else (),
            rights=account_and_rights(keeps_verified_images=self.is_shared),
        )

    def policy(self) -> Mapping[str, Any]:
        """Return one that wants a signature, and admits what was verified in an outage."""
        authority = {"name": "ci", "key": {"data": self.key.public.read_text()}}
        rules = {"cosignSignatures": {"authorities": [authority]}}
        return a_policy("signed", rules, match={}, staleIfUndecided="24h")


_SHARING_ARGUMENTS = (f"--own-namespace={NAMESPACE}", "--verified-images-secret=verified-images")


def measure_sharing(scene: Scene) -> Iterator[Figure]:
    """Yield the figures of processes that share nothing, and of those that share an inventory."""
    scene.once(_definition)
    # Those that share come last: all have one account, and it has the rights of whoever came last.
    sides = [_Side.start(scene, is_shared) for is_shared in (False, True)]
    yield from _cold(scene, sides)
    yield from _warm(scene, sides)
    for server in (server for side in sides for server in side.servers):
        server.stop()
    with DistributionRegistry(scene.folder / "away") as registry:
        maker = ImageMaker(scene.folder / "away-images", registry)
        signer = Signer(scene.folder / "away-signer", registry)
        key = signer.generate_key_pair()
        images = [maker.make_image(f"away/{n}:1") for n in range(OUTAGE_IMAGES * len(REPLICAS))]
        for image in images:
            signer.sign_with_cosign3(image, key)
        for is_shared in (False, True):
            yield from _outage(Replicas(scene, registry.host, key, is_shared), registry, images)


def _definition(scene: Scene) -> None:
    """Have the cluster know the objects of the inventory."""
    text = yaml.safe_dump(definition_of(VERIFIED_IMAGES))
    scene.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    established = ("wait", "--for=condition=Established", "--timeout=30s")
    scene.cluster.kubectl(*established, f"crd/{VERIFIED_IMAGES.name}")


@dataclass(frozen=True, slots=True)
class _Side:
    """Processes that share an inventory, or do not."""

    told: str
    servers: Sequence[Landwaiter]

    @classmethod
    def start(cls, scene: Scene, is_shared: bool) -> Self:  # noqa: FBT001  # A side is one or the other.
        """Start them, with signed images that are in memory of none."""
        replicas = Replicas(scene, scene.signed.registry.host, scene.signed.key, is_shared)
        servers = [replicas.start(f"cold-replica-{count}") for count in REPLICAS]
        return cls(SHARING[is_shared], servers)


def _cold(scene: Scene, sides: Sequence[_Side]) -> Iterator[Figure]:
    """Each number of processes is asked about images that none of them has seen."""
    each = _each(list(map(str, scene.signed.storm)), IMAGES)
    for side, (images, count) in product(sides, zip(each, REPLICAS, strict=True)):
        before = verified(side.servers)
        reviews = _asked(scene, side.servers[:count], images, each=REVIEWS_AN_IMAGE)
        found = verified(side.servers) - before
        note = f"{IMAGES} images, {reviews:,} reviews, each process remembers for itself"
        name = f"answered from memory, {processes(count)}{side.told}"
        yield Figure("replicas", name, "%", (share_from_memory(reviews, found),), (), None, note)
        name = f"verifications an image, {processes(count)}{side.told}"
        yield Figure("replicas", name, "", (found / IMAGES,), (), at_most(count))


def _warm(scene: Scene, sides: Sequence[_Side]) -> Iterator[Figure]:
    """Both sides answer from memory, in turns."""
    none, shared = sides
    images = list(map(str, scene.signed.storm))[:IMAGES]
    bodies = Bodies(scene, "sharing-warm", pods_of(images, REVIEWS))

    def answered(side: _Side, count: int) -> float:
        with Service(scene, side.servers[:count]) as service:
            return service.sent(bodies, seconds=SECONDS, warm_seconds=WARM_SECONDS).per_second

    for count in REPLICAS:
        for side in sides:
            _asked(scene, side.servers[:count], images, each=REVIEWS_AN_IMAGE)
        ours, theirs = in_turns(
            ROUNDS, partial(answered, shared, count), partial(answered, none, count)
        )
        name = f"throughput, {processes(count)}, inventory / none"
        yield Figure("replicas", name, "1/s", tuple(ours), tuple(theirs))


def _outage(
    replicas: Replicas, registry: DistributionRegistry, images: Sequence[str]
) -> Iterator[Figure]:
    """Each image is verified by one process, and asked about again when the registry is away."""
    told = SHARING[replicas.is_shared]
    note = f"{OUTAGE_IMAGES} images, each verified by one process before"
    servers = [replicas.start(f"outage-replica-{count}") for count in REPLICAS]
    known = servers[0].metric(KNOWN)
    for asked, count in zip(_each(images, OUTAGE_IMAGES), REPLICAS, strict=True):
        _asked(replicas.scene, servers[:count], asked, connections=count)
        if replicas.is_shared:
            known += OUTAGE_IMAGES
            wait_until(_each_knows(servers, known), within_seconds=SHARED_SECONDS, what="sharing")
        registry.stop()
        admitted = _admitted(replicas.scene, servers[:count], asked)
        registry.start()
        name = f"admitted in an outage, {processes(count)}{told}"
        yield Figure("replicas", name, "%", (admitted,), (), None, note)
    registry.stop()
    late = replicas.start("outage-replica-late")
    admitted = _admitted(replicas.scene, [late], images)
    registry.start()
    yield Figure("replicas", f"admitted in an outage, {MEANWHILE}{told}", "%", (admitted,))
    for server in (*servers, late):
        server.stop()


def _each(images: Sequence[str], size: int) -> list[Sequence[str]]:
    """Return so many images for each number of processes."""
    return [images[number * size : (number + 1) * size] for number in range(len(REPLICAS))]


def _asked(
    scene: Scene,
    servers: Sequence[Landwaiter],
    images: Sequence[str],
    *,
    each: int = 1,
    **settings: object,
) -> int:
    """Have the processes asked about each image so many times; return how many reviews that is."""
    bodies = Bodies(scene, "sharing", pods_of(images, len(images) * each))
    with Service(scene, servers) as service:
        service.sent(bodies, count=bodies.count, timeout_seconds=TIMEOUT_SECONDS, **settings)
    return bodies.count


def _admitted(scene: Scene, servers: Sequence[Landwaiter], images: Sequence[str]) -> float:
    """Return how many in a hundred reviews are admitted, each process asked about each image."""
    before = _allowed(servers)
    reviews = sum(_asked(scene, [each], images, expected=ANSWERED) for each in servers)
    return 100 * (_allowed(servers) - before) / reviews


def _each_knows(servers: Sequence[Landwaiter], count: float) -> Callable[[], bool]:
    """Return whether each process has heard of so many images that were verified."""
    return lambda: all(each.metric(KNOWN) >= count for each in servers)


def _allowed(servers: Sequence[Landwaiter]) -> float:
    return sum(each.metric("landwaiter_decisions_total", decision="allow") for each in servers)


def verified(servers: Sequence[Landwaiter]) -> float:
    """Return how many images the processes have had judged by cosign."""
    name = "landwaiter_cosign_run_images_total"
    return sum(each.metric(name, format="bundle") for each in servers)


def share_from_memory(reviews: int, verified: float) -> float:
    """Return how many in a hundred reviews of one image each needed no verification."""
    return 100 * (1 - verified / reviews)
