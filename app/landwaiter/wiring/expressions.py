"""Builds what evaluates the conditions of policies: a process for admins, one for all others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from landwaiter.cel.evaluation import Evaluator, Watcher
from landwaiter.policy.conditions import MatchConditions
from landwaiter.telemetry.observers import ConditionMetrics


@asynccontextmanager
async def match_conditions(
    metrics: ConditionMetrics | None = None,
) -> AsyncIterator[MatchConditions]:
    """
    Give what evaluates conditions, for the body of the context; no process is left behind it.

    None is started before there is a condition to evaluate.
    """
    observer = metrics or ConditionMetrics(CollectorRegistry())
    async with (
        Evaluator(watcher=Watcher(observer, "cluster")) as cluster,
        Evaluator(watcher=Watcher(observer, "namespaces")) as namespaces,
    ):
        yield MatchConditions(cluster, namespaces)
