"""What an expression in PromQL names: metrics, their labels, and values that these must have."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

METRIC = re.compile(r"\b(?P<name>landwaiter_\w+)(?:\{(?P<matchers>[^}]*)\})?")
MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<how>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')
BY = re.compile(r"\bby \((?P<labels>[^)]*)\)")
LEGEND = re.compile(r"\{\{\s*(?P<label>\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label of a metric, and the values that an expression speaks of."""

    metric: str
    label: str
    values: tuple[str, ...]


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that are named."""
    return {found["name"] for found in METRIC.finditer(expression)}


def matchers_in(expression: str) -> Iterator[Matcher]:
    """Yield each condition on a label; the regular expressions here are lists of words."""
    for metric in METRIC.finditer(expression):
        for found in MATCHER.finditer(metric["matchers"] or ""):
            values = found["value"].split("|") if "~" in found["how"] else [found["value"]]
            yield Matcher(metric["name"], found["label"], tuple(values))


def kept_labels(expression: str) -> set[str]:
    """Return the labels that an aggregation keeps."""
    return {
        label.strip()
        for found in BY.finditer(expression)
        for label in found["labels"].split(",")
        if label.strip()
    }


def legend_labels(legend: str) -> set[str]:
    """Return the labels whose values a legend shows."""
    return {found["label"] for found in LEGEND.finditer(legend)}
