"""
Landwaiter installed in the test cluster, for namespaces of its own.

A namespace is judged by an installation when it carries the installation's label, and by one of
its policies when it carries that policy's name. So all tests can share one control plane and one
Landwaiter, and none sees the objects of another.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from realparts.api_client import Answer
from realparts.control_plane import ControlPlane
from realparts.landwaiter import Landwaiter
from realparts.processes import wait_until
from system.objects import A_TAG, a_pod, pods_of

API_SERVER = "the-api-server"
"""The name in the certificate that the API server shows to webhooks."""
IN_FORCE_SECONDS = 30.0
NO_POLICY = "none"


def a_policy(
    name: str, rules: Mapping[str, Any], *, actions: Sequence[str] = ("Deny",), **spec: object
) -> dict[str, Any]:
    """Return a policy for the namespaces that are labelled with its name."""
    match = {"namespaceSelector": {"matchLabels": {"policy": name}}}
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": name},
        "spec": {"validationActions": list(actions), "match": match, "rules": dict(rules), **spec},
    }


def documents(*objects: Mapping[str, Any]) -> str:
    """Return objects as YAML documents; JSON is YAML too."""
    return "\n---\n".join(json.dumps(each, indent=2) for each in objects) + "\n"


class Installation:
    """A running Landwaiter and its webhook objects, which `register` creates."""

    def __init__(self, cluster: ControlPlane, landwaiter: Landwaiter) -> None:
        self.cluster = cluster
        self.landwaiter = landwaiter
        self._label = f"port-{landwaiter.port}"

    def register(self, *, enforce: bool = True, timeout_seconds: int = 10) -> None:
        """Send the reviews of its namespaces to it; return once they come."""
        self.landwaiter.register(
            self.cluster,
            enforce=enforce,
            namespace_labels={"installation": self._label, "patience": f"{timeout_seconds}s"},
            timeout_seconds=timeout_seconds,
        )
        probe = self.namespace(NO_POLICY, timeout_seconds=timeout_seconds)
        before = self._reviews()

        def is_asked() -> bool:
            self.dry_run(probe, a_pod(A_TAG))
            return self._reviews() > before

        wait_until(is_asked, within_seconds=IN_FORCE_SECONDS, what="the first review")

    def namespace(
        self,
        policy: str,
        *,
        timeout_seconds: int = 10,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """Return a fresh namespace of this installation, under one policy."""
        own = {"installation": self._label, "patience": f"{timeout_seconds}s", "policy": policy}
        return self.cluster.new_namespace(labels={**own, **(labels or {})})

    def create(self, namespace: str, pod: Mapping[str, Any], *, user: str = "developer") -> Answer:
        """Create a Pod."""
        return self.cluster.request("POST", pods_of(namespace), pod, user=user)

    def dry_run(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        """Ask whether a Pod could be created."""
        path = f"{pods_of(namespace)}?dryRun=All"
        return self.cluster.request("POST", path, pod, user="developer")

    def patch(self, path: str, change: Mapping[str, Any], *, user: str = "developer") -> Answer:
        """Merge a change into an object as `kubectl patch` does: lists of containers by name."""
        return self.cluster.request(
            "PATCH", path, change, user=user, content_type="application/strategic-merge-patch+json"
        )

    def _reviews(self) -> float:
        return self.landwaiter.metric("landwaiter_decisions_total", side="observe")


def put_under(
    control_plane: ControlPlane, installation: Installation, namespace: str, policy: str
) -> None:
    """Let a namespace be judged from now on; return once it is, by a policy that denies tags."""
    model = installation.namespace(policy)
    labels = control_plane.request("GET", f"/api/v1/namespaces/{model}").body["metadata"]["labels"]
    del labels["kubernetes.io/metadata.name"]
    path = f"/api/v1/namespaces/{namespace}"
    installation.patch(path, {"metadata": {"labels": labels}}, user="admin")
    unreadable = a_pod("NO:IMAGE", name="probe")
    wait_until(
        lambda: installation.dry_run(namespace, unreadable).status == 403,
        within_seconds=20,
        what=f"policy {policy} in namespace {namespace}",
    )


def creates_pod_in(namespace: str, event: dict[str, Any]) -> bool:
    what = event.get("objectRef", {})
    seen = (event["verb"], what.get("resource"), what.get("namespace"))
    return seen == ("create", "pods", namespace)


def annotations_of(control_plane: ControlPlane, namespace: str) -> dict[str, Any]:
    """Return Landwaiter's audit annotations of the first Pod created in a namespace."""
    event = control_plane.wait_for_audit_event(lambda event: creates_pod_in(namespace, event))
    return {
        key: json.loads(value)
        for key, value in event.get("annotations", {}).items()
        if "landwaiter.dev/" in key
    }
