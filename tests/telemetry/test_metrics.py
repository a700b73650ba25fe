"""Names, labels and values of the metrics."""

import inspect
from collections.abc import Iterable
from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry

from landwaiter.cosign.observer import Answered, RunEnd, Unobserved
from landwaiter.cosign.outcome import AttestationFormat, SignatureFormat
from landwaiter.telemetry import metrics as names
from landwaiter.telemetry.metrics import (
    EXCEPTION_NAMES_LIMIT,
    POLICY_NAMES_LIMIT,
    Metrics,
    ServingMetrics,
)
from landwaiter.telemetry.observers import (
    CACHE_ANSWERS,
    RUN_ENDS,
    RUN_FORMS,
    CosignMetrics,
    RegistryMetrics,
    WebhookMetrics,
)


def counted(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric that are not zero, by their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name and sample.value
    }


def test_every_name_begins_with_landwaiter() -> None:
    """The metric names are a stable surface."""
    registry = CollectorRegistry()
    for kind in (Metrics, ServingMetrics, CosignMetrics, RegistryMetrics):
        kind(registry)

    assert [
        "landwaiter_body_bytes_held",
        "landwaiter_certificate_expiry_timestamp_seconds",
        "landwaiter_certificate_not_before_timestamp_seconds",
        "landwaiter_certificate_reloads",
        "landwaiter_connections",
        "landwaiter_connections_ended",
        "landwaiter_cosign_cache",
        "landwaiter_cosign_flights",
        "landwaiter_cosign_run_images",
        "landwaiter_cosign_run_seconds",
        "landwaiter_decisions",
        "landwaiter_exceptions_used",
        "landwaiter_findings",
        "landwaiter_handler_errors",
        "landwaiter_http_refusals",
        "landwaiter_judge_overruns",
        "landwaiter_ready",
        "landwaiter_registry_request_seconds",
        "landwaiter_request_seconds",
        "landwaiter_requests_in_flight",
    ] == sorted(metric.name for metric in registry.collect())


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
    metrics.found(policy="p", rule="pinnedTags", action="Shout", outcome="odd")

    assert (
        {("other", "other"): 1.0},
        {("other",): 1.0},
        {("p", "pinnedTags", "other", "other"): 1.0},
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
        metrics.found(policy=f"p{number}", rule="r", action="Deny", outcome="violation")
    found = counted(registry, "landwaiter_findings_total")

    assert (POLICY_NAMES_LIMIT + 1, 10.0) == (
        len(found),
        found["other", "r", "Deny", "violation"],
    )


def test_names_of_namespaces_take_no_place_from_those_of_the_cluster() -> None:
    """Whoever may write policies in a namespace cannot hide the cluster's among `other`."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in range(POLICY_NAMES_LIMIT + 10):
        metrics.found(policy=f"shop/p{number}", rule="r", action="Deny", outcome="violation")
    metrics.found(policy="p", rule="r", action="Deny", outcome="violation")
    found = counted(registry, "landwaiter_findings_total")

    assert (10.0, 1.0) == (
        found["other", "r", "Deny", "violation"],
        found["p", "r", "Deny", "violation"],
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
    metrics.answered(side="observe", seconds=0.5)
    metrics.handler_failed(side="enforce")
    metrics.overran(side="enforce")

    assert (
        {(): 3.0},
        {(): 7.0},
        {("observe",): 0.5},
        {("enforce",): 1.0},
        {("enforce",): 1.0},
    ) == (
        counted(registry, "landwaiter_requests_in_flight"),
        counted(registry, "landwaiter_body_bytes_held"),
        counted(registry, "landwaiter_request_seconds_sum"),
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
    metrics.run_finished("bundle", "exit 0", images=3, seconds=0.1)

    assert (
        {("verified",): 1.0, ("miss",): 1.0},
        {(): 4.0},
        {("bundle", "exit 0"): 0.1},
        {("bundle",): 3.0},
    ) == (
        counted(registry, "landwaiter_cosign_cache_total"),
        counted(registry, "landwaiter_cosign_flights"),
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


def test_each_value_that_the_verifier_can_give_has_its_own_series() -> None:
    """The closed sets are those of the room that counts through the observer."""

    forms = (*SignatureFormat, *AttestationFormat)

    assert (forms, get_args(RunEnd), (*get_args(Answered), "miss")) == (
        RUN_FORMS,
        RUN_ENDS,
        CACHE_ANSWERS,
    )


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
