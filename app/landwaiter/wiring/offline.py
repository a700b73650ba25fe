"""Builds the judge of the offline check: the webhook's own, with manifests for a cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from landwaiter.cluster.state import ClusterState
from landwaiter.cluster.view import NamespaceLabels
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings
from landwaiter.policy.judge import Judge
from landwaiter.policy.sources import load_policies
from landwaiter.wiring.expressions import match_conditions
from landwaiter.wiring.outside import OutsideSettings, fact_source


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """What the offline check is told; paths are None where none was given."""

    policies: Path
    cluster_state: Path | None
    outside: OutsideSettings
    install: PolicyInstallSettings = DEFAULTS


@asynccontextmanager
async def offline_judge(settings: OfflineSettings) -> AsyncIterator[Judge]:
    """
    Give a judge for the body of the context.

    Raises `InvalidInput` when a policy, the cluster's state or the registries do not load.
    """
    policies = load_policies(settings.policies, settings.install)
    state = settings.cluster_state
    view = ClusterState() if state is None else ClusterState.read(state)
    async with (
        fact_source(settings.outside, policies=lambda: policies, view=view) as source,
        match_conditions() as conditions,
    ):
        yield Judge(
            policies=lambda: policies,
            source=source,
            namespaces=NamespaceLabels(view),
            install=settings.install,
            conditions=conditions,
        )
