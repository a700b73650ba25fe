"""
What a load is told and what it tells: JSON files in a folder, each replaced as a whole.

Files need no protocol, and show afterwards what was last said.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

ORDERS: Final = "orders.json"
REPORT: Final = "report.json"
QUESTIONS: Final = "questions.json"


@dataclass(frozen=True, slots=True)
class APIAddress:
    """Where and as whom Pods are created in dry runs."""

    url: str
    ca_file: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Orders:
    """
    What to do from now on.

    `ports` are the processes that new connections go to in turn, `bundle` the CAs that they trust.
    `rate` is in requests a second, None for as many as there can be. Figures of speed are about
    one `phase` of the load.
    """

    ports: tuple[int, ...]
    bundle: str
    rate: float | None = None
    phase: str = "capacity"
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """
    What has been seen so far; the last four are about the phase.

    `failed` has reasons and how often, `passed_over` is how many requests were left out because the
    load was late. `milliseconds` are from when a request was due to its answer.
    """

    kinds: Mapping[str, int]
    failed: Mapping[str, int]
    newest: Mapping[str, int]
    sets: int
    handshakes: int
    passed_over: int
    is_over: bool
    phase: str
    seconds: float
    answered: int
    milliseconds: Mapping[str, float]


def write(path: Path, value: object) -> None:
    """Replace a file by one that holds this value."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value), encoding="utf-8")
    new.rename(path)


def read_orders(folder: Path) -> Orders:
    """Return the orders of this moment."""
    found: dict[str, Any] = json.loads((folder / ORDERS).read_text("utf-8"))
    return Orders(**{**found, "ports": tuple(found["ports"])})


def write_orders(folder: Path, orders: Orders) -> None:
    """Give orders."""
    write(folder / ORDERS, asdict(orders))


def read_report(folder: Path) -> Report | None:
    """Return the last report, None before the first."""
    try:
        return Report(**json.loads((folder / REPORT).read_text("utf-8")))
    except FileNotFoundError:
        return None
