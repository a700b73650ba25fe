"""
Warm decisions beside the bare echo, and how the size of a body tells on both.

Case `warm`: Pods of sixteen workloads in four namespaces, each with three images out of twelve;
everything about images and pull secrets has been asked before and is in memory. Pull secrets are
read again every five seconds, as always. Both servers run on one core all the time and are loaded
in turns from another; the bodies, the connections and the TLS are the same.
"""

from collections.abc import Iterator
from functools import partial

from bench.figures import Figure, at_least, at_most, in_turns
from bench.load import Result
from bench.loading import ANSWERED, Bodies, load, specification
from bench.reviews import padded, reviews
from bench.scene import Echo, Scene, full_policy_set
from realparts.landwaiter import Landwaiter

CONNECTIONS = (1, 8, 64)
ROUNDS = 9
SECONDS = 1.5
WARM_SECONDS = 0.3
REVIEWS = 512
PATIENCE = 4
SIZES = {"2 kB": 2_000, "20 kB": 20_000, "200 kB": 200_000, "3 MB": 3_000_000}
SIZE_ROUNDS = 7


class Warm:
    """Both servers under the same load."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
        self.ours = scene.landwaiter("warm", policies, cluster=scene.cluster)
        self.theirs = scene.echo()
        self.bodies = Bodies(scene, "warm", list(reviews(scene.rollouts, REVIEWS)))
        self._find_out()

    def _find_out(self) -> None:
        """Have every image looked at once, however often that has to be asked for."""
        for _ in range(PATIENCE):
            few = len(self.scene.rollouts)
            self.send(self.ours, self.bodies, connections=4, expected=ANSWERED, count=few)
        self.send(self.ours, self.bodies, connections=4, count=REVIEWS)

    def send(self, server: Landwaiter | Echo, bodies: Bodies, **settings: object) -> Result:
        """Load one of them; the settings are fields of a specification."""
        return load(self.scene, specification(self.scene, server, bodies, **settings))

    def rounds(
        self, count: int, bodies: Bodies, connections: int
    ) -> tuple[list[Result], list[Result]]:
        """Return the rounds of both sides."""
        sides = (
            partial(
                self.send,
                server,
                bodies,
                connections=connections,
                seconds=SECONDS,
                warm_seconds=WARM_SECONDS,
            )
            for server in (self.ours, self.theirs)
        )
        return in_turns(count, *sides)


def measure_warm(scene: Scene) -> Iterator[Figure]:
    """Yield throughput, latencies and processor time at each number of connections."""
    warm = scene.once(Warm)
    warm.send(warm.theirs, warm.bodies, connections=8, seconds=SECONDS)
    for connections in CONNECTIONS:
        yield from _figures(connections, *warm.rounds(ROUNDS, warm.bodies, connections))


def _figures(connections: int, ours: list[Result], theirs: list[Result]) -> Iterator[Figure]:
    at = f"{connections} connection" + ("s" if connections > 1 else "")
    busy = max(result.own_cpu_seconds / result.seconds for result in (*ours, *theirs))
    sides = (
        ("throughput", "1/s", "per_second", at_least(1.0)),
        ("p50", "ms", "p50", None),
        ("p99", "ms", "p99", at_most(1.3) if connections == 8 else None),
        ("processor time", "us", "cpu_microseconds", None),
    )
    for what, unit, field, target in sides:
        note = f"the load used up to {busy:.0%} of its core" if what == "throughput" else ""
        of_ours, of_theirs = values(field, ours), values(field, theirs)
        yield Figure("warm", f"{what}, {at}", unit, of_ours, of_theirs, target, note)


def values(field: str, results: list[Result]) -> tuple[float, ...]:
    """Return one field of some results."""
    return tuple(getattr(result, field) for result in results)


def measure_bodies(scene: Scene) -> Iterator[Figure]:
    """Yield throughput and processor time by the size of the body, beside the echo."""
    warm = scene.once(Warm)
    for name, size in SIZES.items():
        bodies = Bodies(scene, "padded", [padded(scene.rollouts[0], size)])
        warm.send(warm.ours, bodies, connections=1, expected=ANSWERED, count=1)
        sides = warm.rounds(SIZE_ROUNDS, bodies, 8)
        for what, unit, field in (
            ("throughput", "1/s", "per_second"),
            ("processor time", "us", "cpu_microseconds"),
        ):
            ours, theirs = (values(field, side) for side in sides)
            yield Figure("bodies", f"{what}, {name}", unit, ours, theirs)
