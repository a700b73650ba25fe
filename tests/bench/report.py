"""The table of the figures, their file, and the comparison with an earlier file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from bench.figures import CONFIDENCE, Figure, differs

WIDTH = 66

Machines: TypeAlias = Mapping[str, Mapping[str, str]]
"""What is told of the machine, case by case: some may have been measured at another time."""

HEADER = (
    f"{'what':<{WIDTH}} {'ratio':>7}  {'range':<15} {'ours':>9} {'theirs':>9} {'unit':<5} target"
)


def line_of(figure: Figure) -> str:
    """Return a figure as a line of the table."""
    low, high = figure.range
    ratio = f"{figure.value:7.2f}" if figure.theirs else " " * 7
    spread = f"{low:.2f} to {high:.2f}"
    verdict = {None: "", True: ", met", False: ", NOT MET"}[figure.is_met]
    target = "" if figure.target is None else f"{figure.target}{verdict}"
    theirs = f"{middle(figure.theirs):9.2f}" if figure.theirs else " " * 9
    return (
        f"{figure.key:<{WIDTH}} {ratio}  {spread:<15} {middle(figure.ours):9.2f} {theirs} "
        f"{figure.unit:<5} {target}"
    ).rstrip()


def lines_of(figure: Figure) -> list[str]:
    """Return the same with its note below it, where it has one."""
    return [line_of(figure), *([f"   ({figure.note})"] if figure.note else [])]


def middle(rounds: Sequence[float]) -> float:
    """Return the median of rounds of any number."""
    ordered = sorted(rounds)
    half = len(ordered) // 2
    return (ordered[half] + ordered[~half]) / 2


def write(file: Path, machines: Machines, figures: Iterable[Figure]) -> None:
    """Write everything to a file that a later run can be compared with, a figure a line."""
    lines = ",\n".join(json.dumps(figure.to_json()) for figure in figures)
    of_cases = ",\n".join(
        f"{json.dumps(case)}: {json.dumps(each)}" for case, each in machines.items()
    )
    file.write_text(f'{{"machines": {{\n{of_cases}\n}},\n"figures": [\n{lines}\n]}}\n', "utf-8")


def read(file: Path) -> dict[str, Figure]:
    """Return the figures of an earlier file by their keys."""
    found = json.loads(file.read_text(encoding="utf-8"))["figures"]
    return {figure.key: figure for figure in map(Figure.of_json, found)}


def machines_of(file: Path) -> Machines:
    """Return what an earlier file says of where, and on what, each case was measured."""
    found: Machines = json.loads(file.read_text(encoding="utf-8"))["machines"]
    return found


def machine_lines(machine: Mapping[str, str]) -> list[str]:
    """Return a line for each thing that is told of where figures are measured."""
    return [f"{name:<12} {value}" for name, value in machine.items()]


def comparison(before: Mapping[str, Figure], now: Iterable[Figure]) -> list[str]:
    """Return a line for each figure of both runs, saying whether it differs beyond noise."""
    meaning = (
        "beyond noise means: the ranges of the two medians have nothing in common; each range "
        f"holds the true median with {CONFIDENCE:.0%}"
    )
    lines = [meaning]
    for figure in now:
        if (earlier := before.get(figure.key)) is None:
            lines.append(f"{figure.key:<{WIDTH}} new")
            continue
        change = figure.value / earlier.value - 1
        judged = "beyond noise" if differs(earlier, figure) else "within noise"
        lines.append(
            f"{figure.key:<{WIDTH}} {earlier.value:9.2f} -> {figure.value:9.2f} {change:+7.1%}  "
            f"{judged}"
        )
    return lines
