"""
What the cluster room tells whoever counts: requests to the Kubernetes API, and Events.

As in `observers`, each class has the methods of an observer that the room states for itself.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from landwaiter.telemetry.metrics import closed
from landwaiter.telemetry.observers import POLICY_VIEWS, VIEWS

API_OUTCOMES: Final = (
    "done",
    "missing",
    "conflict",
    "refused",
    "throttled",
    "failed",
    "unanswered",
)
API_VERBS: Final = ("get", "list", "create", "update", "patch", "delete")
API_RESOURCES: Final = (
    *VIEWS,
    "secrets",
    "configmaps",
    *(f"{each}.landwaiter.dev" for each in POLICY_VIEWS),
    *(f"{each}.landwaiter.dev/status" for each in POLICY_VIEWS),
    "verifiedimages.landwaiter.dev",
    "clusterroles.rbac.authorization.k8s.io",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
)


class APIMetrics:
    """What the transport to the Kubernetes API tells; called from its threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Histogram(
            "landwaiter_api_request_seconds",
            "Time that requests to the Kubernetes API took, watches left out.",
            ("verb", "resource", "outcome"),
            registry=registry,
        )

    def request_finished(self, verb: str, resource: str, outcome: str, *, seconds: float) -> None:
        """Observe that the API server was asked, and what came of it."""
        self._requests.labels(
            closed(verb, API_VERBS), closed(resource, API_RESOURCES), closed(outcome, API_OUTCOMES)
        ).observe(seconds)


EVENT_OUTCOMES: Final = ("written", "failed", "dropped")


class EventMetrics:
    """What becomes of Events about workloads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "landwaiter_workload_events",
            "Events about refused workloads and used exceptions: written, failed for the API "
            "server, or dropped because there were too many.",
            ("outcome",),
            registry=registry,
        )
        for outcome in EVENT_OUTCOMES:
            self._events.labels(outcome)

    def event_noted(self, outcome: str) -> None:
        """Count one note."""
        self._events.labels(closed(outcome, EVENT_OUTCOMES)).inc()
