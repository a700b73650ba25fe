"""A release of the chart in the test cluster, and everything that there is in that cluster."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from chart.matrix import merged
from realparts.control_plane import ControlPlane
from realparts.helm import CHART, RELEASE, Helm
from realparts.node import API_SERVER, ClusterWithNode
from realparts.processes import free_port, wait_until
from system.installation import a_policy
from system.objects import DEPLOYMENT, pods_of
from system.policies import DIGEST

RESTRICTED = {
    f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")
}
THIRD_PARTIES = (
    ("cert-manager.io", "v1", "Certificate"),
    ("cert-manager.io", "v1", "Issuer"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor"),
    ("monitoring.coreos.com", "v1", "PrometheusRule"),
)
DENIED, WARNED = (
    {
        "policies": [a_policy("chart", DIGEST, actions=[action])],
        "clusterPolicies": {"enabled": False},
    }
    for action in ("Deny", "Warn")
)
"""For namespaces with the label `policy: chart`."""
STANDING = "standing-landwaiter"
HEALTHY: tuple[int, list[dict[str, str]], list[str]] = (
    3,
    [],
    [
        "daemonsets.apps",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "pods",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ],
)
"""What the doctor says of a healthy install in one of its Pods, whose account may not see all."""
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
PASSING = {"Event", "Endpoints", "EndpointSlice"}
"""Kinds whose objects come and go by themselves, some time after what they are about."""
OF_EVERY_NAMESPACE = "kube-root-ca.crt"
PATIENCE_SECONDS = 60.0
HELM_SECONDS = 120.0


class Release:
    """Installs, changes and removes one release; its namespace wants restricted Pods."""

    def __init__(self, cluster: ClusterWithNode, helm: Helm, name: str = RELEASE) -> None:
        self.name = name
        self.cluster = cluster
        self.api = cluster.control_plane
        self.helm = helm
        self.namespace = self.api.new_namespace(prefix="landwaiter", labels=RESTRICTED)
        self._where = f"--namespace={self.namespace}"
        self.values: Mapping[str, Any] = {
            "ports": {"webhook": free_port(), "metrics": free_port()},
            "drain": {"seconds": 1},
            "clientAuth": {"name": API_SERVER, "ca": cluster.client_ca.read_text("utf-8")},
        }

    def objects(self, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return what these values render, in the order in which Helm installs it."""
        given = merged(self.values, values or {})
        return self.helm.objects(given, release=self.name, namespace=self.namespace)

    def install(self, values: Mapping[str, Any] | None = None) -> None:
        """Install it; return when all of its Pods are ready."""
        self._helm("install", self.name, CHART, values=values or {})

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """Give it other values; return when all of its Pods are the new ones, and ready."""
        self._helm("upgrade", self.name, CHART, values=values)

    def roll_back(self) -> None:
        """Give it the values from before the last change."""
        self._helm("rollback", self.name)

    def uninstall(self) -> None:
        """Remove it."""
        self._helm("uninstall", self.name)

    def forget(self) -> None:
        """Let Helm know nothing of it, after its objects were deleted by others."""
        self.api.kubectl("delete", "secret", self._where, "--selector=owner=helm")

    def kill(self) -> None:
        """Kill every process of it for good."""
        self.cluster.kill_pods(self.namespace)

    def remove(self) -> None:
        """Leave nothing of a test behind, however it ended."""
        self.kill()
        self.helm.run("uninstall", self.name, self._where, "--ignore-not-found", check=False)
        self.api.kubectl(
            "delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found"
        )
        wait_until(lambda: not self.pods(), within_seconds=PATIENCE_SECONDS, what="no Pod")

    def pods(self) -> list[dict[str, Any]]:
        """Return its Pods, those that are ending included."""
        found: list[dict[str, Any]] = self.api.request("GET", pods_of(self.namespace)).body["items"]
        return found

    def diagnosed(self) -> tuple[int, list[dict[str, str]], list[str]]:
        """
        Return what `landwaiter doctor` says in one of its Pods, without any option of its own.

        That is the exit code, what was found, and what could not be looked at.
        """
        result = self.cluster.execute(self.namespace, "doctor", "--output=json")
        report = json.loads(result.stdout)
        unknown = sorted(each["what"] for each in report["unknown"])
        return result.returncode, report["findings"], unknown

    def pod_count(self) -> int:
        """Return how many Pods its Deployment wants."""
        path = f"{DEPLOYMENT.collection(self.namespace)}/{self.name}"
        return int(self.api.request("GET", path).body["spec"]["replicas"])

    def refused(self) -> list[str]:
        """Return what the API server has refused to its account, which has asked at least."""
        account = f"system:serviceaccount:{self.namespace}:{self.name}"
        events = self.api.audit_events(lambda event: bool(event["user"].get("username") == account))
        assert events
        return [
            f"{each['verb']} {each['requestURI']}"
            for each in events
            if each["responseStatus"]["code"] == HTTPStatus.FORBIDDEN
        ]

    def armed(self) -> list[str]:
        """Return the webhooks that there are."""
        answer = self.api.request("GET", f"{CONFIGURATIONS}/{self.name}")
        return [each["name"] for each in answer.body.get("webhooks", [])]

    def wait_until_armed(self, *names: str) -> None:
        """Return when there are just these webhooks."""
        wait_until(
            lambda: self.armed() == list(names),
            within_seconds=PATIENCE_SECONDS,
            what=f"the webhooks {names}",
        )

    def _helm(
        self, verb: str, *arguments: str | Path, values: Mapping[str, Any] | None = None
    ) -> subprocess.CompletedProcess[str]:
        given = None if values is None else merged(self.values, values)
        waiting = ["--wait", f"--timeout={HELM_SECONDS:.0f}s"]
        return self.helm.run(verb, *arguments, self._where, *waiting, values=given)


def install_third_parties(api: ControlPlane) -> None:
    """Let an API server know the kinds of others that the chart can render, by their names."""
    definitions = [_definition(*each) for each in THIRD_PARTIES]
    objects = {"apiVersion": "v1", "kind": "List", "items": definitions}
    api.kubectl("apply", "-f", "-", stdin=json.dumps(objects))
    names = [f"crd/{each['metadata']['name']}" for each in definitions]
    api.kubectl("wait", "--for=condition=Established", *names)


def _definition(group: str, version: str, kind: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything}, "required": ["spec"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def everything_in(api: ControlPlane) -> set[str]:
    """
    Return every object of the cluster, of whatever kind.

    Left out are those that pass by themselves, and those of the release that stands.
    """
    return {
        f"{kind} {namespace}/{name}"
        for kind, collection in _collections(api)
        for namespace, name in _names_in(api, collection)
        if name != OF_EVERY_NAMESPACE and not name.startswith(STANDING)
    }


def _collections(api: ControlPlane) -> Iterator[tuple[str, str]]:
    """
    Yield each kind that can be listed and deleted, and the path of all of its objects.

    A group may have gone since it was named, with its last definition.
    """
    groups = api.request("GET", "/apis").body["groups"]
    preferred = [group["preferredVersion"]["groupVersion"] for group in groups]
    for root in ("/api/v1", *(f"/apis/{version}" for version in preferred)):
        answer = api.request("GET", root)
        if answer.status == HTTPStatus.NOT_FOUND:
            continue
        for resource in answer.body["resources"]:
            can = {"list", "delete"} <= set(resource["verbs"])
            if can and "/" not in resource["name"] and resource["kind"] not in PASSING:
                yield resource["kind"], f"{root}/{resource['name']}"


def _names_in(api: ControlPlane, collection: str) -> Iterator[tuple[str, str]]:
    for each in api.request("GET", collection).body.get("items", []):
        yield each["metadata"].get("namespace", ""), each["metadata"]["name"]
