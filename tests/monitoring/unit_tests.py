"""Runs expressions and alerts in the real promtool, over series that a test describes."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from realparts.processes import run

SECONDS = 120.0
MINUTES = 90
"""How long the series are: the longest range but one day is an hour."""


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """Return one series in promtool's notation: `0+1x90` grows, `5x90` stays, one a minute."""
    shown = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    return {"series": f"{name}{{{shown}}}", "values": values}


def exposed(registry: CollectorRegistry) -> list[dict[str, str]]:
    """Return all that a registry shows, counters growing by one each minute, gauges as they are."""
    return [
        series(
            sample.name,
            f"{sample.value}x{MINUTES}" if metric.type == "gauge" else f"0+1x{MINUTES}",
            **sample.labels,
        )
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    ]


def promtool_test(
    promtool: Path, folder: Path, tests: Sequence[Mapping[str, Any]], *rules: Path
) -> tuple[int, str]:
    """Return the exit code and what promtool prints; JSON is YAML too."""
    file = folder / "tests.yaml"
    content = {"rule_files": [str(rule) for rule in rules], "tests": list(tests)}
    file.write_text(json.dumps(content), encoding="utf-8")
    answer = run(
        [promtool, "test", "rules", file],
        environment={"HOME": str(folder), "PATH": os.defpath},
        timeout_seconds=SECONDS,
        directory=folder,
        check=False,
    )
    return answer.returncode, answer.stdout + answer.stderr
