"""
Warm decisions beside the bare echo, and how the size of a body tells on both.

Case `warm`: Pods of sixteen workloads in four namespaces, each with three images out of twelve;
everything about images and pull secrets has been asked before and is in memory. Pull secrets are
read again every five seconds, as always. Both servers run on one core all the time and are loaded
in turns from another; the bodies, the connections and the TLS are the same.

Of each side there are several processes, which the rounds go through: one of the same program is
faster than another for as long as it lives, by where its memory is and the order of its sets.
"""

from collections.abc import Iterator
from functools import partial
from itertools import cycle

from bench.figures import Figure, at_least, at_most, in_turns
from bench.load import Result
from bench.loading import ANSWERED, Bodies, load, specification
from bench.reviews import padded, reviews
from bench.scene import Echo, Scene, full_policy_set
from realparts.landwaiter import Landwaiter

CONNECTIONS = (1, 8, 64)
PROCESSES = 3
"""Of each side; rounds are a multiple of it, so that each process has as many."""

ROUNDS = 18
SECONDS = 1.5
WARM_SECONDS = 0.3
REVIEWS = 512
PATIENCE = 4
SIZES = {"2 kB": 2_000, "20 kB": 20_000, "200 kB": 200_000, "3 MB": 3_000_000}
SIZE_ROUNDS = 9


class Warm:
    """
    Servers of both sides under the same load.

    `ours` is the first of our processes; the others, and all of the other side, are started for the
    first rounds.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
        self.bodies = Bodies(scene, "warm", list(reviews(scene.rollouts, REVIEWS)))
        self.ours = self._started(0)
        self._sides: tuple[list[Landwaiter], list[Echo]] | None = None

    def _started(self, number: int) -> Landwaiter:
        """Start one of ours, and have every image looked at, however often that is asked for."""
        ours = self.scene.landwaiter(f"warm-{number}", self._policies, cluster=self.scene.cluster)
        for _ in range(PATIENCE):
            few = len(self.scene.rollouts)
            self.send(ours, self.bodies, connections=4, expected=ANSWERED, count=few)
        self.send(ours, self.bodies, connections=4, count=REVIEWS)
        return ours

    def sides(self) -> tuple[list[Landwaiter], list[Echo]]:
        """Return the processes of both sides, as many of each."""
        if self._sides is None:
            ours = [self.ours, *map(self._started, range(1, PROCESSES))]
            theirs = [self.scene.echo() for _ in range(PROCESSES)]
            for echo in theirs:
                self.send(echo, self.bodies, connections=8, seconds=SECONDS)
            self._sides = ours, theirs
        return self._sides

    def send(self, server: Landwaiter | Echo, bodies: Bodies, **settings: object) -> Result:
        """Load one of them; the settings are fields of a specification."""
        return load(self.scene, specification(self.scene, server, bodies, **settings))

    def rounds(
        self, count: int, bodies: Bodies, connections: int
    ) -> tuple[list[Result], list[Result]]:
        """Return the rounds of both sides."""
        send = partial(
            self.send,
            bodies=bodies,
            connections=connections,
            seconds=SECONDS,
            warm_seconds=WARM_SECONDS,
        )
        ours, theirs = self.sides()
        next_ours, next_theirs = cycle(ours), cycle(theirs)
        return in_turns(count, lambda: send(next(next_ours)), lambda: send(next(next_theirs)))


def measure_warm(scene: Scene) -> Iterator[Figure]:
    """Yield throughput, latencies and processor time at each number of connections."""
    warm = scene.once(Warm)
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
        for server in warm.sides()[0]:
            warm.send(server, bodies, connections=1, expected=ANSWERED, count=1)
        sides = warm.rounds(SIZE_ROUNDS, bodies, 8)
        for what, unit, field in (
            ("throughput", "1/s", "per_second"),
            ("processor time", "us", "cpu_microseconds"),
        ):
            ours, theirs = (values(field, side) for side in sides)
            yield Figure("bodies", f"{what}, {name}", unit, ours, theirs)
