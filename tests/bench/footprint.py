"""
What a process takes: memory at rest and after long use, and the time until it is ready.

At rest and while it starts it is measured as in its Pod: with the packages of the image and the
account that a Pod has, not a kubeconfig, for which the official client is loaded.
"""

import time
from collections.abc import Iterator
from functools import partial

from bench.figures import Figure, at_most
from bench.loading import Bodies, load, specification
from bench.machine import resident_mib, tree_mib
from bench.pod import PodLandwaiter
from bench.scene import Scene, a_policy, full_policy_set
from bench.storm import pods_of
from bench.warm import Warm
from realparts.landwaiter import Landwaiter
from realparts.processes import retried_on_port_clash

STARTS = 7
IDLE_SECONDS = 2.0
IDLE_ROUNDS = 3
DECISIONS = 100_000


def measure_memory(scene: Scene) -> Iterator[Figure]:
    """Yield the memory of servers that have just started, and ours after many decisions."""
    policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
    ours, theirs = [], []
    for number in range(IDLE_ROUNDS):
        landwaiter = scene.landwaiter(
            f"idle-{number}", policies, cluster=scene.cluster, kind=PodLandwaiter
        )
        echo = scene.echo()
        time.sleep(IDLE_SECONDS)
        ours.append(resident_mib(landwaiter.process.pid))
        theirs.append(resident_mib(echo.process.pid))
        landwaiter.stop()
        echo.process.kill()
    yield Figure("memory", "idle", "MiB", tuple(ours), tuple(theirs), at_most(2.0))
    yield _with_conditions(scene)
    warm = scene.once(Warm)
    before = resident_mib(warm.ours.process.pid)
    warm.send(warm.ours, warm.bodies, connections=8, count=DECISIONS)
    after = resident_mib(warm.ours.process.pid)
    note = "theirs is the same process before, with everything in memory"
    yield Figure("memory", f"after {DECISIONS:,} decisions", "MiB", (after,), (before,), None, note)


def _with_conditions(scene: Scene) -> Figure:
    """Measure the tree of processes once a condition has been evaluated, beside none of them."""
    condition = {"name": "named", "expression": "has(object.metadata.labels)"}
    rules = {"pinnedTags": {"require": "digest"}}
    sides = []
    for name, spec in (("with", {"matchConditions": [condition]}), ("without", {})):
        server = scene.landwaiter(f"{name}-conditions", [a_policy("a", rules, match={}, **spec)])
        bodies = Bodies(scene, "conditions", pods_of(scene.images, 1))
        load(scene, specification(scene, server, bodies, connections=1, count=1))
        time.sleep(IDLE_SECONDS)
        sides.append(tree_mib(server.process.pid))
        server.stop()
    ours, theirs = sides
    return Figure("memory", "idle, matchConditions / none", "MiB", (ours,), (theirs,))


def measure_start(scene: Scene) -> Iterator[Figure]:
    """Yield how long it takes from the command to ready, the certificate and cluster included."""
    policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
    seconds = []
    for number in range(STARTS):
        landwaiter = scene.prepared(
            f"start-{number}", policies, cluster=scene.cluster, kind=PodLandwaiter
        )
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
