"""Each alert fires when it should and is silent when it should be, in the real promtool."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.expressions import kept_labels, matchers_in, metrics_in
from monitoring.test_dashboard import LABELS
from monitoring.unit_tests import promtool_test, series
from realparts.helm import CHART

FILE = CHART / "files" / "alerts.yaml"
ALERTS: list[dict[str, Any]] = [
    alert for group in yaml.safe_load(FILE.read_text("utf-8"))["groups"] for alert in group["rules"]
]
POD = {"instance": "10.0.0.1:8080"}
READY = series("landwaiter_ready", "1x90", **POD)
WANTED = series("landwaiter_webhook_wanted", "1x90", path="validate", **POD)
VERDICTS = "landwaiter_decisions_total"
LEFT = "landwaiter_deadline_left_seconds"
TOOK = "landwaiter_request_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Case:
    """
    Series with which an alert fires, and others with which it does not.

    `at` is when, in minutes; `labels` are those of the alert besides its severity.
    """

    fires: list[dict[str, str]]
    silent: list[dict[str, str]]
    at: int = 30
    labels: Mapping[str, str] = field(default_factory=dict)


def grows(name: str, **labels: str) -> dict[str, str]:
    return series(name, "0+1x90", **labels)


def stays(name: str, **labels: str) -> dict[str, str]:
    return series(name, "7x90", **labels)


CASES = {
    "LandwaiterNobodyReady": Case(
        fires=[series("landwaiter_ready", "0x90", instance="a")],
        silent=[READY, series("landwaiter_ready", "0x90", instance="b")],
        at=3,
    ),
    "LandwaiterNotReady": Case(
        fires=[series("landwaiter_ready", "0x90", **POD)],
        silent=[series("landwaiter_ready", "0x8 1x80", **POD)],
        labels=POD,
    ),
    "LandwaiterDoorOpen": Case(
        fires=[WANTED, series("landwaiter_webhook_armed", "0x90", path="validate", **POD)],
        silent=[WANTED, series("landwaiter_webhook_armed", "1x90", path="validate", **POD)],
        at=6,
        labels={"path": "validate"},
    ),
    "LandwaiterWebhookQuarrel": Case(
        fires=[series("landwaiter_webhook_repairs_total", "0+1x90", **POD)],
        silent=[series("landwaiter_webhook_repairs_total", "0x10 1x80", **POD)],
        labels=POD,
    ),
    "LandwaiterPoliciesDegraded": Case(
        fires=[series("landwaiter_policies_degraded", "1x90", source="cluster", **POD)],
        silent=[series("landwaiter_policies_degraded", "1x3 0x80", source="cluster", **POD)],
        at=6,
    ),
    "LandwaiterCertificateEnds": Case(
        fires=[series("landwaiter_certificate_expiry_timestamp_seconds", "600000x90", **POD)],
        silent=[series("landwaiter_certificate_expiry_timestamp_seconds", "700000x90", **POD)],
        at=62,
    ),
    "LandwaiterUndecided": Case(
        fires=[
            grows(VERDICTS, side="enforce", decision="undecided"),
            series(VERDICTS, "0+9x90", side="enforce", decision="allow"),
        ],
        silent=[
            grows(VERDICTS, side="enforce", decision="undecided"),
            series(VERDICTS, "0+99x90", side="enforce", decision="allow"),
        ],
    ),
    "LandwaiterSlow": Case(
        fires=[
            series(TOOK, "0x90", side="enforce", le="5.0"),
            grows(TOOK, side="enforce", le="10.0"),
            grows(TOOK, side="enforce", le="+Inf"),
        ],
        silent=[
            grows(TOOK, side="enforce", le="5.0"),
            grows(TOOK, side="enforce", le="+Inf"),
            series(TOOK, "0x90", side="observe", le="5.0"),
            grows(TOOK, side="observe", le="10.0"),
            grows(TOOK, side="observe", le="+Inf"),
        ],
    ),
    "LandwaiterNearDeadline": Case(
        fires=[
            grows(f"{LEFT}_bucket", side="enforce", le="0.5"),
            series(f"{LEFT}_count", "0+10x90", side="enforce"),
        ],
        silent=[
            grows(f"{LEFT}_bucket", side="enforce", le="0.5"),
            series(f"{LEFT}_count", "0+100x90", side="enforce"),
        ],
    ),
    "LandwaiterMayNot": Case(
        fires=[
            grows(
                "landwaiter_api_request_seconds_count",
                verb="get",
                resource="secrets",
                outcome="refused",
            )
        ],
        silent=[
            grows(
                "landwaiter_api_request_seconds_count",
                verb="get",
                resource="secrets",
                outcome="missing",
            )
        ],
        labels={"verb": "get", "resource": "secrets"},
    ),
    "LandwaiterConditionTooSlow": Case(
        fires=[grows("landwaiter_condition_job_seconds_count", scope="cluster", end="overrun")],
        silent=[grows("landwaiter_condition_job_seconds_count", scope="cluster", end="whole")],
        labels={"scope": "cluster"},
    ),
    "LandwaiterOverloaded": Case(
        fires=[grows("landwaiter_http_refusals_total", reason="overloaded", **POD)],
        silent=[grows("landwaiter_http_refusals_total", reason="too large", **POD)],
        labels={"reason": "overloaded", **POD},
    ),
    "LandwaiterBug": Case(
        fires=[grows("landwaiter_judge_overruns_total", side="observe", **POD)],
        silent=[
            stays("landwaiter_judge_overruns_total", side="observe", **POD),
            stays("landwaiter_handler_errors_total", side="observe", **POD),
        ],
        labels={"side": "observe", **POD},
    ),
    "LandwaiterBlind": Case(
        fires=[series("landwaiter_view_age_seconds", "400x90", resource="namespaces", **POD)],
        silent=[series("landwaiter_view_age_seconds", "70x90", resource="namespaces", **POD)],
        labels={"resource": "namespaces", **POD},
    ),
}


def test_each_alert_has_a_case() -> None:
    """An alert that nobody has seen fire may be one that cannot."""

    assert sorted(alert["alert"] for alert in ALERTS) == sorted(CASES)


def summary_of(alert: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    text: str = alert["annotations"]["summary"]
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "silent"])
def test_alerts(promtool: Path, tmp_path: Path, fires: bool) -> None:  # noqa: FBT001
    """With its labels, its severity and its whole sentence; all of them in one run."""
    tests = []
    for alert in ALERTS:
        case = CASES[alert["alert"]]
        expected = {
            "exp_labels": {**alert["labels"], **case.labels},
            "exp_annotations": {"summary": summary_of(alert, case.labels)},
        }
        tests.append(
            {
                "interval": "1m",
                "name": alert["alert"],
                "input_series": case.fires if fires else case.silent,
                "alert_rule_test": [
                    {
                        "eval_time": f"{case.at}m",
                        "alertname": alert["alert"],
                        "exp_alerts": [expected] if fires else [],
                    }
                ],
            }
        )
    code, printed = promtool_test(promtool, tmp_path, tests, FILE)

    assert (0, printed) == (code, printed)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_alerts_name_real_metrics_and_labels(alert: Mapping[str, Any]) -> None:
    """And values that these labels take."""
    expression = alert["expr"]
    metrics = metrics_in(expression)

    assert metrics
    assert set() == metrics - set(LABELS)
    assert [] == [
        each
        for each in matchers_in(expression)
        if not set(each.values) <= LABELS[each.metric].get(each.label, set())
    ]
    assert set() == kept_labels(expression) - {label for each in metrics for label in LABELS[each]}
