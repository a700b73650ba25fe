"""
The dashboard: questions of an admin, and the expressions that answer them.

Written for Grafana into the chart and into `deploy/`. Run this file to write both anew
(`make generate`).
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = (
    ROOT / "charts" / "landwaiter" / "files" / "dashboard.json",
    ROOT / "deploy" / "dashboard.json",
)

WIDTH: Final = 24
DATA_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and what its lines are called; `{{label}}` is a label's value."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture; `hint` says what to do about what it shows."""

    title: str
    queries: tuple[Query, ...]
    hint: str
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A question, and the panels that answer it."""

    question: str
    panels: tuple[Panel, ...]


def _stat(title: str, unit: str, hint: str, *queries: Query) -> Panel:
    return Panel(title, queries, hint, unit, "stat", width=4, height=4)


def _p(share: str, metric: str, *by: str, where: str = "") -> str:
    kept = ", ".join(("le", *by))
    return f"histogram_quantile({share}, sum by ({kept}) (rate({metric}_bucket{where}[5m])))"


HEALTH = Row(
    "Is it healthy?",
    (
        _stat(
            "Pods that are ready",
            "short",
            "None: while a policy denies, no Pod can be created. /readyz of a Pod says why.",
            Query("sum(landwaiter_ready)"),
        ),
        _stat(
            "Asked by the API server",
            "short",
            "Wanted and not armed: the door is open. Look for Events DoorOpened.",
            Query("max by (path) (landwaiter_webhook_armed)", "{{path}}"),
            Query("max by (path) (landwaiter_webhook_wanted)", "{{path}} is wanted"),
        ),
        _stat(
            "Policies in force",
            "short",
            "Those of files and of the cluster together.",
            Query("max(landwaiter_policies)"),
        ),
        _stat(
            "Sources that do not load",
            "short",
            "1: the last good set judges; the log says what is wrong.",
            Query("max by (source) (landwaiter_policies_degraded)", "{{source}}"),
        ),
        _stat(
            "Until the certificate ends",
            "s",
            "It is renewed after two thirds of its life.",
            Query("min(landwaiter_certificate_expiry_timestamp_seconds) - time()"),
        ),
        _stat(
            "Oldest news of the cluster",
            "s",
            "Above 80 s namespaces and accounts are asked for by name.",
            Query("max by (resource) (landwaiter_view_age_seconds)", "{{resource}}"),
        ),
        Panel(
            "Bugs, refused rights, quarrels",
            (
                Query("sum(increase(landwaiter_handler_errors_total[1h]))", "bugs"),
                Query("sum(increase(landwaiter_judge_overruns_total[1h]))", "overruns"),
                Query("sum(increase(landwaiter_webhook_repairs_total[1h]))", "repairs"),
                Query(
                    "sum by (verb, resource) (increase("
                    'landwaiter_api_request_seconds_count{outcome="refused"}[1h]))',
                    "may not {{verb}} {{resource}}",
                ),
            ),
            "All of these are nothing on a good day. A refused right is named in the log.",
        ),
        Panel(
            "Load",
            (
                Query("sum(landwaiter_requests_in_flight)", "reviews in hand"),
                Query("sum(landwaiter_connections)", "connections"),
                Query(
                    "sum by (reason) (rate(landwaiter_http_refusals_total[5m]))",
                    "sent away a second: {{reason}}",
                ),
            ),
            "Reviews sent away as overloaded come again by themselves; add replicas.",
        ),
    ),
)

REFUSED = Row(
    "What is refused, and why?",
    (
        Panel(
            "What is decided",
            (
                Query(
                    "sum by (side, decision) (rate(landwaiter_decisions_total[5m]))",
                    "{{side}}: {{decision}}",
                ),
            ),
            "enforce can refuse, observe only tells.",
            "reqps",
        ),
        Panel(
            "Refused by policies that deny",
            (
                Query(
                    "sum by (policy, rule, cause) (rate(landwaiter_findings_total"
                    '{action="Deny", outcome="violation"}[5m]))',
                    "{{policy}}: {{rule}}: {{cause}}",
                ),
            ),
            "The log has user, object and image: event=decided, decision=deny.",
            "reqps",
        ),
        Panel(
            "Would be refused: policies that warn or audit",
            (
                Query(
                    "sum by (policy, rule, cause) (increase(landwaiter_findings_total"
                    '{action!="Deny", outcome="violation"}[1d])) > 0',
                    "{{policy}}: {{rule}}: {{cause}}",
                ),
            ),
            "In a day. What is nothing here for a while can deny.",
        ),
        Panel(
            "Let through by exceptions",
            (
                Query(
                    "sum by (exception, policy, rule) "
                    "(increase(landwaiter_exceptions_used_total[1d])) > 0",
                    "{{exception}}: {{policy}}: {{rule}}",
                ),
            ),
            "In a day. An exception that is used until its end needs another answer.",
        ),
        Panel(
            "What could not be found out",
            (
                Query(
                    "sum by (policy, rule, outcome, cause) (rate(landwaiter_findings_total"
                    '{outcome=~"undecided|let through"}[5m]))',
                    "{{policy}}: {{rule}}: {{cause}} ({{outcome}})",
                ),
            ),
            "let through: undecided under failurePolicy Ignore.",
            "reqps",
        ),
        Panel(
            "Events about workloads",
            (
                Query(
                    "sum by (outcome) (increase(landwaiter_workload_events_total[1h]))",
                    "{{outcome}}",
                ),
            ),
            "Dropped: somebody has very much refused.",
        ),
    ),
)

TIME = Row(
    "Who is nearly out of time?",
    (
        Panel(
            "How long reviews take",
            (
                Query(_p("0.5", "landwaiter_request_seconds", "side"), "{{side}}: p50"),
                Query(_p("0.99", "landwaiter_request_seconds", "side"), "{{side}}: p99"),
            ),
            "From the head of the request to its answer.",
            "s",
        ),
        Panel(
            "What is left of the deadline",
            (
                Query(
                    _p("0.01", "landwaiter_deadline_left_seconds", "side"),
                    "{{side}}: one in a hundred has less",
                ),
            ),
            "Near nothing: what asks outside is too slow, or webhook.timeoutSeconds too short.",
            "s",
        ),
        Panel(
            "How long outside calls take, p99",
            (
                Query(_p("0.99", "landwaiter_registry_request_seconds"), "registries"),
                Query(_p("0.99", "landwaiter_cosign_run_seconds"), "cosign"),
                Query(_p("0.99", "landwaiter_api_request_seconds"), "Kubernetes API"),
                Query(
                    _p("0.99", "landwaiter_condition_job_seconds", "scope"), "{{scope}} conditions"
                ),
            ),
            "Whoever is slow here is what reviews wait for.",
            "s",
        ),
        Panel(
            "Outside calls that failed",
            (
                Query(
                    "sum by (outcome) (rate(landwaiter_registry_request_seconds_count"
                    '{outcome=~"denied|malformed|unavailable|late"}[5m]))',
                    "registry {{outcome}}",
                ),
                Query(
                    'sum by (format) (rate(landwaiter_cosign_run_seconds_count{end="fault"}[5m]))',
                    "cosign fault ({{format}})",
                ),
                Query(
                    "sum by (kind, end) (rate(landwaiter_credential_program_seconds_count"
                    '{end!="ok"}[5m]))',
                    "credential {{kind}} {{end}}",
                ),
                Query(
                    "sum by (outcome) (rate(landwaiter_api_request_seconds_count"
                    '{outcome=~"throttled|failed|unanswered"}[5m]))',
                    "Kubernetes API {{outcome}}",
                ),
                Query(
                    "sum by (scope, end) (rate(landwaiter_condition_job_seconds_count"
                    '{end!="whole"}[5m]))',
                    "{{scope}} conditions {{end}}",
                ),
            ),
            "An overrun is a condition that is too slow: the log of that review names the policy.",
            "reqps",
        ),
        Panel(
            "Signatures",
            (Query("sum by (answer) (rate(landwaiter_cosign_cache_total[5m]))", "{{answer}}"),),
            "Answers from memory, and misses, which are looked up.",
            "reqps",
        ),
        Panel(
            "Queues",
            (
                Query("sum(landwaiter_cosign_flights)", "verifications under way"),
                Query("sum(landwaiter_cosign_images_waiting)", "images that wait for cosign"),
                Query("sum by (scope) (landwaiter_condition_jobs_waiting)", "{{scope}} conditions"),
            ),
            "Images that wait for long: more cores, or more of cosign.runs.",
        ),
    ),
)

ROWS: Final = (HEALTH, REFUSED, TIME)


def queries() -> Iterator[Query]:
    """Yield every expression of the dashboard."""
    for row in ROWS:
        for panel in row.panels:
            yield from panel.queries


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    return {
        "title": "Landwaiter",
        "uid": "landwaiter",
        "tags": ["landwaiter"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "query": "prometheus",
                    "label": "Data source",
                }
            ]
        },
        "panels": list(_panels(ROWS)),
    }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        yield {"id": number, "title": row.question, "type": "row", "gridPos": place, "panels": []}
        x, y = 0, y + 1
        for panel in row.panels:
            number += 1
            if x + panel.width > WIDTH:
                x = 0
            yield _panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            x += panel.width
            if x == WIDTH:
                x, y = 0, y + panel.height


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "description": panel.hint,
        "type": panel.kind,
        "datasource": DATA_SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": query.expression, "legendFormat": query.legend}
            for at, query in enumerate(panel.queries)
        ],
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file in FILES:
        file.write_text(text(), encoding="utf-8")
        print(file.relative_to(ROOT), file=sys.stderr)
