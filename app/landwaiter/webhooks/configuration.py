"""
The ValidatingWebhookConfiguration that makes the API server ask: one object, up to two webhooks.

`observe` answers for policies that warn or audit and never stops anyone; `validate` answers for
those that refuse, and while it is there nothing that it matches gets by when Landwaiter cannot be
reached (design, semantics 18). Each is there only while some policy needs it.

Every field that the API server would fill in is written, so that what is there can be compared
with what should be. Sources: Kubernetes 1.36, admissionregistration.k8s.io/v1; docs/adr/0014.
"""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from landwaiter.cluster.requests import ApiResource
from landwaiter.cluster.version import ServerVersion
from landwaiter.webhooks.conditions import conditions_for
from landwaiter.webhooks.settings import WebhookSettings

CONFIGURATIONS: Final = ApiResource(
    "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", namespaced=False
)
CLUSTER_ROLES: Final = ApiResource(
    "rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False
)
API_VERSION: Final = "admissionregistration.k8s.io/v1"
KIND: Final = "ValidatingWebhookConfiguration"

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label of a namespace that the API server sets, and nobody can write."""

LABELS: Final[Mapping[str, str]] = {"app.kubernetes.io/managed-by": "landwaiter"}

ANNOTATIONS: Final[Mapping[str, str]] = {"admissions.enforcer/disabled": "true"}
"""
Azure's admissions enforcer writes selectors of its own into every webhook, for the sake of
kube-system, which is left out here anyhow; it lets alone what says so.
"""

WORKLOADS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "v1"): ("pods", "pods/ephemeralcontainers", "podtemplates", "replicationcontrollers"),
    ("apps", "v1"): ("deployments", "statefulsets", "daemonsets", "replicasets"),
    ("batch", "v1"): ("jobs", "cronjobs"),
}
"""What names images. Other versions come converted to these, by `matchPolicy: Equivalent`."""


class WebhookPath(StrEnum):
    """The two paths, in the order of the object; each has a webhook of its name."""

    OBSERVE = "observe"
    VALIDATE = "validate"

    @property
    def webhook_name(self) -> str:
        """What the webhook is called, which people see in a refusal."""
        return f"{self.value}.landwaiter.dev"

    @property
    def failure_policy(self) -> str:
        """What becomes of a request when Landwaiter cannot be reached."""
        return "Fail" if self is WebhookPath.VALIDATE else "Ignore"


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What should be there now.

    `paths` are those that some policy needs, `bundle` is what the API server has to trust, in
    PEM; `owner_uid` is that of the ClusterRole. `version` is None where it is not known.
    """

    paths: Collection[WebhookPath]
    bundle: bytes
    owner_uid: str
    version: ServerVersion | None


def configuration(settings: WebhookSettings, wanted: Wanted) -> dict[str, Any]:
    """Return the whole object."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": settings.name,
            "labels": dict(LABELS),
            "annotations": dict(ANNOTATIONS),
            "ownerReferences": [owner_reference(settings.name, wanted.owner_uid)],
        },
        "webhooks": [
            _webhook(path, settings, wanted) for path in WebhookPath if path in wanted.paths
        ],
    }


def owner_reference(name: str, uid: str) -> dict[str, str]:
    """Return the reference to the ClusterRole, with which the object goes."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "name": name,
        "uid": uid,
    }


def _webhook(path: WebhookPath, settings: WebhookSettings, wanted: Wanted) -> dict[str, Any]:
    webhook = {
        "name": path.webhook_name,
        "clientConfig": {
            **settings.address.client_config(f"/{path.value}"),
            "caBundle": base64.b64encode(wanted.bundle).decode(),
        },
        "rules": [
            {
                "apiGroups": [group],
                "apiVersions": [version],
                "operations": ["CREATE", "UPDATE"],
                "resources": list(resources),
                "scope": "Namespaced",
            }
            for (group, version), resources in WORKLOADS.items()
        ],
        "namespaceSelector": {
            "matchExpressions": [
                {"key": NAME_LABEL, "operator": "NotIn", "values": list(settings.left_out)}
            ]
        },
        "objectSelector": {},
        "matchPolicy": "Equivalent",
        "failurePolicy": path.failure_policy,
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": settings.timeout_seconds,
        "admissionReviewVersions": ["v1"],
    }
    conditions = conditions_for(wanted.version)
    return webhook if conditions is None else {**webhook, "matchConditions": conditions}
