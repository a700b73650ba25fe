"""
The offline check of many manifests, as in CI: `landwaiter check` from its start to its end.

Case `check`: Deployments of two containers each, a file a manifest, by the two policies of the full
set that ask no registry. Beside it the same program with a single manifest, which is its start.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figures import Figure, in_turns
from bench.machine import resident_mib
from bench.scene import Scene, full_policy_set

MANIFESTS = 1_000
ROUNDS = 5
CHECK_SECONDS = 300.0
REGISTRY = "registry.example.com"
POLICIES = ("where-from", "pinned")
POLL_SECONDS = 0.02


def manifest(number: int) -> dict[str, object]:
    """Return a Deployment that is in order."""
    labels = {"app": f"web-{number}"}
    containers = [
        {"name": name, "image": f"{REGISTRY}/shop/{name}-{number % 100}@sha256:{number:064x}"}
        for name in ("app", "proxy")
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"web-{number}", "namespace": "shop", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


class Manifests:
    """A folder of manifests, one with a single manifest, and one of policies."""

    def __init__(self, scene: Scene) -> None:
        folder = scene.folder / "offline"
        self.all, self.single, self.policies = (
            folder / name for name in ("all", "one", "policies")
        )
        for each in (self.all, self.single, self.policies):
            each.mkdir(parents=True)
        for number in range(MANIFESTS):
            text = json.dumps(manifest(number), indent=1)
            (self.all / f"{number}.yaml").write_text(text, encoding="utf-8")
        (self.single / "0.yaml").write_text(json.dumps(manifest(0)), encoding="utf-8")
        for policy in full_policy_set(REGISTRY, ""):
            if (name := policy["metadata"]["name"]) in POLICIES:
                policy["spec"]["match"] = {}
                (self.policies / f"{name}.yaml").write_text(json.dumps(policy), encoding="utf-8")
        self._home = folder

    def check(self, folder: Path) -> tuple[float, float]:
        """Return the seconds that a check takes, and the most memory in MiB; all is in order."""
        command = [sys.executable, "-m", "landwaiter", "check", f"--policies={self.policies}"]
        began = time.perf_counter()
        most = 0.0
        with subprocess.Popen(
            [*command, str(folder)],
            env={"HOME": str(self._home), "PATH": os.defpath},
            stdout=subprocess.DEVNULL,
        ) as process:
            while process.poll() is None:
                most = max(most, _resident(process.pid))
                time.sleep(POLL_SECONDS)
        if process.returncode:
            raise RuntimeError(f"the check ended with {process.returncode}")
        return time.perf_counter() - began, most


def measure_check(scene: Scene) -> Iterator[Figure]:
    """Yield what a thousand manifests take, beside a single one."""
    manifests = Manifests(scene)
    many, one = in_turns(
        ROUNDS,
        partial(manifests.check, manifests.all),
        partial(manifests.check, manifests.single),
    )
    for what, unit, at in (("time", "s", 0), ("memory at most", "MiB", 1)):
        yield Figure(
            "check",
            f"{what}, {MANIFESTS:,} manifests / 1",
            unit,
            tuple(each[at] for each in many),
            tuple(each[at] for each in one),
        )


def _resident(pid: int) -> float:
    try:
        return resident_mib(pid)
    except (OSError, ValueError):  # It has just ended.
        return 0.0
