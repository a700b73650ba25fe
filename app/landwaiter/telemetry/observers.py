"""
What the rooms that ask outside tell whoever counts: cosign runs and registry requests.

Each class here has the methods of an observer that such a room states for itself; `wiring` hands
it over, so that neither room knows of metrics.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from landwaiter.telemetry.metrics import closed

CACHE_ANSWERS: Final = ("verified", "refused", "fault", "miss")
RUN_ENDS: Final = ("exit 0", "exit not 0", "fault")
RUN_FORMS: Final = ("bundle", "simple signing", "bundle of an attestation", "envelope")
REQUEST_OUTCOMES: Final = ("answered", "missing", "denied", "malformed", "unavailable", "late")

RUN_BUCKETS: Final = (0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""In seconds: the start of a cosign process takes 0.04, a verification 0.06 to 0.13."""


POLICY_SOURCES: Final = ("files", "cluster")


class PolicyMetrics:
    """What is in force, asked when metrics are read."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        count: Callable[[], int],
        problems: Callable[[], Collection[str]],
    ) -> None:
        policies = Gauge("landwaiter_policies", "Policies in force.", registry=registry)
        policies.set_function(count)
        degraded = Gauge(
            "landwaiter_policies_degraded",
            "1 while what a source of policies holds does not load and the last good set is used.",
            ("source",),
            registry=registry,
        )
        for source in POLICY_SOURCES:
            degraded.labels(source).set_function(partial(_is_among, source, problems))


WEBHOOK_PATHS: Final = ("observe", "validate")
VIEWS: Final = ("namespaces", "serviceaccounts")
POLICY_VIEWS: Final = ("clusterimagepolicies", "imagepolicies", "imagepolicyexceptions")


class ViewMetrics:
    """What is watched in the cluster, asked when metrics are read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known = Gauge(
            "landwaiter_view_objects", "Objects in a view.", ("resource",), registry=registry
        )
        self._age = Gauge(
            "landwaiter_view_age_seconds",
            "How long nothing has been heard about a view; NaN before the first list.",
            ("resource",),
            registry=registry,
        )

    def show(
        self, resource: str, *, objects: Callable[[], int], age_seconds: Callable[[], float]
    ) -> None:
        """Ask for one view at each scrape; an age that is not known is NaN."""
        known = closed(resource, (*VIEWS, *POLICY_VIEWS))
        self._known.labels(known).set_function(objects)
        self._age.labels(known).set_function(age_seconds)


class WebhookMetrics:
    """
    The webhook object, as this replica sees it.

    `armed` and `wanted` take a path and are asked when metrics are read: whether the webhook is
    there, and whether a policy in force needs it. While the second is true and the first is not,
    the door is open.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        armed: Callable[[str], bool],
        wanted: Callable[[str], bool],
        leads: Callable[[], bool],
    ) -> None:
        is_armed = Gauge(
            "landwaiter_webhook_armed",
            "1 while the API server is told to ask on this path, else 0.",
            ("path",),
            registry=registry,
        )
        is_wanted = Gauge(
            "landwaiter_webhook_wanted",
            "1 while a policy in force needs the path, else 0.",
            ("path",),
            registry=registry,
        )
        for path in WEBHOOK_PATHS:
            is_armed.labels(path).set_function(partial(armed, path))
            is_wanted.labels(path).set_function(partial(wanted, path))
        leader = Gauge(
            "landwaiter_webhook_leader",
            "1 while this replica is the one that writes the webhook object, else 0.",
            registry=registry,
        )
        leader.set_function(leads)
        self._repairs = Counter(
            "landwaiter_webhook_repairs",
            "Changes of the webhook object by somebody else that were set right.",
            registry=registry,
        )

    def repaired(self) -> None:
        """Count a repair."""
        self._repairs.inc()


def _is_among(source: str, problems: Callable[[], Collection[str]]) -> float:
    return 1.0 if source in problems() else 0.0


class CosignMetrics:
    """What the verifier tells its observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "landwaiter_cosign_cache",
            "Questions about signatures answered from memory, by answer, and misses.",
            ("answer",),
            registry=registry,
        )
        self._flights = Gauge(
            "landwaiter_cosign_flights", "Verifications under way.", registry=registry
        )
        self._waiting = Gauge(
            "landwaiter_cosign_images_waiting",
            "Images that wait for a place among the runs of cosign.",
            registry=registry,
        )
        self._run_seconds = Histogram(
            "landwaiter_cosign_run_seconds",
            "Wall time of a cosign process.",
            ("format", "end"),
            buckets=RUN_BUCKETS,
            registry=registry,
        )
        self._run_images = Counter(
            "landwaiter_cosign_run_images",
            "Images that cosign processes were asked about; several can share a process.",
            ("format",),
            registry=registry,
        )
        for answer in CACHE_ANSWERS:
            self._answers.labels(answer)

    def cache_hit(self, answered: str) -> None:
        """Note that a question was answered from memory."""
        self._answers.labels(closed(answered, CACHE_ANSWERS)).inc()

    def cache_miss(self) -> None:
        """Note that a question was not answered from memory."""
        self._answers.labels("miss").inc()

    def flights_changed(self, under_way: int) -> None:
        """Set how many verifications are under way."""
        self._flights.set(under_way)

    def queue_changed(self, waiting: int) -> None:
        """Set how many images wait for a run."""
        self._waiting.set(waiting)

    def run_finished(self, form: str, end: str, *, images: int, seconds: float) -> None:
        """Observe that cosign has run for so many images, and how long it took."""
        told = closed(form, RUN_FORMS)
        self._run_seconds.labels(told, closed(end, RUN_ENDS)).observe(seconds)
        self._run_images.labels(told).inc(images)


class RegistryMetrics:
    """What the registry client tells its observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Histogram(
            "landwaiter_registry_request_seconds",
            "Time that questions to registries took, by outcome.",
            ("outcome",),
            registry=registry,
        )
        for outcome in REQUEST_OUTCOMES:
            self._requests.labels(outcome)

    def request_finished(self, outcome: str, *, seconds: float) -> None:
        """Observe that a registry was asked, and what came of it."""
        self._requests.labels(closed(outcome, REQUEST_OUTCOMES)).observe(seconds)


PROGRAM_KINDS: Final = ("plugin", "helper")
PROGRAM_ENDS: Final = ("ok", "failed", "timed out")


class ProgramMetrics:
    """What the programs that give credentials tell their observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Histogram(
            "landwaiter_credential_program_seconds",
            "Wall time of the kubelet's plugins and of Docker's credential helpers, and what came "
            "of them.",
            ("kind", "end"),
            buckets=RUN_BUCKETS,
            registry=registry,
        )
        for kind in PROGRAM_KINDS:
            for end in PROGRAM_ENDS:
                self._runs.labels(kind, end)

    def program_finished(self, kind: str, end: str, *, seconds: float) -> None:
        """Observe that a program was run, and what came of it."""
        self._runs.labels(closed(kind, PROGRAM_KINDS), closed(end, PROGRAM_ENDS)).observe(seconds)


CONDITION_SCOPES: Final = ("cluster", "namespaces", "attestations")
CONDITION_ENDS: Final = ("whole", "overrun", "fault", "late")


class ConditionMetrics:
    """What the evaluators of conditions tell their observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Histogram(
            "landwaiter_condition_job_seconds",
            "Time that expressions took, and how that ended: overrun when one of "
            "them took too long or too much memory, late when others had their turn too long.",
            ("scope", "end"),
            registry=registry,
        )
        self._waiting = Gauge(
            "landwaiter_condition_jobs_waiting",
            "Questions whose expressions are being evaluated or wait for their turn.",
            ("scope",),
            registry=registry,
        )
        for scope in CONDITION_SCOPES:
            self._waiting.labels(scope)
            for end in CONDITION_ENDS:
                self._jobs.labels(scope, end)

    def job_finished(self, scope: str, end: str, *, seconds: float) -> None:
        """Observe that conditions were evaluated, or were not."""
        self._jobs.labels(closed(scope, CONDITION_SCOPES), closed(end, CONDITION_ENDS)).observe(
            seconds
        )

    def jobs_changed(self, scope: str, under_way: int) -> None:
        """Set how many jobs there are."""
        self._waiting.labels(closed(scope, CONDITION_SCOPES)).set(under_way)
