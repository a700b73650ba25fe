"""Policies that are objects of a real cluster: in force at once, told of, and never lost."""

import json
import re
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from landwaiter.policy.crd import RESOURCE_KINDS, definition_of
from realparts.control_plane import ControlPlane
from realparts.landwaiter import NAMESPACE, Landwaiter
from realparts.processes import wait_until
from system.installation import Installation
from system.objects import A_PINNED_IMAGE, A_TAG, a_pod

REFUSED, ADMITTED, CREATED, OK = 403, 201, 201, 200
IN_FORCE_SECONDS = 2.0
GROUP = "/apis/landwaiter.dev/v1alpha1"
POLICIES = f"{GROUP}/clusterimagepolicies"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/landwaiter-policies"
DIGEST = {"pinnedTags": {"require": "digest"}}


def a_document(name: str, rules: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": name},
        "spec": {"validationActions": ["Deny"], "rules": rules or DIGEST, **spec},
    }


def in_namespace(namespace: str, document: dict[str, Any], kind: str) -> dict[str, Any]:
    changed = deepcopy(document)
    changed["kind"] = kind
    changed["metadata"]["namespace"] = namespace
    return changed


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a cluster that knows the kinds of documents, and forgets them again."""
    text = "---\n".join(yaml.safe_dump(definition_of(each)) for each in RESOURCE_KINDS)
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    for each in RESOURCE_KINDS:
        control_plane.kubectl(
            "wait", "--for=condition=Established", "--timeout=30s", f"crd/{each.name}"
        )
    yield control_plane
    control_plane.kubectl("delete", "crd", *(each.name for each in RESOURCE_KINDS))


def a_replica(folder: Path, cluster: ControlPlane) -> Landwaiter:
    """Return a Landwaiter that takes its policies from the cluster alone."""
    return Landwaiter(
        folder,
        policies=None,
        cluster=cluster,
        arguments=[
            "--policies-from-cluster",
            f"--own-namespace={NAMESPACE}",
            f"--last-good-set={NAMESPACE}/last-good",
        ],
    )


@pytest.fixture
def landwaiter(tmp_path: Path, cluster: ControlPlane) -> Iterator[Landwaiter]:
    """Give a Landwaiter that takes its policies from the cluster alone."""
    landwaiter = a_replica(tmp_path / "landwaiter", cluster)
    yield landwaiter
    landwaiter.stop()
    cluster.request("DELETE", LEASE)  # Its holder was killed, and the next one would wait for it.
    for each in RESOURCE_KINDS:
        cluster.kubectl("delete", each.plural, "--all", "--all-namespaces", check=False)


def condition(cluster: ControlPlane, path: str, kind: str) -> str | None:
    """Return the status of a condition of a document."""
    status = cluster.request("GET", path).body.get("status") or {}
    found = [each["status"] for each in status.get("conditions", []) if each["type"] == kind]
    return found[0] if found else None


def notes(cluster: ControlPlane, path: str) -> list[str]:
    """Return what Events say about documents that do not load."""
    items = cluster.request("GET", path).body["items"]
    return [each["note"] for each in items if each["reason"] == "NotLoaded"]


def is_refused_by(installation: Installation, namespace: str, policy: str) -> bool:
    answer = installation.dry_run(namespace, a_pod(A_TAG))
    message = " ".join(str(answer.body.get("message", "")).split())
    named = re.search(r"\(polic(?:y|ies) ([^)]*)\)", message)
    return answer.status == REFUSED and named is not None and policy in named[1].split(", ")


def test_a_document_is_in_force_within_two_seconds_and_says_so(
    landwaiter: Landwaiter, cluster: ControlPlane
) -> None:
    """Created, changed and deleted; its status tells that it is in force, and kubectl shows it."""
    cluster.request("POST", POLICIES, a_document("first"))
    landwaiter.start()
    installation = Installation(cluster, landwaiter)
    installation.register()
    namespace = installation.namespace("none")
    at_the_start = is_refused_by(installation, namespace, "first")
    cluster.request("POST", POLICIES, a_document("second"))
    began = time.monotonic()
    wait_until(
        lambda: is_refused_by(installation, namespace, "second"), within_seconds=10, what="second"
    )
    seconds = time.monotonic() - began
    for name in ("first", "second"):
        cluster.request("DELETE", f"{POLICIES}/{name}")
    wait_until(
        lambda: installation.dry_run(namespace, a_pod(A_TAG)).status == ADMITTED,
        within_seconds=IN_FORCE_SECONDS,
        what="the deletion",
    )
    cluster.request("POST", POLICIES, a_document("third"))
    wait_until(
        lambda: condition(cluster, f"{POLICIES}/third", "Warning") == "False",
        within_seconds=15,
        what="the status",
    )
    counts = cluster.request("GET", f"{POLICIES}/third").body["status"]["counts"]
    shown = cluster.kubectl("get", "cip", "third").stdout.splitlines()
    explained = cluster.kubectl("explain", "clusterimagepolicy.spec.rules.pinnedTags.require")

    assert at_the_start
    assert seconds < IN_FORCE_SECONDS
    assert ["NAME", "ACTIONS", "RULES", "READY", "AGE"] == shown[0].split()
    assert ["third", '["Deny"]', '["pinnedTags"]', "True"] == shown[1].split()[:4]
    assert {"rules": 1, "exceptions": 0, "warnings": 0} == counts
    assert "What every image must have" in explained.stdout


def test_a_change_is_in_force_in_every_replica_within_two_seconds(
    landwaiter: Landwaiter, cluster: ControlPlane, tmp_path: Path
) -> None:
    """Each watches for itself, and needs no other one for it."""
    with a_replica(tmp_path / "other", cluster) as other:
        landwaiter.start()
        for change, count in (("POST", 1), ("DELETE", 0)):
            path, body = (POLICIES, a_document("both")) if count else (f"{POLICIES}/both", None)
            cluster.request(change, path, body)
            wait_until(
                lambda count=count: all(  # type: ignore[misc]  # It is called in the same turn.
                    each.metric("landwaiter_policies") == count for each in (landwaiter, other)
                ),
                within_seconds=IN_FORCE_SECONDS,
                what=f"{count} policies in each replica",
            )


def test_semantics_22_a_broken_document_leaves_the_last_good_one_in_force_through_a_restart(
    landwaiter: Landwaiter, cluster: ControlPlane
) -> None:
    """It judges on, its status says field and reason, and a new process starts from it."""
    cluster.request("POST", POLICIES, a_document("careful"))
    landwaiter.start()
    installation = Installation(cluster, landwaiter)
    installation.register()
    namespace = installation.namespace("none")
    kept = f"/api/v1/namespaces/{NAMESPACE}/configmaps/last-good-cluster"
    wait_until(
        lambda: cluster.request("GET", kept).status == OK, within_seconds=10, what="what is kept"
    )
    path = f"{POLICIES}/careful"
    broken = {"rules": {"allowedRegistries": {"allow": ["nginx"]}, "pinnedTags": None}}
    change = {"spec": broken}
    answer = cluster.request("PATCH", path, change, content_type="application/merge-patch+json")
    assert OK == answer.status, answer
    wait_until(
        lambda: condition(cluster, path, "Degraded") == "True", within_seconds=15, what="status"
    )
    events = "/apis/events.k8s.io/v1/namespaces/default/events"
    wait_until(lambda: bool(notes(cluster, events)), within_seconds=15, what="the Event")
    before = is_refused_by(installation, namespace, "careful")
    landwaiter.restart()
    after = is_refused_by(installation, namespace, "careful")
    status = cluster.request("GET", path).body["status"]
    (degraded,) = [each for each in status["conditions"] if each["type"] == "Degraded"]

    assert (True, True) == (before, after)
    assert "field spec.rules.allowedRegistries.allow[0]" in degraded["message"]
    assert 1 == landwaiter.metric("landwaiter_policies_degraded", source="cluster")
    assert 2 == status["observedGeneration"]
    assert [degraded["message"]] == notes(cluster, events)


def test_a_namespace_adds_restrictions_to_itself_alone(
    landwaiter: Landwaiter, cluster: ControlPlane
) -> None:
    """An ImagePolicy judges its namespace, and no other."""
    landwaiter.start()
    installation = Installation(cluster, landwaiter)
    installation.register()
    own, other = installation.namespace("none"), installation.namespace("none")
    document = in_namespace(own, a_document("strict"), "ImagePolicy")
    path = f"{GROUP}/namespaces/{own}/imagepolicies"
    assert CREATED == cluster.request("POST", path, document).status
    wait_until(
        lambda: is_refused_by(installation, own, f"{own}/strict"),
        within_seconds=IN_FORCE_SECONDS,
        what="the policy of the namespace",
    )

    assert ADMITTED == installation.dry_run(other, a_pod(A_TAG)).status
    assert ADMITTED == installation.dry_run(own, a_pod(A_PINNED_IMAGE)).status


def test_an_exception_is_the_cluster_s_in_landwaiter_s_namespace_alone(
    landwaiter: Landwaiter, cluster: ControlPlane
) -> None:
    """There it lifts a finding elsewhere; in a namespace it needs the switch, and says so."""
    landwaiter.start()
    installation = Installation(cluster, landwaiter)
    installation.register()
    namespace = installation.namespace("none")
    cluster.request("POST", POLICIES, a_document("pinned"))
    wait_until(
        lambda: is_refused_by(installation, namespace, "pinned"), within_seconds=10, what="policy"
    )
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    exception = {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ImagePolicyException",
        "metadata": {"name": "incident"},
        "spec": {
            "policies": [{"name": "pinned", "rules": ["pinnedTags"]}],
            "images": ["registry.example.com/team"],
            "namespaces": [namespace],
            "requestedBy": "alice",
            "reason": "incident 7",
            "expires": expires,
        },
    }
    theirs = f"{GROUP}/namespaces/{namespace}/imagepolicyexceptions"
    ours = f"{GROUP}/namespaces/{NAMESPACE}/imagepolicyexceptions"
    cluster.request("POST", theirs, in_namespace(namespace, exception, "ImagePolicyException"))
    wait_until(
        lambda: condition(cluster, f"{theirs}/incident", "Ready") == "False",
        within_seconds=15,
        what="the status of the exception that is not allowed",
    )
    refused = is_refused_by(installation, namespace, "pinned")
    cluster.request("POST", ours, in_namespace(NAMESPACE, exception, "ImagePolicyException"))
    wait_until(
        lambda: installation.dry_run(namespace, a_pod(A_TAG)).status == ADMITTED,
        within_seconds=IN_FORCE_SECONDS,
        what="the exception",
    )
    problem = cluster.request("GET", f"{theirs}/incident").body["status"]["conditions"]
    wait_until(
        lambda: condition(cluster, f"{ours}/incident", "Ready") == "True",
        within_seconds=15,
        what="the status of the exception",
    )
    shown = cluster.kubectl("get", "imgexc", "-n", NAMESPACE, "incident").stdout.splitlines()
    counts = [{"rules": 1, "exceptions": 1, "warnings": 0}, {"policies": 1}]
    wait_until(  # The warnings of a policy are counted a moment after the policy is in force.
        lambda: (
            counts
            == [
                cluster.request("GET", path).body["status"]["counts"]
                for path in (f"{POLICIES}/pinned", f"{ours}/incident")
            ]
        ),
        within_seconds=15,
        what=f"the counts {counts}",
    )

    assert refused
    assert "--namespaced-exceptions" in json.dumps(problem)
    assert ["incident", '["pinned"]' if '"' in shown[1] else "pinned", "alice", expires] == (
        shown[1].split()[:4]
    )
