"""
What is running in a cluster: every Pod, and everything that makes Pods, owners first.

Lists are read page by page and nothing is kept of a page, so memory does not grow with the
cluster. A list that takes so long to read that its rest is gone is begun anew, and what was given
of it already is not given again.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from landwaiter.cluster.listing import ListExpired
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource

WORKLOADS: Final[Mapping[str, ApiResource]] = {
    "Deployment": ApiResource("apps", "v1", "deployments"),
    "StatefulSet": ApiResource("apps", "v1", "statefulsets"),
    "DaemonSet": ApiResource("apps", "v1", "daemonsets"),
    "ReplicationController": ApiResource("", "v1", "replicationcontrollers"),
    "CronJob": ApiResource("batch", "v1", "cronjobs"),
    "PodTemplate": ApiResource("", "v1", "podtemplates"),
    "ReplicaSet": ApiResource("apps", "v1", "replicasets"),
    "Job": ApiResource("batch", "v1", "jobs"),
    "Pod": ApiResource("", "v1", "pods"),
}
"""By kind; an owner comes before what it owns."""

ATTEMPTS: Final = 5
"""How often one list is begun; each time there is less of it that was not given yet."""


@dataclass(frozen=True, slots=True)
class RunningObject:
    """
    One object, as it would be sent for admission.

    `controller` is the uid of what made it, None where a person did. `is_superseded` is True for
    a ReplicaSet that a Deployment keeps for a rollback, and that wants no Pods.
    """

    content: Mapping[str, Any]
    kind: str
    uid: str
    namespace: str
    controller: str | None
    is_superseded: bool


async def running_objects(
    objects: ClusterObjects, kind: str, *, namespace: str = ""
) -> AsyncIterator[tuple[RunningObject, ...]]:
    """Yield the objects of a kind, page by page. Raises `ClusterUnavailable`."""
    resource = WORKLOADS[kind]
    given: set[str] = set()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async for page in objects.pages(resource, namespace=namespace):
                found = [_running(resource, kind, content) for content in page]
                yield tuple(each for each in found if each.uid not in given)
                given.update(each.uid for each in found)
        except ListExpired:
            if attempt == ATTEMPTS:
                raise
        else:
            return


def _running(resource: ApiResource, kind: str, content: Mapping[str, Any]) -> RunningObject:
    version = f"{resource.group}/{resource.version}" if resource.group else resource.version
    metadata = content.get("metadata") or {}
    owner: Mapping[str, Any] = next(
        (each for each in metadata.get("ownerReferences") or () if each.get("controller")), {}
    )
    wanted = (content.get("spec") or {}).get("replicas")
    return RunningObject(
        # The items of a list do not say themselves what they are.
        content={**content, "apiVersion": version, "kind": kind},
        kind=kind,
        uid=str(metadata.get("uid", "")),
        namespace=str(metadata.get("namespace", "")),
        controller=owner.get("uid"),
        is_superseded=kind == "ReplicaSet" and owner.get("kind") == "Deployment" and wanted == 0,
    )
