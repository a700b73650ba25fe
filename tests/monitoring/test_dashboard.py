"""Every expression of the dashboard asks for what there is."""

import json
from pathlib import Path

import pytest

from monitoring.expressions import kept_labels, legend_labels, matchers_in, metrics_in
from monitoring.unit_tests import exposed, promtool_test
from repository.dashboard import FILES, ROWS, Query, queries, text
from telemetry.exposition import everything_counted

QUERIES = [pytest.param(each, id=each.expression[:60]) for each in queries()]

LABELS: dict[str, dict[str, set[str]]] = {}
"""The labels of each series there is, with the values that they take."""

for metric in everything_counted().collect():
    for sample in metric.samples:
        known = LABELS.setdefault(sample.name, {})
        for label, value in sample.labels.items():
            known.setdefault(label, set()).add(value)


def test_both_files_are_what_is_described() -> None:
    """`make generate` writes the chart's and that of `deploy/`."""
    for file in FILES:
        assert text() == file.read_text("utf-8"), f"run `make generate`: {file.name} is out of date"


@pytest.mark.parametrize("query", QUERIES)
def test_metrics_and_labels_are_real_ones(query: Query) -> None:
    """Also the values that a label must have, and what a legend shows."""
    metrics, kept = metrics_in(query.expression), kept_labels(query.expression)
    conditions = list(matchers_in(query.expression))

    assert metrics
    assert set() == metrics - set(LABELS)
    assert [] == [
        each
        for each in conditions
        if not set(each.values) <= LABELS[each.metric].get(each.label, set())
    ]
    assert set() == kept - {label for name in metrics for label in LABELS[name]}
    assert set() == legend_labels(query.legend) - kept


def test_each_expression_has_an_answer(promtool: Path, tmp_path: Path) -> None:
    """Evaluated by Prometheus' own code over every series that a busy Landwaiter shows."""
    tests = [
        {
            "interval": "1m",
            "input_series": exposed(everything_counted()),
            "promql_expr_test": [
                {
                    "expr": f"count({each.expression}) > bool 0",
                    "eval_time": "80m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
                for each in queries()
            ],
        }
    ]
    code, printed = promtool_test(promtool, tmp_path, tests)

    assert (0, printed) == (code, printed)


def test_what_has_no_answer_is_found(promtool: Path, tmp_path: Path) -> None:
    """The test above can fail: a label's value that nobody gives has no answer."""
    expression = 'sum(landwaiter_findings_total{outcome="refused"})'
    test = {
        "expr": f"count({expression}) > bool 0",
        "eval_time": "80m",
        "exp_samples": [{"labels": "{}", "value": 1}],
    }
    series = exposed(everything_counted())
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": [test]}]

    assert 1 == promtool_test(promtool, tmp_path, tests)[0]


def test_panels_do_not_overlap() -> None:
    """Each place of the page is one panel's."""
    panels = json.loads(text())["panels"]
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(taken) == len(set(taken))
    assert [row.question for row in ROWS] == [
        panel["title"] for panel in panels if panel["type"] == "row"
    ]
