"""
Several processes behind one round-robin: throughput, processor time, and how often each verifies.

Case `replicas`: one to four processes, loaded in turns over the same connections; nothing is pinned
to a core, and the load and the round-robin need their share, so that more processes than cores can
bring nothing but their cost. Each has a memory of its own: what one has verified, the others verify
again. An inventory of verified images that processes share is not part of this.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from bench.figures import Figure, at_most
from bench.load import Result
from bench.loading import ANSWERED, Bodies, load, specification
from bench.machine import resident_mib
from bench.reviews import reviews
from bench.scene import READY_SECONDS, Scene, full_policy_set, listens
from bench.storm import TIMEOUT_SECONDS, pods_of, storm_server
from bench.warm import PATIENCE, REVIEWS
from realparts.landwaiter import Landwaiter
from realparts.processes import ChildProcess, free_port, retried_on_port_clash

HERE = Path(__file__).resolve().parent
REPLICAS = (1, 2, 3, 4)
ROUNDS = 7
SECONDS = 2.0
WARM_SECONDS = 0.5
CONNECTIONS = 24
"""A multiple of each number of processes, so that each has as many."""
IMAGES = 50
REVIEWS_AN_IMAGE = 40


class Service:
    """The first of some servers behind a round-robin, from `with` to its end."""

    def __init__(self, scene: Scene, servers: Sequence[Landwaiter]) -> None:
        self.servers = tuple(servers)
        self._scene = scene
        self.port = 0

    def _start(self) -> ChildProcess:
        self.port = free_port()
        ports = [str(server.port) for server in self.servers]
        process = ChildProcess(
            "round-robin",
            [sys.executable, str(HERE / "round_robin.py"), str(self.port), *ports],
            log=self._scene.folder / "round-robin.log",
            environment={"PATH": os.defpath},
        )
        process.wait_until_ready(lambda: listens(self.port), within_seconds=READY_SECONDS)
        return process

    def __enter__(self) -> Self:
        self._process = retried_on_port_clash(self._start)
        return self

    def __exit__(self, *of_exception: object) -> None:
        self._process.kill()

    def sent(self, bodies: Bodies, **settings: object) -> Result:
        """Return what came of a load that the servers share."""
        wanted = specification(
            self._scene,
            self.servers[0],
            bodies,
            **{
                "port": self.port,
                "ca": str(self._authorities()),
                "connections": CONNECTIONS,
                "server_pids": [server.process.pid for server in self.servers],
                **settings,
            },
        )
        return load(self._scene, wanted, on_one_core=False)

    def _authorities(self) -> Path:
        """Return a file with who vouches for each of them."""
        file = self._scene.folder / "authorities.pem"
        file.write_text("".join(each.authority.certificate.read_text() for each in self.servers))
        return file


def measure_replicas(scene: Scene) -> Iterator[Figure]:
    """Yield what one to four processes do together."""
    yield from _warm(scene)
    yield from _cold(scene)


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


def processes(count: int) -> str:
    """Return so many processes in words."""
    return f"{count} process" + ("es" if count > 1 else "")


def _cold(scene: Scene) -> Iterator[Figure]:
    """Each number of processes is asked about images that none of them has seen."""
    images = list(map(str, scene.signed.storm))
    servers = [storm_server(scene, f"cold-replica-{count}") for count in REPLICAS]
    for number, count in enumerate(REPLICAS):
        asked = images[number * IMAGES : (number + 1) * IMAGES]
        bodies = Bodies(scene, "cold-replicas", pods_of(asked, IMAGES * REVIEWS_AN_IMAGE))
        before = _verified(servers)
        with Service(scene, servers[:count]) as service:
            service.sent(bodies, count=bodies.count, timeout_seconds=TIMEOUT_SECONDS)
        verified = _verified(servers) - before
        share = share_from_memory(bodies.count, verified)
        note = f"{IMAGES} images, {bodies.count:,} reviews, each process remembers for itself"
        name = f"answered from memory, {processes(count)}"
        yield Figure("replicas", name, "%", (share,), (), None, note)
        name = f"verifications an image, {processes(count)}"
        yield Figure("replicas", name, "", (verified / IMAGES,), (), at_most(count))
    for server in servers:
        server.stop()


def share_from_memory(reviews: int, verified: float) -> float:
    """Return how many in a hundred reviews of one image each needed no verification."""
    return 100 * (1 - verified / reviews)


def _verified(servers: Sequence[Landwaiter]) -> float:
    name = "landwaiter_cosign_run_images_total"
    return sum(server.metric(name, format="bundle") for server in servers)
