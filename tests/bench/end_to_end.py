"""
What Landwaiter adds to what people wait for: Pods through a real API server, with it and without.

Case `cluster`: two kinds of namespaces of one cluster, of which the webhook is about one; Pods are
created in both in turns, by a process of its own over kept connections. Then Deployments are scaled
to 500 in both, by the real controllers, whose own limit is 200 requests a second. All five policies
are in force and what is known of the twelve images is in memory. Everything shares the cores: API
server, etcd, controllers, Landwaiter.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.creating import Created, Order
from bench.figures import Figure, in_turns
from bench.reviews import Rollout
from bench.scene import Scene, full_policy_set
from realparts.processes import wait_until

HERE = Path(__file__).resolve().parent
PODS = 500
ROUNDS = 10
CONNECTIONS = (1, 8)
SCALE_ROUNDS = 3
SCALED_SECONDS = 300.0
GONE_SECONDS = 300.0
CREATE_SECONDS = 300.0
POLL_SECONDS = 0.05
OK, CREATED, ALREADY_THERE = 200, 201, 409
GUARDED, OPEN = "bench-guarded", "bench-open"
GUARD_LABEL = {"bench": "guarded"}
GIVEN_BY_THE_API_SERVER = ("uid", "creationTimestamp", "managedFields", "ownerReferences")


class EndToEnd:
    """The cluster with a webhook that is about one of two namespaces."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.cluster = scene.cluster
        policies = full_policy_set(scene.registry.host, scene.key.public.read_text())
        server = scene.landwaiter(
            "end-to-end",
            policies,
            cluster=self.cluster,
            on_one_core=False,
            client_ca=self.cluster.files.webhook_client_ca,
        )
        for name, labels in ((GUARDED, GUARD_LABEL), (OPEN, {})):
            wanted = {"env": "production", "team": "shop", **labels}
            self.cluster.create_namespace(name, labels=wanted)
            secret = json.dumps(scene.pull_secret(name))
            self.cluster.kubectl("apply", "-f", "-", stdin=secret)
        server.register(self.cluster, namespace_labels=GUARD_LABEL, timeout_seconds=30)
        self._numbers = iter(range(1_000_000))
        self._learn()

    def _learn(self) -> None:
        """Return once every image has been looked at, and the webhook is in force."""
        for rollout in self._rollouts(GUARDED):
            pod = self._pod(rollout)

            def is_admitted(pod: Mapping[str, Any] = pod) -> bool:
                path = f"/api/v1/namespaces/{GUARDED}/pods"
                return self.cluster.request("POST", path, pod).status in {CREATED, ALREADY_THERE}

            wait_until(is_admitted, within_seconds=CREATE_SECONDS, what="a Pod to be admitted")
        refused = {**self._pod(self._rollouts(GUARDED)[0])}
        refused["spec"] = {"containers": [{"name": "app", "image": "evil.example/app:1"}]}

        def is_guarded() -> bool:
            path = f"/api/v1/namespaces/{GUARDED}/pods?dryRun=All"
            return self.cluster.request("POST", path, refused).status not in {
                CREATED,
                ALREADY_THERE,
            }

        wait_until(is_guarded, within_seconds=CREATE_SECONDS, what="the webhook in force")

    def create(self, namespace: str, count: int, connections: int) -> Created:
        """Create Pods by a process of its own."""
        rollouts = self._rollouts(namespace)
        pods = [self._pod(rollouts[number % len(rollouts)]) for number in range(count)]
        objects = self.scene.folder / "pods.jsonl"
        objects.write_text("\n".join(map(json.dumps, pods)), encoding="utf-8")
        order = Order(
            port=urlsplit(self.cluster.url).port or 0,
            ca=str(self.cluster.files.ca),
            token=self.cluster.users["admin"].token,
            path=f"/api/v1/namespaces/{namespace}/pods",
            objects=str(objects),
            connections=connections,
        )
        file = self.scene.folder / "order.json"
        file.write_text(json.dumps(asdict(order)), encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, str(HERE / "creating.py"), str(file)],
            stdout=subprocess.PIPE,
            timeout=CREATE_SECONDS,
            check=True,
        )
        return Created(**json.loads(ended.stdout))

    def clear(self) -> None:
        """Delete all Pods of both namespaces, at once."""
        for namespace in (GUARDED, OPEN):
            path = f"/api/v1/namespaces/{namespace}/pods"
            self.cluster.request("DELETE", f"{path}?gracePeriodSeconds=0", timeout_seconds=60.0)

            def is_empty(path: str = path) -> bool:
                return not self.cluster.request("GET", f"{path}?limit=1").body["items"]

            wait_until(is_empty, within_seconds=GONE_SECONDS, what=f"no Pods in {namespace}")

    def seconds_to_scale(self, namespace: str) -> float:
        """Return how long the controllers take from none of a Deployment's Pods to all."""
        number = next(self._numbers)
        deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        made = _deployment(f"scaled-{number}", self._rollouts(namespace)[0])
        answer = self.cluster.request("POST", deployments, made)
        if answer.status != CREATED:
            raise RuntimeError(f"not created: {answer}")
        path = f"{deployments}/scaled-{number}"
        self._wait_for_replicas(path, 0, "observedGeneration", 1)
        began = time.perf_counter()
        self.cluster.request(
            "PATCH",
            path,
            {"spec": {"replicas": PODS}},
            content_type="application/merge-patch+json",
        )
        self._wait_for_replicas(path, PODS, "replicas", PODS)
        seconds = time.perf_counter() - began
        self.cluster.request("DELETE", path)
        self.clear()
        return seconds

    def _wait_for_replicas(self, path: str, wanted: int, field: str, value: int) -> None:
        deadline = time.monotonic() + SCALED_SECONDS
        while self.cluster.request("GET", path).body.get("status", {}).get(field) != value:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: not {wanted} replicas within {SCALED_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _rollouts(self, namespace: str) -> list[Rollout]:
        return [
            Rollout(each.name, namespace, each.images, each.pull_secret)
            for each in self.scene.rollouts
        ]

    def _pod(self, rollout: Rollout) -> dict[str, Any]:
        """Return a Pod as somebody would post it, under a name that no other has."""
        pod = rollout.pod(next(self._numbers))
        kept = {k: v for k, v in pod["metadata"].items() if k not in GIVEN_BY_THE_API_SERVER}
        kept["name"] = f"{rollout.name}-{next(self._numbers)}"
        spec = {k: v for k, v in pod["spec"].items() if k not in {"priority", "preemptionPolicy"}}
        return {"kind": "Pod", "apiVersion": "v1", "metadata": kept, "spec": spec}


def _deployment(name: str, rollout: Rollout) -> dict[str, Any]:
    pod = rollout.pod(0)
    labels = {"app": name}
    spec = {k: v for k, v in pod["spec"].items() if k not in {"priority", "preemptionPolicy"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": rollout.namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def measure_end_to_end(scene: Scene) -> Iterator[Figure]:
    """Yield rates and latencies of Pods that are created, and the time that scaling takes."""
    world = EndToEnd(scene)
    for connections in CONNECTIONS:
        sides = in_turns(
            ROUNDS,
            partial(world.create, GUARDED, PODS // ROUNDS, connections),
            partial(world.create, OPEN, PODS // ROUNDS, connections),
        )
        world.clear()
        at = f"{connections} connection" + ("s" if connections > 1 else "")
        for what, unit, field in (("Pods created", "1/s", "per_second"), ("p50", "ms", "p50")):
            ours, theirs = (tuple(getattr(each, field) for each in side) for side in sides)
            note = f"{PODS} Pods on each side" if field == "per_second" else ""
            name = f"{what}, the webhook / without, {at}"
            yield Figure("cluster", name, unit, ours, theirs, None, note)
    guarded, unguarded = in_turns(
        SCALE_ROUNDS,
        partial(world.seconds_to_scale, GUARDED),
        partial(world.seconds_to_scale, OPEN),
    )
    name = f"Deployment to {PODS}, the webhook / without"
    yield Figure("cluster", name, "s", tuple(guarded), tuple(unguarded))
