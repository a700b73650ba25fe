"""Tells the metrics and the readiness check how the views of the cluster stand."""

import math
from functools import partial

from landwaiter.cluster.watched import ViewState, WatchedCluster
from landwaiter.telemetry.observers import ViewMetrics


def observe_views(view: WatchedCluster, metrics: ViewMetrics) -> None:
    """Show on the page of metrics how many objects each view has, and how old its news is."""
    for state in view.states():
        metrics.show(
            state.resource,
            objects=partial(_objects, view, state.resource),
            age_seconds=partial(_age_seconds, view, state.resource),
        )


def _objects(view: WatchedCluster, resource: str) -> int:
    return _state(view, resource).objects


def _age_seconds(view: WatchedCluster, resource: str) -> float:
    return age_of(_state(view, resource).age_seconds)


def age_of(seconds: float | None) -> float:
    """Return an age as metrics have it: NaN where it is not known."""
    return math.nan if seconds is None else seconds


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
