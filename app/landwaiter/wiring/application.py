"""Builds the webhook from its settings and runs it until it is told to stop."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import structlog
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from landwaiter import __version__
from landwaiter.admission.handler import Handler
from landwaiter.admission.http import Gate, RequestLimits, admission_app
from landwaiter.admission.telling import Teller
from landwaiter.cluster.client import ClusterClient
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.state import ClusterState
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.view import ClusterView, NamespaceLabels
from landwaiter.cluster.watched import WatchedCluster
from landwaiter.container import this_container
from landwaiter.errors import InvalidInput
from landwaiter.images.reference import ShortNames
from landwaiter.policy.exceptions import utc_now
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings
from landwaiter.policy.judge import Judge
from landwaiter.policy.live import PoliciesInForce
from landwaiter.policy.matching import Policy
from landwaiter.policy.standing import StandingVerdicts
from landwaiter.serving.certificates import CertificateFiles
from landwaiter.serving.health import Check, Readiness
from landwaiter.serving.server import (
    NO_BACKING,
    Backing,
    Ports,
    ServerSettings,
    run_on_uvloop,
    serve,
)
from landwaiter.sizing import CosignRuns, cosign_runs
from landwaiter.telemetry.api_observers import APIMetrics
from landwaiter.telemetry.logging import configure_logging
from landwaiter.telemetry.metrics import Metrics, ServingMetrics
from landwaiter.telemetry.observers import ConditionMetrics, PolicyMetrics, ViewMetrics
from landwaiter.telemetry.tracing import tracing
from landwaiter.tls.rotation import RotationTimes
from landwaiter.webhooks.settings import WebhookSettings
from landwaiter.wiring.arming import paths_needed
from landwaiter.wiring.cluster_policies import ClusterPolicySettings, cluster_policies
from landwaiter.wiring.expressions import match_conditions
from landwaiter.wiring.memory import map_large_blocks, spare_what_stays
from landwaiter.wiring.outside import OutsideSettings, fact_source
from landwaiter.wiring.policies import ConfigMapName, LastGoodSet, PolicyFolder
from landwaiter.wiring.room import tell_runs
from landwaiter.wiring.temporary_folder import TemporaryFolder
from landwaiter.wiring.verified_images import VerifiedImageSettings, verified_before
from landwaiter.wiring.views import observe_views, unsettled
from landwaiter.wiring.webhook import WebhookParts, webhook_kept
from landwaiter.wiring.workload_events import workload_events

IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""The variable that Kubernetes sets in every container."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class InstallSettings:
    """
    Everything that an admin decides for an install.

    `policies` is None where none are in files, `own_namespace` where none are in the cluster;
    `last_good` is where the last good set is kept, None where it is not. With `events` the cluster
    is told of what is refused, and of exceptions that are used. Without `watches_accounts` service
    accounts are asked for by name. `verified_images` is where what was verified is kept, None for
    the memory of each process. `otlp_endpoint` is where traces go, None for nowhere.
    """

    policies: Path | None
    server: ServerSettings
    outside: OutsideSettings
    short_names: ShortNames
    kubeconfig: Path | None = None
    last_good: ConfigMapName | None = None
    install: PolicyInstallSettings = DEFAULTS
    webhook: WebhookSettings | None = None
    rotation: RotationTimes = field(default_factory=RotationTimes)
    own_namespace: str | None = None
    events: bool = False
    watches_accounts: bool = True
    verified_images: VerifiedImageSettings | None = None
    otlp_endpoint: str | None = None


def run(settings: InstallSettings) -> None:
    """
    Serve until told to stop.

    Raises `InvalidInput` for policies, certificates or registries that do not load, before
    anything is answered, and `ClusterUnavailable` for a kubeconfig that cannot be used.
    """
    map_large_blocks()
    configure_logging()
    runs = cosign_runs(this_container(), settings.outside.cosign_runs)
    outside = replace(settings.outside, cosign_runs=runs.at_once)
    run_on_uvloop(_serve(replace(settings, outside=outside), runs))


async def _serve(settings: InstallSettings, runs: CosignRuns) -> None:
    collectors = CollectorRegistry()
    metrics, serving_metrics = Metrics(collectors), ServingMetrics(collectors)
    expressions = ConditionMetrics(collectors)
    policies = PoliciesInForce()
    PolicyMetrics(collectors, count=lambda: len(policies()), problems=lambda: policies.problems)
    async with (
        _cluster(settings, collectors) as cluster,
        verified_before(
            settings.verified_images, cluster.transport, policies, collectors
        ) as verified,
        fact_source(
            settings.outside,
            policies=policies,
            view=cluster.view,
            collectors=collectors,
            expressions=expressions,
            warn=_warned,
            ledger=verified.ledger,
        ) as source,
        _watched(settings, policies, cluster),
        _backing(settings, policies, cluster, collectors) as backing,
        match_conditions(expressions) as conditions,
        _teller(settings, cluster, collectors) as teller,
        tracing(settings.otlp_endpoint) as tracer,
    ):
        if cluster.objects is None:
            _log.warning("no cluster: neither in a Pod nor with --kubeconfig")
        namespaces = NamespaceLabels(cluster.view)
        judge = StandingVerdicts(
            Judge(
                policies=policies,
                source=source,
                namespaces=namespaces,
                install=settings.install,
                clock=cluster.now,
                conditions=conditions,
                inventory=verified.ledger,
            ),
            policies=policies,
            known_labels=namespaces.known_labels,
        )
        handler = Handler(
            judge=judge,
            short_names=settings.short_names,
            metrics=metrics,
            tracer=tracer,
            teller=teller,
        )
        gate = Gate(handler=handler, limits=RequestLimits(), metrics=metrics)
        await serve(
            admission_app(gate),
            settings.server,
            readiness=Readiness(
                {**cluster.checks, **verified.checks, "temporaryFolder": TemporaryFolder().problem},
                serving_metrics,
            ),
            metrics=serving_metrics,
            registry=collectors,
            on_started=lambda ports: _begun(policies(), ports, runs),
            backing=backing,
        )


@dataclass(frozen=True, slots=True)
class _Cluster:
    """What there is of a cluster; all but `view` is None or empty where there is none."""

    view: ClusterView
    transport: ApiTransport | None = None
    objects: ClusterObjects | None = None
    views: ViewMetrics | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)

    def now(self) -> datetime:
        """Return the time of day, where there is a cluster that of its API server."""
        if self.transport is None:
            return utc_now()
        return datetime.fromtimestamp(self.transport.server_time(), UTC)


@asynccontextmanager
async def _cluster(
    settings: InstallSettings, collectors: CollectorRegistry
) -> AsyncIterator[_Cluster]:
    kubeconfig = settings.kubeconfig
    if kubeconfig is None and IN_CLUSTER not in os.environ:
        yield _Cluster(ClusterState(advice="landwaiter runs without --kubeconfig"))
        return
    transport = ApiTransport.connect(kubeconfig, observer=APIMetrics(collectors))
    view = WatchedCluster(transport, ClusterClient(transport), accounts=settings.watches_accounts)
    views = ViewMetrics(collectors)
    observe_views(view, views)
    view.start()
    try:
        checks = {"views": partial(unsettled, view)}
        yield _Cluster(view, transport, ClusterObjects(transport), views, checks)
    finally:
        await view.close()


@asynccontextmanager
async def _watched(
    settings: InstallSettings, policies: PoliciesInForce, cluster: _Cluster
) -> AsyncIterator[None]:
    """Keep the policies in force inside the block; raises as `run` does."""
    last_good = None
    if settings.last_good is not None:
        if cluster.objects is None:
            raise InvalidInput(
                f"--last-good-set: seen {settings.last_good}, wanted none without a cluster"
            )
        last_good = LastGoodSet(cluster.objects, settings.last_good, settings.install)
    async with AsyncExitStack() as stack:
        if settings.policies is not None:
            folder = PolicyFolder(settings.policies, policies, last_good, settings.install)
            await folder.start()
            await stack.enter_async_context(folder.watched())
        if settings.own_namespace is not None:
            if cluster.transport is None:
                raise InvalidInput("--policies-from-cluster: given, but there is no cluster")
            kept = None if settings.last_good is None else settings.last_good.beside("cluster")
            role = None if settings.webhook is None else settings.webhook.name
            given = ClusterPolicySettings(settings.own_namespace, settings.install, kept, role)
            await stack.enter_async_context(
                cluster_policies(given, cluster.transport, policies, cluster.views)
            )
        yield


@asynccontextmanager
async def _backing(
    settings: InstallSettings,
    policies: PoliciesInForce,
    cluster: _Cluster,
    collectors: CollectorRegistry,
) -> AsyncIterator[Backing]:
    """Keep the webhook object and its certificate inside the block, if that is asked for."""
    webhook, server = settings.webhook, settings.server
    if webhook is None:
        yield NO_BACKING
        return
    if cluster.transport is None:
        raise InvalidInput(f"--webhook-name: seen {webhook.name}, wanted none without a cluster")
    files = None
    if server.tls_cert is not None and server.tls_key is not None:
        files = CertificateFiles(server.tls_cert, server.tls_key)
    parts = WebhookParts(
        cluster.transport,
        lambda: paths_needed(policies(), settings.install),
        collectors,
        files,
        settings.rotation,
    )
    async with webhook_kept(webhook, parts) as backing:
        yield backing


@asynccontextmanager
async def _teller(
    settings: InstallSettings, cluster: _Cluster, collectors: CollectorRegistry
) -> AsyncIterator[Teller | None]:
    """Give what tells the cluster, None where it is not to be told."""
    if not settings.events:
        yield None
        return
    if cluster.objects is None:
        raise InvalidInput("--events: given, but there is no cluster")
    webhook = settings.webhook
    own = settings.own_namespace or (None if webhook is None else webhook.own_namespace)
    async with workload_events(cluster.objects, own, collectors) as teller:
        yield teller


def _warned(problem: str) -> None:
    """Log why credentials of the install cannot be had."""
    _log.warning("credentials of the install cannot be had", error=problem)


def _begun(policies: Iterable[Policy], ports: Ports, runs: CosignRuns) -> None:
    """Tell that it has begun, and spare the garbage collector what stays for good."""
    spare_what_stays()
    _log.info(
        "started",
        version=__version__,
        policies=[policy.name for policy in policies],
        port=ports.admission,
        metrics_port=ports.metrics,
    )
    tell_runs(runs)
