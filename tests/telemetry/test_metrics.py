"""Names, labels and values of the metrics."""

import inspect
from collections.abc import Iterable
from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry

from landwaiter.cel.evaluation import JobEnd, JobObserver
from landwaiter.cluster.events import EVENTS
from landwaiter.cluster.leadership import LEASES
from landwaiter.cluster.observing import RequestObserver, RequestOutcome
from landwaiter.cluster.paced_events import EventObserver, EventOutcome
from landwaiter.cluster.watched import NAMESPACES, SERVICE_ACCOUNTS
from landwaiter.cosign.observer import Answered, RunEnd, Unobserved
from landwaiter.cosign.outcome import AttestationFormat, SignatureFormat
from landwaiter.inventory.observer import InventoryObserver, Removed, Written
from landwaiter.inventory.records import RESOURCE
from landwaiter.inventory.sealing import Disbelief
from landwaiter.policy.crd import RESOURCE_KINDS
from landwaiter.providers.observer import ProgramEnd, ProgramKind, ProgramObserver
from landwaiter.telemetry import metrics as names
from landwaiter.telemetry.api_observers import (
    API_OUTCOMES,
    API_RESOURCES,
    EVENT_OUTCOMES,
    APIMetrics,
    EventMetrics,
)
from landwaiter.telemetry.inventory_observers import (
    IGNORED,
    REMOVED,
    WRITTEN,
    InventoryMetrics,
)
from landwaiter.telemetry.metrics import (
    EXCEPTION_NAMES_LIMIT,
    POLICY_NAMES_LIMIT,
    Metrics,
    ServingMetrics,
)
from landwaiter.telemetry.observers import (
    CACHE_ANSWERS,
    CONDITION_ENDS,
    POLICY_VIEWS,
    PROGRAM_ENDS,
    PROGRAM_KINDS,
    RUN_ENDS,
    RUN_FORMS,
    ConditionMetrics,
    CosignMetrics,
    ProgramMetrics,
    RegistryMetrics,
    WebhookMetrics,
)
from landwaiter.webhooks.configuration import CLUSTER_ROLES, CONFIGURATIONS
from landwaiter.wiring.cluster_policies import resource_of
from landwaiter.wiring.own_objects import ROLES, SECRETS
from landwaiter.wiring.policies import CONFIG_MAPS
from telemetry.counting import counted
from telemetry.exposition import everything_counted


def test_every_name_begins_with_landwaiter() -> None:
    """The metric names are a stable surface."""

    assert [
        "landwaiter_api_request_seconds",
        "landwaiter_body_bytes_held",
        "landwaiter_certificate_expiry_timestamp_seconds",
        "landwaiter_certificate_not_before_timestamp_seconds",
        "landwaiter_certificate_reloads",
        "landwaiter_condition_job_seconds",
        "landwaiter_condition_jobs_waiting",
        "landwaiter_connections",
        "landwaiter_connections_ended",
        "landwaiter_cosign_cache",
        "landwaiter_cosign_flights",
        "landwaiter_cosign_images_waiting",
        "landwaiter_cosign_run_images",
        "landwaiter_cosign_run_seconds",
        "landwaiter_credential_program_seconds",
        "landwaiter_deadline_left_seconds",
        "landwaiter_decisions",
        "landwaiter_exceptions_used",
        "landwaiter_findings",
        "landwaiter_handler_errors",
        "landwaiter_http_refusals",
        "landwaiter_judge_overruns",
        "landwaiter_policies",
        "landwaiter_policies_degraded",
        "landwaiter_ready",
        "landwaiter_registry_request_seconds",
        "landwaiter_request_seconds",
        "landwaiter_requests_in_flight",
        "landwaiter_verified_image_writes",
        "landwaiter_verified_images",
        "landwaiter_verified_images_ignored",
        "landwaiter_verified_images_removed",
        "landwaiter_view_age_seconds",
        "landwaiter_view_objects",
        "landwaiter_webhook_armed",
        "landwaiter_webhook_leader",
        "landwaiter_webhook_repairs",
        "landwaiter_webhook_wanted",
        "landwaiter_workload_events",
    ] == sorted(metric.name for metric in everything_counted().collect())


def test_two_registries_count_apart() -> None:
    """The registry is handed in, and the global one stays empty."""
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(second)
    Metrics(first).decided(side="enforce", decision="deny")

    assert ({("enforce", "deny"): 1.0}, {}) == (
        counted(first, "landwaiter_decisions_total"),
        counted(second, "landwaiter_decisions_total"),
    )


def test_label_values_come_from_closed_sets() -> None:
    """A value that nobody decided on counts as `other`."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.decided(side="/etc/passwd", decision="maybe")
    metrics.http_refused("whatever")
    metrics.found(policy="p", rule="pinnedTags", action="Shout", outcome="odd", cause="c")

    assert (
        {("other", "other"): 1.0},
        {("other",): 1.0},
        {("p", "pinnedTags", "other", "other", "c"): 1.0},
    ) == (
        counted(registry, "landwaiter_decisions_total"),
        counted(registry, "landwaiter_http_refusals_total"),
        counted(registry, "landwaiter_findings_total"),
    )


def test_policy_names_are_bounded() -> None:
    """More policies than the limit do not make more series."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in range(POLICY_NAMES_LIMIT + 10):
        metrics.found(policy=f"p{number}", rule="r", action="Deny", outcome="violation", cause="c")
    found = counted(registry, "landwaiter_findings_total")

    assert (POLICY_NAMES_LIMIT + 1, 10.0) == (
        len(found),
        found["other", "r", "Deny", "violation", "c"],
    )


def test_names_of_namespaces_take_no_place_from_those_of_the_cluster() -> None:
    """Whoever may write policies in a namespace cannot hide the cluster's among `other`."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in range(POLICY_NAMES_LIMIT + 10):
        metrics.found(
            policy=f"shop/p{number}", rule="r", action="Deny", outcome="violation", cause="c"
        )
    metrics.found(policy="p", rule="r", action="Deny", outcome="violation", cause="c")
    found = counted(registry, "landwaiter_findings_total")

    assert (10.0, 1.0) == (
        found["other", "r", "Deny", "violation", "c"],
        found["p", "r", "Deny", "violation", "c"],
    )


def test_what_exceptions_lift_is_counted_by_their_names_which_are_bounded() -> None:
    """An exception that is used shows, and ever new ones do not make ever more series."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in range(EXCEPTION_NAMES_LIMIT + 10):
        metrics.excepted(exception=f"e{number}", policy="p", rule="pinnedTags")
    found = counted(registry, "landwaiter_exceptions_used_total")

    assert (EXCEPTION_NAMES_LIMIT + 1, 10.0, 1.0) == (
        len(found),
        found["other", "p", "pinnedTags"],
        found["e0", "p", "pinnedTags"],
    )


def test_gauges_and_histograms_of_requests() -> None:
    """In flight and bytes held are set; the time of a request is observed by its path."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.watch(requests=lambda: 3.0, body_bytes=lambda: 7.0)
    metrics.answered(side="observe", seconds=0.5, left_seconds=8.5)
    metrics.handler_failed(side="enforce")
    metrics.overran(side="enforce")

    assert (
        {(): 3.0},
        {(): 7.0},
        {("observe",): 0.5},
        {("observe",): 8.5},
        {("enforce",): 1.0},
        {("enforce",): 1.0},
    ) == (
        counted(registry, "landwaiter_requests_in_flight"),
        counted(registry, "landwaiter_body_bytes_held"),
        counted(registry, "landwaiter_request_seconds_sum"),
        counted(registry, "landwaiter_deadline_left_seconds_sum"),
        counted(registry, "landwaiter_handler_errors_total"),
        counted(registry, "landwaiter_judge_overruns_total"),
    )


def test_serving_is_counted() -> None:
    """Connections, readiness and the certificate."""
    registry = CollectorRegistry()
    metrics = ServingMetrics(registry)
    metrics.connections(2)
    metrics.connection_ended("client name")
    metrics.ready(is_ready=True)
    metrics.certificate_loaded(begins=500.0, expires=1000.0)
    metrics.certificate_refused()

    assert (
        {(): 2.0},
        {("client name",): 1.0},
        {(): 1.0},
        {(): 500.0},
        {(): 1000.0},
        {("loaded",): 1.0, ("refused",): 1.0},
    ) == (
        counted(registry, "landwaiter_connections"),
        counted(registry, "landwaiter_connections_ended_total"),
        counted(registry, "landwaiter_ready"),
        counted(registry, "landwaiter_certificate_not_before_timestamp_seconds"),
        counted(registry, "landwaiter_certificate_expiry_timestamp_seconds"),
        counted(registry, "landwaiter_certificate_reloads_total"),
    )


def test_cosign_is_counted() -> None:
    """Memory, flights and runs, with labels from the verifier's own words."""
    registry = CollectorRegistry()
    metrics = CosignMetrics(registry)
    metrics.cache_hit("verified")
    metrics.cache_miss()
    metrics.flights_changed(4)
    metrics.queue_changed(5)
    metrics.run_finished("bundle", "exit 0", images=3, seconds=0.1)

    assert (
        {("verified",): 1.0, ("miss",): 1.0},
        {(): 4.0},
        {(): 5.0},
        {("bundle", "exit 0"): 0.1},
        {("bundle",): 3.0},
    ) == (
        counted(registry, "landwaiter_cosign_cache_total"),
        counted(registry, "landwaiter_cosign_flights"),
        counted(registry, "landwaiter_cosign_images_waiting"),
        counted(registry, "landwaiter_cosign_run_seconds_sum"),
        counted(registry, "landwaiter_cosign_run_images_total"),
    )


def test_the_cosign_observer_has_the_methods_that_the_verifier_calls() -> None:
    """The rooms do not know each other, so their signatures are compared here."""

    def signatures(kind: type) -> dict[str, list[tuple[str, Any]]]:
        return {
            name: [(each.name, each.kind) for each in inspect.signature(member).parameters.values()]
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("_")
        }

    assert signatures(Unobserved) == signatures(CosignMetrics)
    assert signatures(RequestObserver) == signatures(APIMetrics)
    assert signatures(EventObserver) == signatures(EventMetrics)
    assert signatures(JobObserver) == signatures(ConditionMetrics)
    assert signatures(InventoryObserver) == signatures(InventoryMetrics)
    assert signatures(ProgramObserver) == signatures(ProgramMetrics)


def test_each_value_that_the_verifier_can_give_has_its_own_series() -> None:
    """The closed sets are those of the room that counts through the observer."""

    forms = (*SignatureFormat, *AttestationFormat)

    assert (forms, get_args(RunEnd), (*get_args(Answered), "miss")) == (
        RUN_FORMS,
        RUN_ENDS,
        CACHE_ANSWERS,
    )
    assert (get_args(RequestOutcome), get_args(JobEnd), get_args(EventOutcome)) == (
        API_OUTCOMES,
        CONDITION_ENDS,
        EVENT_OUTCOMES,
    )
    assert (tuple(Disbelief), get_args(Written), get_args(Removed)) == (IGNORED, WRITTEN, REMOVED)
    assert (get_args(ProgramKind), get_args(ProgramEnd)) == (PROGRAM_KINDS, PROGRAM_ENDS)
    assert POLICY_VIEWS == tuple(each.plural for each in RESOURCE_KINDS)


def test_registries_are_counted() -> None:
    """Each request to a registry by what came of it."""
    registry = CollectorRegistry()
    metrics = RegistryMetrics(registry)
    metrics.request_finished("denied", seconds=0.25)
    metrics.request_finished("exploded", seconds=0.5)

    assert {("denied",): 0.25, ("other",): 0.5} == counted(
        registry, "landwaiter_registry_request_seconds_sum"
    )


@pytest.mark.parametrize("values", [names.SIDES, names.DECISIONS, names.HTTP_REFUSALS])
def test_other_is_no_value_of_a_closed_set(values: Iterable[str]) -> None:
    """Else what nobody decided on would hide among what somebody did."""

    assert names.OTHER not in values


def test_the_webhook_object_is_asked_about_when_metrics_are_read() -> None:
    """Whether each path is armed, and whether it should be; and what was repaired."""
    registry = CollectorRegistry()
    armed: set[str] = set()
    metrics = WebhookMetrics(
        registry,
        armed=lambda path: path in armed,
        wanted=lambda path: path == "validate",
        leads=lambda: True,
    )
    armed.add("observe")
    metrics.repaired()

    assert ({("observe",): 1.0}, {("validate",): 1.0}, {(): 1.0}, {(): 1.0}) == tuple(
        counted(registry, f"landwaiter_webhook_{name}")
        for name in ("armed", "wanted", "leader", "repairs_total")
    )


def test_requests_to_the_kubernetes_api_are_counted() -> None:
    """By verb, resource and what came of it; what no code asks for counts as `other`."""
    registry = CollectorRegistry()
    metrics = APIMetrics(registry)
    metrics.request_finished("get", "secrets", "refused", seconds=0.25)
    metrics.request_finished("post", "passwords", "odd", seconds=0.5)

    assert {
        ("get", "secrets", "refused"): 0.25,
        ("other", "other", "other"): 0.5,
    } == counted(registry, "landwaiter_api_request_seconds_sum")


def test_each_resource_that_is_asked_for_has_its_own_series() -> None:
    """The closed set holds what `serve` asks for; `doctor` and `check` count nothing."""
    kinds = {CONFIGURATIONS, CLUSTER_ROLES, SECRETS, ROLES, CONFIG_MAPS, LEASES, EVENTS}
    watched = {NAMESPACES, SERVICE_ACCOUNTS}
    policies = {resource_of(each.plural, each.scope) for each in RESOURCE_KINDS}
    asked = {str(each) for each in kinds | watched | policies | {RESOURCE}}

    assert set(API_RESOURCES) == asked | {f"{each}/status" for each in policies}


def test_verified_images_are_counted() -> None:
    """What is kept, what is not believed, what is written and what is removed."""
    registry = CollectorRegistry()
    metrics = InventoryMetrics(registry, count=lambda: 7)
    metrics.ignored("forged")
    metrics.written("dropped")
    metrics.removed("surplus")

    assert [{(): 7.0}, {("forged",): 1.0}, {("dropped",): 1.0}, {("surplus",): 1.0}] == [
        counted(registry, name)
        for name in (
            "landwaiter_verified_images",
            "landwaiter_verified_images_ignored_total",
            "landwaiter_verified_image_writes_total",
            "landwaiter_verified_images_removed_total",
        )
    ]


def test_programs_that_give_credentials_are_counted() -> None:
    """By kind and by what came of them; no name of a program is a label."""
    registry = CollectorRegistry()
    metrics = ProgramMetrics(registry)
    metrics.program_finished("helper", "timed out", seconds=20.0)
    metrics.program_finished("docker-credential-x", "odd", seconds=0.5)

    assert {("helper", "timed out"): 20.0, ("other", "other"): 0.5} == counted(
        registry, "landwaiter_credential_program_seconds_sum"
    )


def test_conditions_are_counted() -> None:
    """Those of the cluster's policies apart from those of namespaces, with their overruns."""
    registry = CollectorRegistry()
    metrics = ConditionMetrics(registry)
    metrics.job_finished("namespaces", "overrun", seconds=1.0)
    metrics.jobs_changed("cluster", 2)

    assert ({("namespaces", "overrun"): 1.0}, {("cluster",): 2.0}) == (
        counted(registry, "landwaiter_condition_job_seconds_sum"),
        counted(registry, "landwaiter_condition_jobs_waiting"),
    )
