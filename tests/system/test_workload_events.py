"""Events on the real API server: what a person finds who looks for a Pod that is not there."""

from typing import Any

from realparts.control_plane import ControlPlane
from realparts.processes import wait_until
from system.installation import Installation
from system.objects import A_TAG, DEPLOYMENT, a_pod, pod_spec

SECONDS = 30.0
REFUSED = "Pod refused: registry.example.com/team/app:1.0: pinnedTags (templates-skip): "


def events_in(cluster: ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """Return the Events of Landwaiter in a namespace."""
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    found: list[dict[str, Any]] = cluster.request("GET", path).body["items"]
    return [each for each in found if each["reportingController"] == "landwaiter.dev/landwaiter"]


def test_a_refused_pod_is_told_about_its_replica_set(installation: Installation) -> None:
    """One Event counts all attempts of the controller; dry runs before it have left none."""
    cluster, namespace = installation.cluster, installation.namespace("templates-skip")
    installation.dry_run(namespace, a_pod(A_TAG))
    deployment = DEPLOYMENT.holding(pod_spec(A_TAG))
    cluster.request("POST", DEPLOYMENT.collection(namespace), deployment)

    wait_until(lambda: bool(events_in(cluster, namespace)), within_seconds=SECONDS, what="an Event")

    (event,) = events_in(cluster, namespace)
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    (replica_set,) = cluster.request("GET", path).body["items"]
    metadata = replica_set["metadata"]
    assert {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": metadata["name"],
        "namespace": namespace,
        "uid": metadata["uid"],
    } == event["regarding"]
    assert ("Warning", "ImagesRefused", "JudgeImages", True) == (
        event["type"],
        event["reason"],
        event["action"],
        event["note"].startswith(REFUSED),
    )
