"""
What `landwaiter check --from-cluster` costs on a large cluster: time, memory, requests.

    python tests/bench/from_cluster.py [PODS [DEPLOYMENTS]]

Fills a real control plane with 500 Deployments and their 5,000 Pods in fifty namespaces, and
judges all of it by two policies, one of which selects by labels of namespaces; no registry is
asked. It takes a minute or two, most of it to make the Pods, so `make bench` does not run it.
"""

import json
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from realparts.control_plane import ControlPlane
from realparts.processes import run, wait_until

NAMESPACES = 50
FILLING_SECONDS = 1800.0
CHECK_SECONDS = 600.0
CREATED = 201
POLICIES = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: digests}
spec:
  validationActions: [Deny]
  match: {namespaceSelector: {matchLabels: {env: production}}}
  rules: {pinnedTags: {require: digest}}
---
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: registries}
spec:
  validationActions: [Warn]
  rules: {allowedRegistries: {allow: ["127.0.0.1:9"]}}
"""


def a_deployment(name: str, namespace: str, replicas: int) -> dict[str, object]:
    labels = {"app": name}
    sidecar = {"name": "proxy", "image": f"quay.io/mesh/proxy@sha256:{'a' * 64}"}
    app = {"name": "app", "image": f"127.0.0.1:9/shop/{name}:1.0"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [app, sidecar]}},
        },
    }


def fill(cluster: ControlPlane, pods: int, deployments: int) -> None:
    """Create namespaces and Deployments, and wait until every Pod is there."""
    environments = ("production", "test")
    for number in range(NAMESPACES):
        labels = {"env": environments[number % 2]}
        cluster.create_namespace(f"team-{number}", labels=labels)

    def create(number: int) -> None:
        namespace = f"team-{number % NAMESPACES}"
        replicas = pods // deployments + (number < pods % deployments)
        content = a_deployment(f"app-{number}", namespace, replicas)
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        answer = cluster.request("POST", path, content)
        if answer.status != CREATED:
            raise RuntimeError(f"not created: {answer}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(create, range(deployments)))

    def is_full() -> bool:
        page = cluster.request("GET", "/api/v1/pods?limit=1").body
        return bool(page["metadata"].get("remainingItemCount", 0) + 1 >= pods)

    wait_until(is_full, within_seconds=FILLING_SECONDS, what=f"{pods} Pods")


def main(pods: int, deployments: int) -> None:
    """Fill a cluster, check it, and print what that cost."""
    with tempfile.TemporaryDirectory(prefix="landwaiter-bench-") as name:
        folder = Path(name)
        (folder / "policies").mkdir()
        (folder / "policies" / "p.yaml").write_text(POLICIES, encoding="utf-8")
        with ControlPlane(folder / "cluster") as cluster:
            began = time.monotonic()
            fill(cluster, pods, deployments)
            print(f"{pods} Pods of {deployments} Deployments made in", end=" ")
            print(f"{time.monotonic() - began:.0f} s")
            measure(cluster, folder)


def measure(cluster: ControlPlane, folder: Path) -> None:
    """Run the check as a process of its own, and print its cost."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    ended = run(
        [
            *(sys.executable, "-m", "landwaiter", "check", "--from-cluster", "--output=json"),
            *("--policies=policies", f"--kubeconfig={cluster.files.kubeconfig}"),
            "--context=admin",
        ],
        environment={"HOME": str(folder), "PATH": os.defpath},
        timeout_seconds=CHECK_SECONDS,
        directory=folder,
        check=False,
    )
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode != 1:
        raise RuntimeError(f"exit {ended.returncode}: {ended.stderr}")
    found = json.loads(ended.stdout)
    told = sum(1 + sum(each["alike"].values()) for each in found)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(ended.stderr.splitlines()[-1].removeprefix("landwaiter: "))
    print(f"{told} objects with findings told in {len(found)} entries")
    print(f"{wall:.1f} s wall, {cpu:.1f} s CPU, {largest_child_mib():.0f} MiB at most")


def largest_child_mib() -> float:
    """Return the largest resident memory of any process that has ended and been waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    arguments = [int(each) for each in sys.argv[1:]]
    main(*(arguments + [5000, 500][len(arguments) :])[:2])
