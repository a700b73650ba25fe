"""
Warm decisions beside the bare echo, and what both take when they do nothing.

Case `warm`: Pods of sixteen workloads in four namespaces, each with three images out of twelve;
everything about images and pull secrets has been asked before and is in memory. Pull secrets are
read again every five seconds, as always. Both servers run on one core all the time and are loaded
in turns from another; the bodies, the connections and the TLS are the same.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from bench.figures import Figure, at_least, at_most
from bench.load import Result, Specification
from bench.machine import LOAD_CORE, on_core, resident_mib
from bench.reviews import reviews
from bench.scene import Echo, Scene, full_policy_set
from realparts.landwaiter import Landwaiter
from realparts.processes import retried_on_port_clash

HERE = Path(__file__).resolve().parent
CONNECTIONS = (1, 8, 64)
ROUNDS = 9
SECONDS = 1.5
WARM_SECONDS = 0.3
BODIES = 512
LOAD_SECONDS = 120.0
STARTS = 7
IDLE_SECONDS = 2.0
PATIENCE = 4
ALLOWED = '"allowed":true'
ECHOED = '"kind":"AdmissionReview"'


class Warm:
    """Both servers under the same load."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
        self.ours = scene.landwaiter("warm", policies, cluster=scene.cluster)
        self.theirs = scene.echo()
        self.bodies = scene.folder / "bodies"
        self.bodies.write_bytes(b"\n".join(reviews(scene.rollouts, BODIES)))

    def find_out(self) -> None:
        """Have every image looked at once, however often that has to be asked for."""
        anything = self._specification(self.ours, '"uid"', 4, 0.0)
        for _ in range(PATIENCE):
            load(replace(anything, count=len(self.scene.rollouts)), self.scene)
        certain = self._specification(self.ours, ALLOWED, 4, 0.0)
        load(replace(certain, count=BODIES), self.scene)

    def load_ours(self, connections: int, seconds: float = SECONDS) -> Result:
        """Load Landwaiter."""
        return load(self._specification(self.ours, ALLOWED, connections, seconds), self.scene)

    def load_theirs(self, connections: int, seconds: float = SECONDS) -> Result:
        """Load the echo."""
        return load(self._specification(self.theirs, ECHOED, connections, seconds), self.scene)

    def _specification(
        self, server: Landwaiter | Echo, expected: str, connections: int, seconds: float
    ) -> Specification:
        return Specification(
            port=server.port,
            path="/validate",
            connections=connections,
            bodies=str(self.bodies),
            expected=expected,
            ca=str(server.authority.certificate),
            certificate=str(self.scene.client.certificate),
            key=str(self.scene.client.key),
            server_pid=server.process.pid,
            seconds=seconds,
            warm_seconds=WARM_SECONDS,
        )


def load(specification: Specification, scene: Scene) -> Result:
    """Return what came of a load, sent by a process on a core of its own."""
    file = scene.folder / "load.json"
    file.write_text(json.dumps(asdict(specification)), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, str(HERE / "load.py"), str(file)],
        stdout=subprocess.PIPE,
        timeout=LOAD_SECONDS,
        check=True,
        preexec_fn=on_core(LOAD_CORE),  # This process has one thread.
    )
    return Result(**json.loads(ended.stdout))


def measure_warm(warm: Warm) -> Iterator[Figure]:
    """Yield throughput, latencies and processor time at each number of connections."""
    warm.find_out()
    warm.load_theirs(8)
    for connections in CONNECTIONS:
        ours, theirs = [], []
        for number in range(ROUNDS):
            # Whoever goes first meets what the other has left behind, so they take turns at it.
            if number % 2:
                theirs.append(warm.load_theirs(connections))
                ours.append(warm.load_ours(connections))
            else:
                ours.append(warm.load_ours(connections))
                theirs.append(warm.load_theirs(connections))
        yield from _figures(connections, ours, theirs)


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
        yield Figure(
            "warm",
            f"{what}, {at}",
            unit,
            tuple(getattr(result, field) for result in ours),
            tuple(getattr(result, field) for result in theirs),
            target,
            f"the load used up to {busy:.0%} of its core" if what == "throughput" else "",
        )


def measure_memory(scene: Scene) -> Iterator[Figure]:
    """Yield the memory of servers that have just started, and ours after many decisions."""
    policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
    ours, theirs = [], []
    for number in range(3):
        landwaiter = scene.landwaiter(f"idle-{number}", policies, cluster=scene.cluster)
        echo = scene.echo()
        time.sleep(IDLE_SECONDS)
        ours.append(resident_mib(landwaiter.process.pid))
        theirs.append(resident_mib(echo.process.pid))
        landwaiter.stop()
        echo.process.kill()
    yield Figure("memory", "idle", "MiB", tuple(ours), tuple(theirs), at_most(2.0))


def measure_start(scene: Scene) -> Iterator[Figure]:
    """Yield how long it takes from the command to ready, the certificate and cluster included."""
    policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
    seconds = []
    for number in range(STARTS):
        landwaiter = scene.prepared(f"start-{number}", policies, cluster=scene.cluster)
        seconds.append(retried_on_port_clash(partial(seconds_to_ready, landwaiter)))
        landwaiter.stop()
    yield Figure("start", "command to ready", "s", tuple(seconds), (), at_most(2.0))


def seconds_to_ready(landwaiter: Landwaiter) -> float:
    """Start it; its account in the cluster, and the files it is given, are made before."""
    landwaiter.prepare()
    command = landwaiter.command()
    began = time.perf_counter()
    landwaiter.spawn(command)
    landwaiter.wait_until_ready()
    return time.perf_counter() - began
