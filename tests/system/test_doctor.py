"""`landwaiter doctor` on a real cluster: a healthy install, and one with much wrong with it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.manifests import run
from realparts.balancer import Balancer
from realparts.control_plane import ControlPlane
from realparts.guard import NAME, RBAC, SECRET, Guard
from realparts.landwaiter import CONFIGURATIONS, NAMESPACE
from realparts.processes import free_port
from realparts.registries import CraneRegistry
from system.objects import A_TAG, Kind, a_pod, pod_spec, pods_of
from system.test_real_cluster_view import kubeconfig
from system.test_webhook_objects import DENIES, VALIDATE

DAEMON_SET = Kind(
    "DaemonSet", "apps/v1", "daemonsets", more={"selector": {"matchLabels": {"app": "web"}}}
)


@pytest.fixture
def cluster(guarded_cluster: ControlPlane) -> ControlPlane:
    return guarded_cluster


@pytest.fixture
def guard(cluster: ControlPlane, tmp_path: Path) -> Iterator[Guard]:
    """Give an install that is up and armed."""
    with Balancer() as balancer:
        guard = Guard(tmp_path, cluster, balancer, policies=DENIES)
        guard.install()
        guard.start()
        guard.wait_until_armed(VALIDATE)
        yield guard
        guard.clear()


def diagnosed(config: Path, *arguments: str) -> tuple[int, list[tuple[str, str]], dict[str, str]]:
    """Return the exit code, the ids and objects of all findings, and what was not looked at."""
    result = run(
        "doctor",
        f"--kubeconfig={config}",
        f"--webhook-name={NAME}",
        f"--own-namespace={NAMESPACE}",
        f"--tls-secret={SECRET}",
        "--output=json",
        *arguments,
    )
    assert "" == result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return (
        result.exit_code,
        [(each["id"], each["about"]) for each in report["findings"]],
        {each["what"]: each["why"] for each in report["unknown"]},
    )


def test_a_healthy_install_has_no_problem(
    guard: Guard, cluster: ControlPlane, tmp_path: Path, plain_registry: CraneRegistry
) -> None:
    """As an admin sees it; and its own account has all its rights, and may not look at all."""
    registries = tmp_path / "registries.yaml"
    registries.write_text(f"registries: [{{host: '{plain_registry.host}', plainHTTP: true}}]")
    folder = guard.replicas[0].folder / "policies"
    as_admin = diagnosed(
        kubeconfig(cluster, tmp_path, "admin"),
        f"--policies={folder}",
        f"--registries={registries}",
    )
    code, findings, unknown = diagnosed(guard.replicas[0].folder / "kubeconfig")

    assert (0, [], {}) == as_admin
    assert (3, []) == (code, findings)
    assert {
        "daemonsets.apps",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "pods",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    } == set(unknown)


def test_everything_that_is_wrong_is_found(
    guard: Guard, cluster: ControlPlane, tmp_path: Path
) -> None:
    """At once, each with its object."""
    networking = cluster.new_namespace(prefix="networking")
    cluster.request(
        "POST",
        DAEMON_SET.collection(networking),
        DAEMON_SET.holding(pod_spec(f"{A_TAG}@sha256:{'a' * 64}", hostNetwork=True), name="cni"),
    )
    cluster.request("POST", pods_of(NAMESPACE), a_pod(A_TAG, name="stranger"))
    client = {"url": "https://127.0.0.1:1/"}
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    webhook = {
        "name": "w.example.com",
        "clientConfig": client,
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
    }
    path = CONFIGURATIONS.replace("validating", "mutating")
    other = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "other"},
        "webhooks": [webhook],
    }
    cluster.request("POST", path, other)
    dead = free_port()
    (tmp_path / "registries.yaml").write_text(f"registries: [{{host: '127.0.0.1:{dead}'}}]")
    try:
        code, findings, unknown = diagnosed(
            kubeconfig(cluster, tmp_path, "admin"),
            "--exclude-namespace=gone",
            "--webhook-timeout-seconds=20",
            f"--registries={tmp_path / 'registries.yaml'}",
        )
    finally:
        cluster.request("DELETE", f"{path}/other")
        cluster.request("DELETE", pods_of(NAMESPACE, "stranger"))
        cluster.request("DELETE", f"/api/v1/namespaces/{networking}")

    named = f"webhook {VALIDATE}"
    assert (1, {}) == (code, unknown)
    assert [
        ("timeoutsDisagree", named),
        ("namespacesDisagree", named),
        ("coldStart", f"DaemonSet {networking}/cni"),
        ("ownNamespaceShared", f"Pod {NAMESPACE}/stranger"),
        ("othersGuardUs", "MutatingWebhookConfiguration other: w.example.com"),
        ("registryUnreachable", f"registry 127.0.0.1:{dead}"),
        ("leftOutNeedlessly", "namespace gone"),
        ("changesPods", "MutatingWebhookConfiguration other: w.example.com"),
    ] == findings


def test_rights_an_open_door_and_an_idle_lease(
    guard: Guard, cluster: ControlPlane, tmp_path: Path
) -> None:
    """What the account of the install lacks is named, and what has gone wrong since."""
    config = guard.replicas[0].folder / "kubeconfig"
    account = tmp_path / "account"
    account.write_bytes(config.read_bytes())
    cluster.kubectl("delete", "role", NAME, f"--namespace={NAMESPACE}")
    _, findings, _ = diagnosed(account)
    guard.clear()
    as_admin = diagnosed(kubeconfig(cluster, tmp_path, "admin"))

    tls = f'secrets "{SECRET}" in namespace {NAMESPACE}'
    missing = {about for word, about in findings if word == "missingRight"}
    assert {
        f'get roles.{RBAC} "{NAME}" in namespace {NAMESPACE}',
        f"create secrets in namespace {NAMESPACE}",
        f"list {tls}",
        f"watch {tls}",
        f"update {tls}",
    } == missing
    assert (
        1,
        [("doorOpen", f"ClusterRole {NAME}"), ("nobodyWrites", f"Lease {NAMESPACE}/{NAME}")],
        {},
    ) == as_admin


def test_a_cluster_that_does_not_answer_is_unknown(cluster: ControlPlane, tmp_path: Path) -> None:
    """It is one thing that is not known, and not thirty; a kubeconfig of nothing is bad input."""
    document = json.loads(cluster.files.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
    nowhere = tmp_path / "nowhere"
    nowhere.write_text(json.dumps(document))
    code, findings, unknown = diagnosed(nowhere)

    assert (3, [], ["the cluster"]) == (code, findings, list(unknown))
    (tmp_path / "junk").write_text("junk")
    result = run(
        "doctor", f"--kubeconfig={tmp_path / 'junk'}", "--webhook-name=a", "--own-namespace=b"
    )
    assert (2, True) == (result.exit_code, "no usable configuration" in result.stderr)
