"""Every metric with every value of its labels, as a busy Landwaiter would show them."""

from itertools import product

from prometheus_client import CollectorRegistry

from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.telemetry import metrics as names
from landwaiter.telemetry import observers as words
from landwaiter.telemetry.api_observers import (
    API_OUTCOMES,
    API_RESOURCES,
    API_VERBS,
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
from landwaiter.telemetry.metrics import Metrics, ServingMetrics
from landwaiter.telemetry.observers import (
    ConditionMetrics,
    CosignMetrics,
    PolicyMetrics,
    ProgramMetrics,
    RegistryMetrics,
    ViewMetrics,
    WebhookMetrics,
)

A_POLICY = "production-images"
AN_EXCEPTION = "hotfix"
A_CAUSE = "floating tag"


def everything_counted() -> CollectorRegistry:
    """Return what counts everything, once each."""
    registry = CollectorRegistry()
    _count_requests(Metrics(registry))
    _count_serving(ServingMetrics(registry))
    _count_outside(registry)
    _count_inventory(InventoryMetrics(registry, count=lambda: 1))
    PolicyMetrics(registry, count=lambda: 1, problems=lambda: words.POLICY_SOURCES)
    views = ViewMetrics(registry)
    for view in (*words.VIEWS, *words.POLICY_VIEWS):
        views.show(view, objects=lambda: 1, age_seconds=lambda: 1.0)
    webhook = WebhookMetrics(
        registry, armed=lambda _: True, wanted=lambda _: True, leads=lambda: True
    )
    webhook.repaired()
    return registry


def _count_requests(metrics: Metrics) -> None:
    for side, decision in product(names.SIDES, names.DECISIONS):
        metrics.decided(side=side, decision=decision)
        metrics.answered(side=side, seconds=0.1, left_seconds=1.0)
        metrics.handler_failed(side=side)
        metrics.overran(side=side)
    for rule, action, outcome in product(CATALOGUE, names.ACTIONS, names.OUTCOMES):
        metrics.found(policy=A_POLICY, rule=rule, action=action, outcome=outcome, cause=A_CAUSE)
        metrics.excepted(exception=AN_EXCEPTION, policy=A_POLICY, rule=rule)
    for reason in names.HTTP_REFUSALS:
        metrics.http_refused(reason)
    metrics.watch(requests=lambda: 1.0, body_bytes=lambda: 1.0)


def _count_serving(metrics: ServingMetrics) -> None:
    metrics.connections(1)
    for reason in names.CONNECTION_ENDS:
        metrics.connection_ended(reason)
    metrics.ready(is_ready=True)
    metrics.certificate_loaded(begins=1.0, expires=2.0)
    metrics.certificate_refused()


def _count_inventory(inventory: InventoryMetrics) -> None:
    for cause in IGNORED:
        inventory.ignored(cause)
    for outcome in WRITTEN:
        inventory.written(outcome)
    for cause in REMOVED:
        inventory.removed(cause)


def _count_outside(registry: CollectorRegistry) -> None:
    cosign, registries = CosignMetrics(registry), RegistryMetrics(registry)
    for answer in words.CACHE_ANSWERS:
        cosign.cache_hit(answer)
    for form, end in product(words.RUN_FORMS, words.RUN_ENDS):
        cosign.run_finished(form, end, images=1, seconds=0.1)
    cosign.flights_changed(1)
    cosign.queue_changed(1)
    for outcome in words.REQUEST_OUTCOMES:
        registries.request_finished(outcome, seconds=0.1)
    programs = ProgramMetrics(registry)
    for kind, end in product(words.PROGRAM_KINDS, words.PROGRAM_ENDS):
        programs.program_finished(kind, end, seconds=0.1)
    conditions, api = ConditionMetrics(registry), APIMetrics(registry)
    for scope, end in product(words.CONDITION_SCOPES, words.CONDITION_ENDS):
        conditions.job_finished(scope, end, seconds=0.1)
        conditions.jobs_changed(scope, 1)
    for verb, outcome in product(API_VERBS, API_OUTCOMES):
        api.request_finished(verb, "secrets", outcome, seconds=0.1)
    for resource in API_RESOURCES:
        api.request_finished("get", resource, "done", seconds=0.1)
    events = EventMetrics(registry)
    for outcome in EVENT_OUTCOMES:
        events.event_noted(outcome)
