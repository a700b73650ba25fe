"""Builds the webhook from its settings and runs it until it is told to stop."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from landwaiter import __version__
from landwaiter.admission.handler import Handler
from landwaiter.admission.http import Gate, RequestLimits, admission_app
from landwaiter.cluster.client import ClusterClient
from landwaiter.cluster.state import ClusterState
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.view import ClusterView, NamespaceLabels
from landwaiter.images.reference import ShortNames
from landwaiter.policy.judge import Judge
from landwaiter.policy.matching import Policy
from landwaiter.policy.sources import load_policies
from landwaiter.serving.health import Readiness
from landwaiter.serving.server import Ports, ServerSettings, run_on_uvloop, serve
from landwaiter.telemetry.logging import configure_logging
from landwaiter.telemetry.metrics import Metrics, ServingMetrics
from landwaiter.wiring.outside import OutsideSettings, fact_source

IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""The variable that Kubernetes sets in every container."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class InstallSettings:
    """Everything that an admin decides for an install."""

    policies: Path
    server: ServerSettings
    outside: OutsideSettings
    short_names: ShortNames
    kubeconfig: Path | None = None


def run(settings: InstallSettings) -> None:
    """
    Serve until told to stop.

    Raises `InvalidInput` for policies, certificates or registries that do not load, before
    anything is answered, and `ClusterUnavailable` for a kubeconfig that cannot be used.
    """
    configure_logging()
    policies = load_policies(settings.policies)
    run_on_uvloop(_serve(settings, policies))


async def _serve(settings: InstallSettings, policies: Sequence[Policy]) -> None:
    collectors = CollectorRegistry()
    metrics, serving_metrics = Metrics(collectors), ServingMetrics(collectors)
    async with (
        _cluster(settings.kubeconfig) as view,
        fact_source(
            settings.outside, policies=lambda: policies, view=view, collectors=collectors
        ) as source,
    ):
        judge = Judge(policies=lambda: policies, source=source, namespaces=NamespaceLabels(view))
        handler = Handler(judge=judge, short_names=settings.short_names, metrics=metrics)
        gate = Gate(handler=handler, limits=RequestLimits(), metrics=metrics)
        await serve(
            admission_app(gate),
            settings.server,
            readiness=Readiness({}, serving_metrics),
            metrics=serving_metrics,
            registry=collectors,
            on_started=lambda ports: _tell(policies, ports),
        )


@asynccontextmanager
async def _cluster(kubeconfig: Path | None) -> AsyncIterator[ClusterView]:
    if kubeconfig is None and IN_CLUSTER not in os.environ:
        _log.warning("no cluster: neither in a Pod nor with --kubeconfig; see docs/operations.md")
        yield ClusterState(advice="landwaiter runs without --kubeconfig")
        return
    client = ClusterClient(ApiTransport.connect(kubeconfig))
    try:
        yield client
    finally:
        await client.close()


def _tell(policies: Sequence[Policy], ports: Ports) -> None:
    _log.info(
        "started",
        version=__version__,
        policies=[policy.name for policy in policies],
        port=ports.admission,
        metrics_port=ports.metrics,
    )
