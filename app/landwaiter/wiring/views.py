"""Tells the metrics and the readiness check how the views of the cluster stand."""

import math

from prometheus_client import CollectorRegistry

from landwaiter.cluster.watched import ViewState, WatchedCluster
from landwaiter.telemetry.observers import ViewMetrics


def observe_views(view: WatchedCluster, collectors: CollectorRegistry) -> None:
    """Show on the page of metrics how many objects each view has, and how old its news is."""

    def age_seconds(resource: str) -> float:
        age = _state(view, resource).age_seconds
        return math.nan if age is None else age

    ViewMetrics(
        collectors,
        objects=lambda resource: _state(view, resource).objects,
        age_seconds=age_seconds,
    )


def unsettled(view: WatchedCluster) -> str | None:
    """
    Return which views are not there yet, None where all are.

    A view that the API server refuses counts as there: what it would know is asked for by name,
    and a missing right must not keep every replica from becoming ready. So does one that has been
    there once, for the same reason, whatever becomes of the API server.
    """
    waiting = [state.resource for state in view.states() if not state.is_settled]
    return f"{', '.join(waiting)} not listed yet" if waiting else None


def _state(view: WatchedCluster, resource: str) -> ViewState:
    return next(state for state in view.states() if state.resource == resource)
