"""`landwaiter check --from-cluster` tells what policies would refuse of what is running."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from realparts.control_plane import ControlPlane
from realparts.processes import run, wait_until
from system.objects import (
    A_PINNED_IMAGE,
    DEPLOYMENT,
    TEMPLATE_KINDS,
    a_pod,
    pod_spec,
    pods_of,
)

CHECK_SECONDS = 120.0
CREATED = 201
REPLICAS = 520
"""More than one page of a list."""

HOST = "127.0.0.1:9"
"""A registry that the policies allow, and that is not there: nothing is to be looked up."""

IMAGE = f"{HOST}/team/app:1.0"
ACCOUNT = "candidates"
READING = {
    "": ["pods", "podtemplates", "replicationcontrollers", "namespaces"],
    "apps": ["deployments", "statefulsets", "daemonsets", "replicasets"],
    "batch": ["jobs", "cronjobs"],
}
POLICIES = f"""
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {{name: digests}}
spec:
  validationActions: [Deny]
  match: {{namespaceSelector: {{matchLabels: {{env: production}}}}}}
  rules: {{pinnedTags: {{require: digest}}}}
---
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {{name: warned}}
spec:
  validationActions: [Warn, Audit]
  rules: {{allowedRegistries: {{allow: ["{HOST}", registry.example.com]}}}}
---
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {{name: content}}
spec:
  validationActions: [Audit]
  rules: {{pinnedTags: {{require: fixedTag}}}}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A namespace full of objects, and what asks about it with reading rights only."""

    namespace: str
    check: Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def created(cluster: ControlPlane, path: str, content: dict[str, Any]) -> dict[str, Any]:
    answer = cluster.request("POST", path, content)
    assert CREATED == answer.status, answer
    return answer.body


def an_account(cluster: ControlPlane, folder: Path) -> Path:
    """Return the kubeconfig of an account that may get and list, and nothing else."""
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [each], "resources": resources, "verbs": ["get", "list"]}
        for each, resources in READING.items()
    ]
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "default"}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": ACCOUNT}
    items = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT},
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": role,
            "subjects": [subject],
        },
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    cluster.kubectl("apply", "--namespace=default", "-f", "-", stdin=json.dumps(listed))
    token = cluster.kubectl("create", "token", ACCOUNT, "--namespace=default").stdout.strip()
    shown = cluster.kubectl("config", "view", "--raw", "--output=json").stdout
    configuration = json.loads(shown)
    cluster_name = configuration["contexts"][0]["context"]["cluster"]
    configuration["users"] = [{"name": ACCOUNT, "user": {"token": token}}]
    configuration["contexts"] = [
        {"name": ACCOUNT, "context": {"cluster": cluster_name, "user": ACCOUNT}},
        {"name": "nobody", "context": {"cluster": cluster_name, "user": "nobody"}},
    ]
    configuration["current-context"] = "nobody"
    file = folder / "kubeconfig"
    file.write_text(json.dumps(configuration), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a cluster to fill that other tests do not look at."""
    with ControlPlane(tmp_path_factory.mktemp("crowded")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def running(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """Give a namespace with some hundred Pods, and an object of every kind."""
    folder = tmp_path_factory.mktemp("from-cluster")
    (folder / "policies").mkdir()
    (folder / "policies" / "p.yaml").write_text(POLICIES)
    kubeconfig = an_account(cluster, folder)
    namespace = cluster.new_namespace(prefix="running", labels={"env": "production"})
    fill(cluster, namespace)

    def check(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return run(
            [
                *(sys.executable, "-m", "landwaiter", "check", "--from-cluster"),
                *("--policies=policies", f"--kubeconfig={kubeconfig}", *arguments),
            ],
            environment={"HOME": str(folder), "PATH": os.defpath},
            timeout_seconds=CHECK_SECONDS,
            directory=folder,
            check=False,
        )

    return Running(namespace, check)


def fill(cluster: ControlPlane, namespace: str) -> None:
    """Create a large Deployment, one Pod that something has changed, and each other kind."""
    labels = {"app": "many"}
    many = DEPLOYMENT.holding(
        pod_spec(IMAGE),
        name="many",
        labels=labels,
        selector={"matchLabels": labels},
        replicas=REPLICAS,
    )
    created(cluster, DEPLOYMENT.collection(namespace), many)
    for kind in TEMPLATE_KINDS:
        if kind is not DEPLOYMENT:
            once = {"restartPolicy": "Never"} if kind.name in {"Job", "CronJob"} else {}
            idle = kind.holding(pod_spec(A_PINNED_IMAGE, **once))
            if kind.name in {"StatefulSet", "ReplicaSet", "ReplicationController"}:
                idle["spec"]["replicas"] = 0
            if kind.name == "Job":
                idle["spec"]["suspend"] = True
            created(cluster, kind.collection(namespace), idle)
    elsewhere = a_pod("quay.io/somebody/tool:1", name="elsewhere")
    elsewhere["metadata"]["labels"] = {}  # Nothing adopts it, or deletes it as one too many.
    created(cluster, pods_of(namespace), elsewhere)
    path = pods_of(namespace)

    def all_there() -> bool:
        many = cluster.request("GET", f"{DEPLOYMENT.collection(namespace)}/many").body
        return bool(many.get("status", {}).get("replicas", 0) == REPLICAS)

    wait_until(all_there, within_seconds=CHECK_SECONDS, what=f"{REPLICAS} Pods")
    pods = cluster.request("GET", f"{path}?labelSelector=app%3Dmany&limit=1").body["items"]
    (container,) = pods[0]["spec"]["containers"]
    changed = {"name": container["name"], "image": "quay.io/somebody/tool:2"}
    change = {"spec": {"containers": [changed]}}
    name = pods[0]["metadata"]["name"]
    answer = cluster.request(
        "PATCH",
        f"{path}/{name}",
        change,
        content_type="application/strategic-merge-patch+json",
    )
    assert 200 == answer.status, answer


@pytest.fixture(scope="module")
def ended(running: Running) -> subprocess.CompletedProcess[str]:
    """Give the report for people on the namespace."""
    return running.check([f"--context={ACCOUNT}", f"--namespace={running.namespace}"])


def test_what_each_policy_would_refuse_is_told(
    running: Running, ended: subprocess.CompletedProcess[str]
) -> None:
    """Pods are told once with their owner; what somebody has changed is told apart."""
    namespace = running.namespace
    report = re.sub(r"many-[a-z0-9]+-[a-z0-9]+", "many-POD", ended.stdout)

    def of_pod(name: str, tag: str) -> str:
        return f"""
Pod {namespace}/{name}: refused
The image in Pod {namespace}/{name} is refused:

spec.containers[0].image (container c0): quay.io/somebody/tool:{tag}
  ✗ pinnedTags (policy digests): tag "{tag}" can be moved to another image at any time; a digest is
    wanted
    → add the digest of the image: NAME:TAG@sha256:...
  ✗ allowedRegistries (policy warned): quay.io/somebody/tool:{tag} is not allowed; wanted: {HOST},
    registry.example.com
    → copy the image to one of these places, or ask the cluster's admin
"""

    assert (
        f"""\
Deployment {namespace}/many, and 1 ReplicaSet, {REPLICAS - 1} Pods of it: refused
The image in Deployment {namespace}/many is refused:

spec.template.spec.containers[0].image (container c0): {IMAGE}
  ✗ pinnedTags (policy digests): tag "1.0" can be moved to another image at any time; a digest is
    wanted
    → add the digest of the image: NAME:TAG@sha256:...
{of_pod("elsewhere", "1")}{of_pod("many-POD", "2")}
policy digests [Deny]: would refuse 1 Deployment, 1 ReplicaSet, {REPLICAS + 1} Pods, in 1 namespace
policy warned [Warn, Audit]: would refuse 2 Pods, in 1 namespace
policy content [Audit]: nothing to refuse
{REPLICAS + 10} objects judged: 7 admitted, {REPLICAS + 3} refused, 0 undecided by the policies as \
they are
"""
        == report
    )
    assert 1 == ended.returncode


def test_progress_is_on_standard_error_and_requests_are_few(
    ended: subprocess.CompletedProcess[str],
) -> None:
    """A list a kind, a page more for so many Pods, and one question about the namespace."""
    lines = ended.stderr.splitlines()
    total = re.fullmatch(
        r"landwaiter: (\d+) objects in [\d.]+ s, (\d+) requests to the API server", lines[-1]
    )

    assert [
        "landwaiter: deployments: 1 judged",
        "landwaiter: statefulsets: 1 judged",
        "landwaiter: daemonsets: 1 judged",
        "landwaiter: replicationcontrollers: 1 judged",
        "landwaiter: cronjobs: 1 judged",
        "landwaiter: podtemplates: 1 judged",
        "landwaiter: replicasets: 2 judged",
        "landwaiter: jobs: 1 judged",
        "landwaiter: pods: 500 judged",
        f"landwaiter: pods: {REPLICAS + 1} judged",
    ] == lines[:-1]
    assert total is not None
    assert (str(REPLICAS + 10), "11") == total.groups()


def test_other_programs_read_the_groups(running: Running) -> None:
    """The JSON has an entry a group, in the form of the offline check."""
    ended = running.check(
        [f"--context={ACCOUNT}", f"--namespace={running.namespace}", "--output=json"]
    )
    found = json.loads(ended.stdout)

    assert [
        ("cluster", None, "Deployment", "deny", {"ReplicaSet": 1, "Pod": REPLICAS - 1}, [None]),
        ("cluster", None, "Pod", "deny", {}, [None]),
        ("cluster", None, "Pod", "deny", {}, [None]),
    ] == [
        (
            *(each["source"], each["line"], each["kind"], each["decision"], each["alike"]),
            [image["line"] for image in each["images"]],
        )
        for each in found
    ]


def test_all_namespaces_are_judged_where_none_is_given(
    cluster: ControlPlane, running: Running
) -> None:
    """Nothing of the cluster is left out."""
    other = cluster.new_namespace(prefix="other", labels={"env": "test"})
    created(cluster, pods_of(other), a_pod("quay.io/somebody/tool:1"))
    ended = running.check([f"--context={ACCOUNT}", "--output=json"])
    found = json.loads(ended.stdout)

    assert (
        1,
        [
            (running.namespace, "Deployment", "deny"),
            (other, "Pod", "allow"),
            (running.namespace, "Pod", "deny"),
            (running.namespace, "Pod", "deny"),
        ],
    ) == (
        ended.returncode,
        [(each["namespace"], each["kind"], each["decision"]) for each in found],
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--context=missing"], "no usable configuration for the Kubernetes API in "),
        ([], "Landwaiter may not read the list of deployments.apps"),
        ([f"--context={ACCOUNT}", "--namespace=no-such"], 'namespace "no-such" does not exist'),
    ],
)
def test_a_cluster_that_cannot_be_read_is_no_empty_one(
    running: Running, arguments: list[str], said: str
) -> None:
    """Neither a mistyped context, nor missing rights, nor a mistyped namespace ends with 0."""
    ended = running.check(arguments)

    assert (2, "", True) == (ended.returncode, ended.stdout, said in ended.stderr), ended.stderr


def test_nothing_but_reading_is_asked_of_the_api_server(
    cluster: ControlPlane, ended: subprocess.CompletedProcess[str]
) -> None:
    """The account's requests were to get and to list."""
    user = f"system:serviceaccount:default:{ACCOUNT}"
    events = cluster.audit_events(lambda event: event["user"].get("username") == user)

    assert {"get", "list"} == {event["verb"] for event in events}
