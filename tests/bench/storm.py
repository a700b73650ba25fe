"""
Storms of reviews about images that nobody has asked about, sent to a server over TLS.

Case `storm`: one policy that wants a signature, images of the registry of `Scene.signed`. What is
identical is verified once: the last of 500 is to come within the time of one cold review and 1.2
times what the bare echo takes for the same 500. What is different shares runs of cosign; the memory
of the server and of all that it starts is looked at meanwhile, every few milliseconds.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from bench.figures import Figure, at_most
from bench.load import Result
from bench.loading import Bodies, Load, load, specification
from bench.machine import tree_mib
from bench.reviews import Rollout, reviews
from bench.scene import NAMESPACES, Scene, a_policy
from bench.signed import Signed
from realparts.landwaiter import Landwaiter

IDENTICAL = 500
IDENTICAL_ROUNDS = 9
DIFFERENT_ROUNDS = 3
ECHO_SHARE = 1.2
TIMEOUT_SECONDS = 30
LOOK_SECONDS = 0.01


def signed_policy(signed: Signed) -> dict[str, Any]:
    """Return a policy that wants a signature, wherever the object is."""
    authority = {"name": "ci", "key": {"data": signed.key.public.read_text()}}
    rules = {"cosignSignatures": {"authorities": [authority]}}
    return a_policy("signed", rules, match={})


def measure_storm(scene: Scene) -> Iterator[Figure]:
    """Yield what identical reviews cost, and what different ones take of memory."""
    yield from _identical(scene)
    yield from _different(scene)


def storm_server(scene: Scene, name: str) -> Landwaiter:
    """Start a server that may use all cores, as cosign does."""
    return scene.landwaiter(
        name,
        [signed_policy(scene.signed)],
        cluster=scene.cluster,
        registries=scene.registries_of_signed,
        on_one_core=False,
    )


def pods_of(images: Sequence[str], count: int) -> list[bytes]:
    """Return reviews of so many Pods that have one of the images each, in turn."""
    rollouts = [
        Rollout(f"storm-{number}", NAMESPACES[0], (image,), pull_secret=None)
        for number, image in enumerate(images)
    ]
    return list(reviews(rollouts, count))


def _identical(scene: Scene) -> Iterator[Figure]:
    server, echo = storm_server(scene, "identical"), scene.echo()
    images = iter(map(str, scene.signed.storm))
    _sent(scene, server, next(images), 1)
    ours, bound, runs = [], [], []
    for _ in range(IDENTICAL_ROUNDS):
        cold = _sent(scene, server, next(images), 1).seconds
        before = server.metric("landwaiter_cosign_run_images_total", format="bundle")
        image = next(images)
        ours.append(_sent(scene, server, image, IDENTICAL).seconds)
        runs.append(server.metric("landwaiter_cosign_run_images_total", format="bundle") - before)
        echoed = _sent(scene, echo, image, IDENTICAL).seconds
        bound.append(cold + ECHO_SHARE * echoed)
    server.stop()
    name = f"last of {IDENTICAL} identical / one cold + {ECHO_SHARE} x echo of {IDENTICAL}"
    yield Figure("storm", name, "s", tuple(ours), tuple(bound), at_most(1.0))
    name = f"verifications for {IDENTICAL} identical"
    yield Figure("storm", name, "", tuple(runs), (), at_most(1.0))


def _sent(scene: Scene, server: Any, image: str, count: int) -> Result:  # noqa: ANN401
    bodies = Bodies(scene, "storm", pods_of([image], count))
    wanted = specification(
        scene, server, bodies, connections=count, count=count, timeout_seconds=TIMEOUT_SECONDS
    )
    return load(scene, wanted, on_one_core=False)


def _different(scene: Scene) -> Iterator[Figure]:
    images = list(map(str, scene.signed.storm))
    idle, peaks, rates = [], [], []
    for number in range(DIFFERENT_ROUNDS):
        server = storm_server(scene, f"different-{number}")
        idle.append(tree_mib(server.process.pid))
        bodies = Bodies(scene, "storm", pods_of(images, len(images)))
        wanted = specification(
            scene,
            server,
            bodies,
            connections=len(images),
            count=len(images),
            timeout_seconds=TIMEOUT_SECONDS,
        )
        result, peak = _watched(scene, wanted, server)
        peaks.append(peak)
        rates.append(result.per_second)
        server.stop()
    count = len(images)
    note = "theirs is the same process at rest; every process of the tree"
    yield Figure(
        "storm", f"memory in a storm of {count}", "MiB", tuple(peaks), tuple(idle), None, note
    )
    yield Figure("storm", f"{count} different images at once", "1/s", tuple(rates))


def _watched(scene: Scene, wanted: Any, server: Landwaiter) -> tuple[Result, float]:  # noqa: ANN401
    """Return what came of a load, and the most that the server's processes took meanwhile."""
    peak = 0.0
    with Load(scene, wanted, on_one_core=False) as under_way:
        while not under_way.is_over:
            peak = max(peak, tree_mib(server.process.pid))
            time.sleep(LOOK_SECONDS)
        return under_way.result(), peak
