"""Kubernetes objects that carry images, as plain JSON, and where they are posted to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realparts.api_client import Answer

A_DIGEST = f"sha256:{'a' * 64}"
A_PINNED_IMAGE = f"registry.example.com/team/app:1.0@{A_DIGEST}"
A_TAG = "registry.example.com/team/app:1.0"
ANOTHER_TAG = "registry.example.com/team/app:2.0"

LABELS = {"app": "web"}

PLACE = re.compile(r"(?P<path>spec\.\S+|template\.\S+) \((?:container|volume) ")
FINDING = re.compile(r"  [✗?] (?P<rule>\w+) \(")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that has a Pod template; `template_at` is where, `more` what its spec needs too."""

    name: str
    api: str
    resource: str
    template_at: tuple[str, ...] = ("spec", "template")
    more: Mapping[str, Any] | None = None

    def collection(self, namespace: str) -> str:
        """Return the path that its objects are posted to."""
        root = "/api/v1" if self.api == "v1" else f"/apis/{self.api}"
        return f"{root}/namespaces/{namespace}/{self.resource}"

    def holding(
        self,
        spec: Mapping[str, Any],
        *,
        name: str = "web",
        labels: Mapping[str, str] = LABELS,
        **more: object,
    ) -> dict[str, Any]:
        """Return an object with a template of this Pod spec; `more` is added to its own spec."""
        value: dict[str, Any] = {"metadata": {"labels": dict(labels)}, "spec": dict(spec)}
        for step in reversed(self.template_at):
            value = {step: value}
        if "spec" in value:
            value["spec"] = {**value["spec"], **(self.more or {}), **more}
        return {"apiVersion": self.api, "kind": self.name, "metadata": {"name": name}, **value}


SELECTING = {"selector": {"matchLabels": LABELS}}
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments", more=SELECTING)
JOB = Kind("Job", "batch/v1", "jobs")
POD_TEMPLATE = Kind("PodTemplate", "v1", "podtemplates", ("template",))
TEMPLATE_KINDS = (
    DEPLOYMENT,
    Kind("StatefulSet", "apps/v1", "statefulsets", more={**SELECTING, "serviceName": "web"}),
    Kind("DaemonSet", "apps/v1", "daemonsets", more=SELECTING),
    Kind("ReplicaSet", "apps/v1", "replicasets", more=SELECTING),
    Kind("ReplicationController", "v1", "replicationcontrollers", more={"selector": LABELS}),
    JOB,
    Kind(
        "CronJob",
        "batch/v1",
        "cronjobs",
        ("spec", "jobTemplate", "spec", "template"),
        {"schedule": "0 0 1 1 *"},
    ),
    POD_TEMPLATE,
)


def containers(*images: str) -> list[dict[str, Any]]:
    """Return containers `c0`, `c1` and so on."""
    return [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]


def pod_spec(*images: str, **more: object) -> dict[str, Any]:
    """Return a Pod spec that every kind takes, but for those that restart always."""
    return {"containers": containers(*images), **more}


def a_pod(*images: str, name: str = "web", **more: object) -> dict[str, Any]:
    """Return a Pod with a container for each image; `more` is added to its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(LABELS)},
        "spec": pod_spec(*images, **more),
    }


def pods_of(namespace: str, name: str = "") -> str:
    """Return the path of the Pods of a namespace, or of one of them."""
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}" if name else "")


def findings_of(text: str) -> list[tuple[str, str]]:
    """Return the path and the rule of each finding that a message tells, in its order."""
    found = []
    path = ""
    for line in text.splitlines():
        if place := PLACE.match(line):
            path = place["path"]
        elif finding := FINDING.match(line):
            found.append((path, finding["rule"]))
    return found


def refusal_of(answer: Answer) -> tuple[int, list[tuple[str, str]]]:
    """Return the status of an answer and the findings in its message."""
    return answer.status, findings_of(str(answer.body.get("message", "")))
