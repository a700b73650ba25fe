"""
Landwaiter under the API server of each minor: what is judged, and what of it is kept.

Images, webhook object, certificate, documents and the last good set are the same everywhere; what a
version lacks is made up for by the handler.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from landwaiter.cluster.version import ServerVersion
from landwaiter.policy.crd import RESOURCE_KINDS, definition_of
from realparts.api_client import Answer
from realparts.balancer import Balancer
from realparts.control_plane import ControlPlane
from realparts.guard import LEASE, OBJECT, SECRET, SECRETS, Guard
from realparts.landwaiter import NAMESPACE
from realparts.pins import numbers_of
from realparts.processes import wait_until
from system.installation import a_policy, documents
from system.objects import (
    A_PINNED_IMAGE,
    A_TAG,
    ANOTHER_TAG,
    DEPLOYMENT,
    JOB,
    a_pod,
    pod_spec,
    pods_of,
)
from system.policies import DIGEST
from system.test_doctor import diagnosed
from system.test_real_cluster_view import kubeconfig

VALIDATE = "validate.landwaiter.dev"
POLICIES = "/apis/landwaiter.dev/v1alpha1/clusterimagepolicies"
LAST_GOOD = f"/api/v1/namespaces/{NAMESPACE}/configmaps/last-good-cluster"
EVENTS = "/apis/events.k8s.io/v1/events"
STRATEGIC, MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"
OK, CREATED, FORBIDDEN = 200, 201, 403
SECONDS = 20.0
HELD = {"finalizers": ["example.com/hold"]}
NOT_HELD = {"name": "not-held", "expression": "!has(object.metadata.finalizers)"}
IN_FILES = documents(
    a_policy("pinned", DIGEST),
    a_policy("released", DIGEST, matchConditions=[NOT_HELD]),
)
WITH_CONDITIONS, WITH_IMAGE_VOLUMES = ServerVersion(1, 28), ServerVersion(1, 35)


@pytest.fixture(scope="module")
def version(minor: ControlPlane) -> ServerVersion:
    major, number, _ = numbers_of(minor.version)
    return ServerVersion(major, number)


@pytest.fixture(scope="module")
def guard(minor: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """Give an install with policies in files and in the cluster, and leave nothing of it."""
    definitions = "---\n".join(yaml.safe_dump(definition_of(each)) for each in RESOURCE_KINDS)
    minor.kubectl("apply", "--server-side", "-f", "-", stdin=definitions)
    kinds = [f"crd/{each.name}" for each in RESOURCE_KINDS]
    minor.kubectl("wait", "--for=condition=Established", "--timeout=30s", *kinds)
    with Balancer() as balancer:
        guard = Guard(
            tmp_path_factory.mktemp("minor"),
            minor,
            balancer,
            policies=IN_FILES,
            arguments=["--policies-from-cluster", f"--last-good-set={NAMESPACE}/last-good"],
        )
        guard.install()
        guard.start()
        guard.wait_until_armed(VALIDATE)
        yield guard
        guard.clear()
    minor.kubectl("delete", *kinds)


def a_namespace(guard: Guard, policy: str) -> str:
    return guard.cluster.new_namespace(labels={"policy": policy})


def create(guard: Guard, path: str, body: Mapping[str, Any], user: str = "developer") -> int:
    return guard.cluster.request("POST", path, body, user=user).status


def change(guard: Guard, path: str, body: Mapping[str, Any], content_type: str) -> int:
    api = guard.cluster
    return api.request("PATCH", path, body, user="admin", content_type=content_type).status


def reasons_of_events(guard: Guard) -> set[str]:
    return {each["reason"] for each in guard.cluster.request("GET", EVENTS).body["items"]}


def condition(guard: Guard, path: str, kind: str) -> str | None:
    """Return the status of a condition of a document."""
    status = guard.cluster.request("GET", path).body.get("status") or {}
    found = [each["status"] for each in status.get("conditions", []) if each["type"] == kind]
    return found[0] if found else None


def test_pods_templates_and_debugging_containers_are_judged(guard: Guard) -> None:
    """Whatever names a tag is refused, whatever names a digest is admitted."""
    namespace = a_namespace(guard, "pinned")
    never = {"restartPolicy": "Never"}
    found = {
        image: [
            create(guard, pods_of(namespace), a_pod(image)),
            create(guard, DEPLOYMENT.collection(namespace), DEPLOYMENT.holding(pod_spec(image))),
            create(guard, JOB.collection(namespace), JOB.holding(pod_spec(image, **never))),
        ]
        for image in (A_TAG, A_PINNED_IMAGE)
    }
    debugged = [
        change(
            guard,
            pods_of(namespace, "web/ephemeralcontainers"),
            {"spec": {"ephemeralContainers": [{"name": "debugger", "image": image}]}},
            STRATEGIC,
        )
        for image in (A_TAG, A_PINNED_IMAGE)
    ]
    replaced = change(
        guard,
        f"{DEPLOYMENT.collection(namespace)}/web",
        {"spec": {"template": {"spec": {"containers": [{"name": "c0", "image": ANOTHER_TAG}]}}}},
        STRATEGIC,
    )

    assert {A_TAG: [FORBIDDEN] * 3, A_PINNED_IMAGE: [CREATED] * 3} == found
    assert ([FORBIDDEN, OK], FORBIDDEN) == (debugged, replaced)


def test_an_image_volume_is_judged_where_there_is_such_a_thing(
    guard: Guard, version: ServerVersion
) -> None:
    """An older API server drops it, so that no image of that name runs."""
    namespace = a_namespace(guard, "pinned")
    pod = a_pod(A_PINNED_IMAGE, volumes=[{"name": "v", "image": {"reference": A_TAG}}])
    status = create(guard, pods_of(namespace), pod)
    stored = guard.cluster.request("GET", pods_of(namespace, "web")).body
    volumes = [each for each in stored.get("spec", {}).get("volumes", []) if each["name"] == "v"]

    if version < WITH_IMAGE_VOLUMES:
        assert (CREATED, [{"name": "v", "emptyDir": {}}]) == (status, volumes)
    else:
        assert (FORBIDDEN, []) == (status, volumes)


def test_semantics_06_07_what_is_passed_over_is_so_on_every_version(
    guard: Guard, version: ServerVersion
) -> None:
    """A node's static Pod is shown and finalizers go; before 1.28 it is the handler who says so."""
    pinned, released = a_namespace(guard, "pinned"), a_namespace(guard, "released")
    mirror = a_pod(A_TAG, name="static-n1", nodeName="n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "abc"}
    forged = create(guard, pods_of(pinned), mirror)
    held = DEPLOYMENT.holding(pod_spec(A_TAG))
    held["metadata"] |= HELD
    path = f"{DEPLOYMENT.collection(released)}/web"
    stored = create(guard, DEPLOYMENT.collection(released), held)
    with_more = change(guard, path, {"metadata": {"finalizers": None, "labels": {"a": "b"}}}, MERGE)
    (replica,) = guard.replicas
    before = replica.metric("landwaiter_decisions_total", side="enforce")
    shown = create(guard, pods_of(pinned), mirror, user="node")
    labelled = change(
        guard, pods_of(pinned, "static-n1"), {"metadata": {"labels": {"a": "b"}}}, MERGE
    )
    let_go = change(guard, path, {"metadata": {"finalizers": None}}, MERGE)
    asked = replica.metric("landwaiter_decisions_total", side="enforce") - before

    assert (FORBIDDEN, CREATED, FORBIDDEN) == (forged, stored, with_more)
    assert (CREATED, OK, OK) == (shown, labelled, let_go)
    assert (0 if version >= WITH_CONDITIONS else 3) == asked


def test_the_object_has_what_the_version_knows_and_is_kept(
    guard: Guard, version: ServerVersion
) -> None:
    """It is made once, set right once after a change, and never written for what is not stored."""
    made = guard.webhook_object() or {}
    (webhook,) = made["webhooks"]
    edited = {**made, "webhooks": [{**webhook, "rules": webhook["rules"][:1]}]}
    guard.cluster.request("PUT", OBJECT, edited)
    wait_until(
        lambda: (guard.webhook_object() or {}).get("webhooks") == made["webhooks"],
        within_seconds=SECONDS,
        what="the object to be set right",
    )
    repaired = guard.webhook_object() or {}
    (replica,) = guard.replicas

    assert (version >= WITH_CONDITIONS) is ("matchConditions" in webhook)
    assert (1, 3) == (made["metadata"]["generation"], repaired["metadata"]["generation"])
    assert 1.0 == replica.metric("landwaiter_webhook_repairs_total")
    assert {"WebhookMade", "WebhookRepaired"} <= reasons_of_events(guard)


def test_the_doctor_finds_nothing_wrong(guard: Guard, minor: ControlPlane, tmp_path: Path) -> None:
    """It can look at everything, and a webhook object without conditions is as it should be."""
    config = kubeconfig(minor, tmp_path, "admin")
    folder = guard.replicas[0].folder / "policies"

    assert (0, [], {}) == diagnosed(config, f"--policies={folder}")


def test_a_deleted_certificate_is_there_again(guard: Guard) -> None:
    """Nobody is kept waiting by it: the API server gets its answers all the time."""
    namespace = a_namespace(guard, "pinned")
    path = f"{SECRETS}/{SECRET}"
    before = guard.cluster.request("GET", path).body["metadata"]["uid"]
    guard.cluster.request("DELETE", path)
    statuses = set()

    def is_there_again() -> bool:
        statuses.add(create(guard, pods_of(namespace), a_pod(A_TAG)))
        found = guard.cluster.request("GET", path)
        return found.status == OK and found.body["metadata"]["uid"] != before

    wait_until(is_there_again, within_seconds=SECONDS, what="the certificate")
    statuses.add(create(guard, pods_of(namespace), a_pod(A_TAG)))

    assert {FORBIDDEN} == statuses
    assert OK == guard.cluster.request("GET", LEASE).status


def test_semantics_22_documents_have_a_status_and_the_last_good_one_survives(guard: Guard) -> None:
    """One that no schema can refuse is told of; a new process starts from what it was before."""
    name = "of-the-cluster"
    document = a_policy(name, {"allowedRegistries": {"deny": ["registry.example.com"]}})
    path = f"{POLICIES}/{name}"
    namespace = a_namespace(guard, name)
    kept = guard.cluster.request("GET", LAST_GOOD).body
    created = create(guard, POLICIES, document, user="admin")
    wait_until(lambda: condition(guard, path, "Ready") == "True", within_seconds=SECONDS, what="it")
    wait_until(
        lambda: guard.cluster.request("GET", LAST_GOOD).body != kept,
        within_seconds=SECONDS,
        what="the last good set",
    )
    broken = {"spec": {"rules": {"allowedRegistries": {"deny": ["nginx"]}}}}
    change(guard, path, broken, MERGE)
    wait_until(
        lambda: condition(guard, path, "Degraded") == "True",
        within_seconds=SECONDS,
        what="the typo to be seen",
    )
    guard.stop()
    guard.cluster.request("DELETE", LEASE)  # Its holder was killed; the next one need not wait.
    guard.start()
    answers: list[Answer] = []

    def is_refused() -> bool:
        # The API server may first find that a connection to the one that was killed is closed.
        answers.append(guard.cluster.request("POST", pods_of(namespace), a_pod(A_PINNED_IMAGE)))
        return answers[-1].status == FORBIDDEN

    wait_until(is_refused, within_seconds=SECONDS, what="a refusal")

    assert CREATED == created
    assert CREATED not in {each.status for each in answers}
    assert f"(policy {name})" in answers[-1].body["message"]
