"""
The status of a document of the cluster, in the form that Kubernetes gives to conditions.

`Ready` is whether this generation is in force, `Degraded` why it is not, and `Warning` whether the
linter has something to say. A warning changes neither of the others.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from landwaiter.policy.cluster_documents import DocumentState
from landwaiter.policy.document_report import DocumentReport
from landwaiter.policy.exception_models import ImagePolicyException

MESSAGE_MAX_CHARACTERS: Final = 4000
"""Of what the linter says about one document."""

_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"

_Values: TypeAlias = tuple[str, str, str]
"""Status, reason and message of a condition."""

_IN_FORCE: Final = "this generation is in force"


def status_of(report: DocumentReport, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """
    Return the status of a document; a condition that stays keeps its time.

    Where the linter has not looked yet, what is said of it stays.
    """
    generation = report.state.document.generation
    old = {each.get("type"): each for each in before.get("conditions") or ()}
    wanted = {"Ready": _ready(report), "Degraded": _degraded(report.state)}
    if (warning := _warning(report)) is not None:
        wanted["Warning"] = warning
    conditions = [
        _condition(kind, values, generation, old.get(kind, {}), now)
        for kind, values in wanted.items()
    ]
    if warning is None and "Warning" in old:
        conditions.append(dict(old["Warning"]))
    return {
        "observedGeneration": generation,
        "rules": list(report.rules),
        "counts": report.counts.given(),
        "conditions": conditions,
    }


def _ready(report: DocumentReport) -> _Values:
    state = report.state
    if state.problem is None and report.ended is not None:
        return "False", "Ended", f"it ended at {report.ended.strftime(_TIME_FORMAT)}"
    if state.problem is None:
        return "True", "InForce", _IN_FORCE
    if state.loaded is not None:
        return "False", "NotLoaded", "the last good generation is in force"
    return "False", "NotLoaded", "no generation has ever loaded; nothing is in force"


def _degraded(state: DocumentState) -> _Values:
    if state.problem is None:
        return "False", "Loaded", "this generation loads"
    return "True", "NotLoaded", state.problem


def _warning(report: DocumentReport) -> _Values | None:
    """Return what the linter says, None where it has nothing to look at, or has not looked yet."""
    is_linted = report.state.document.name.kind != ImagePolicyException.__name__
    if report.state.problem is not None and is_linted:
        return "Unknown", "NotLoaded", "the linter looks at what loads"
    if report.warnings is None:
        return None
    if not report.warnings:
        return "False", "NothingToSay", "the linter has nothing to say"
    return "True", "LinterWarnings", "; ".join(report.warnings)[:MESSAGE_MAX_CHARACTERS]


def _condition(
    kind: str, values: _Values, generation: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    status, reason, message = values
    stays = before.get("status") == status and "lastTransitionTime" in before
    since = before["lastTransitionTime"] if stays else now.strftime(_TIME_FORMAT)
    return {
        "type": kind,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
