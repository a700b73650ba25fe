"""
Several processes behind one round-robin: throughput, processor time, memory, and what they share.

Case `replicas`: one to four processes, loaded in turns over the same connections; nothing is pinned
to a core, and the load and the round-robin need their share, so that more processes than cores can
bring nothing but their cost. How often each verifies what the others have verified, and what an
inventory changes that they share, is in `sharing.py`.
"""

from collections.abc import Iterator

from bench.figures import Figure
from bench.load import Result
from bench.loading import ANSWERED, Bodies
from bench.machine import resident_mib
from bench.reviews import reviews
from bench.scene import Scene, full_policy_set
from bench.service import REPLICAS, Service, processes
from bench.sharing import measure_sharing
from bench.warm import PATIENCE, REVIEWS

ROUNDS = 7
SECONDS = 2.0
WARM_SECONDS = 0.5


def measure_replicas(scene: Scene) -> Iterator[Figure]:
    """Yield what one to four processes do together."""
    yield from _warm(scene)
    yield from measure_sharing(scene)


def _warm(scene: Scene) -> Iterator[Figure]:
    policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
    servers = [
        scene.landwaiter(f"replica-{count}", policies, cluster=scene.cluster, on_one_core=False)
        for count in REPLICAS
    ]
    bodies = Bodies(scene, "replicas", list(reviews(scene.rollouts, REVIEWS)))
    for server in servers:
        with Service(scene, [server]) as alone:
            for _ in range(PATIENCE):
                alone.sent(bodies, connections=4, expected=ANSWERED, count=len(scene.rollouts))
            alone.sent(bodies, count=REVIEWS)
    results: dict[int, list[Result]] = {count: [] for count in REPLICAS}
    for number in range(ROUNDS):
        for count in REPLICAS if number % 2 else reversed(REPLICAS):
            with Service(scene, servers[:count]) as service:
                results[count].append(
                    service.sent(bodies, seconds=SECONDS, warm_seconds=WARM_SECONDS)
                )
    memory = tuple(resident_mib(server.process.pid) for server in servers)
    for server in servers:
        server.stop()
    for count in REPLICAS:
        for what, unit, field in (
            ("throughput", "1/s", "per_second"),
            ("p99", "ms", "p99"),
            ("processor time", "us", "cpu_microseconds"),
        ):
            yield Figure(
                "replicas",
                f"{what}, {processes(count)} / 1",
                unit,
                tuple(getattr(each, field) for each in results[count]),
                tuple(getattr(each, field) for each in results[1]),
            )
    yield Figure("replicas", "memory of each, warm", "MiB", memory)
