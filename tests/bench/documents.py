"""
The figures of documents, from the file of the run that `docs/bench.json` is.

No document has a figure of its own: `make bench OUTPUT=docs/bench.json` writes the file, and `make
generate` the documents.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.figures import Figure
from bench.report import HEADER, Machines, lines_of, machine_lines, machines_of, middle, read
from bench.run import CASES
from bench.service import REPLICAS, processes
from bench.sharing import MEANWHILE, SHARING

FILE = Path(__file__).resolve().parents[2] / "docs" / "bench.json"


def targets() -> str:
    """Return a table of the figures that have a target, and what they were measured on."""
    machines = machines_of(FILE)
    return f"{targets_table(read(FILE).values())}\n{circumstances(machines, CASES)}\n"


def circumstances(machines: Machines, cases: Iterable[str]) -> str:
    """Return on what figures were measured, how busy it was, and which cases are missing."""
    on = ", ".join(dict.fromkeys(each["machine"] for each in machines.values()))
    busy = " to ".join(f"{load:g}" for load in _ends([_load(each) for each in machines.values()]))
    missing = ", ".join(f"`{case}`" for case in cases if case not in machines)
    left_out = f" Not measured this time: {missing}." if missing else ""
    return f"Measured on: {on}; load of other work at the beginning: {busy}.{left_out}"


def _load(machine: Mapping[str, str]) -> float:
    return float(machine["load"].split()[0])


def _ends(values: list[float]) -> list[float]:
    return sorted({min(values), max(values)})


def targets_table(figures: Iterable[Figure]) -> str:
    """Return the figures with a target as Markdown."""
    rows = ["| what | ours | to theirs | range | target | met |", "|---|---|---|---|---|---|"]
    for figure in figures:
        if figure.target is None:
            continue
        low, high = figure.range
        ours = f"{middle(figure.ours):,.2f} {figure.unit}".strip()
        ratio = f"{figure.value:.2f}" if figure.theirs else ""
        met = "yes" if figure.is_met else "**no**"
        spread = f"{low:.2f} to {high:.2f}"
        rows.append(f"| {figure.key} | {ours} | {ratio} | {spread} | {figure.target} | {met} |")
    return "\n".join(rows) + "\n"


def whole() -> str:
    """Return everything that was printed, and what it was measured on."""
    return whole_text(machines_of(FILE), read(FILE).values())


def whole_text(machines: Machines, figures: Iterable[Figure]) -> str:
    """Return figures as they are printed, each machine before the first case that it measured."""
    lines = [HEADER]
    told: Mapping[str, str] | None = None
    for figure in figures:
        if machines[figure.case] != told:
            told = machines[figure.case]
            lines += ["", *machine_lines(told), ""]
        lines += lines_of(figure)
    return "```text\n" + "\n".join(lines) + "\n```\n"


def parts() -> str:
    """Return a table of what a decision, importing and memory consist of."""
    return parts_table(read(FILE).values())


def parts_table(figures: Iterable[Figure]) -> str:
    """Return the parts as Markdown."""
    rows = ["| what | ours | echo |", "|---|---|---|"]
    for figure in figures:
        if figure.case == "parts":
            ours, theirs = (
                f"{middle(side):,.0f} {figure.unit}" if side else ""
                for side in (figure.ours, figure.theirs)
            )
            rows.append(f"| {figure.name} | {ours} | {theirs} |")
    return "\n".join(rows) + "\n"


def sizing() -> str:
    """Return the tables of what an install needs."""
    return sizing_tables(read(FILE))


def sizing_tables(figures: Mapping[str, Figure]) -> str:
    """
    Return what one process takes, and what several do together, as Markdown.

    What a run has not measured has no row.
    """
    process = (
        ("idle", "memory: idle"),
        ("after 100,000 decisions", "memory: after 100,000 decisions"),
        (
            "in a cluster of 2,000 namespaces, 20,000 service accounts",
            "large: memory once ready",
        ),
        ("the same, once they have been listed anew", "large: memory after the outage"),
        ("at most while 200 images are verified at once", "storm: memory in a storm of 200"),
        ("processor time of a decision from memory", "warm: processor time, 8 connections"),
        ("decisions from memory, on one core", "warm: throughput, 8 connections"),
        ("verifications, cosign 3 on all cores", "storm: 200 different images at once"),
    )
    rows = ["| one process | |", "|---|---|"]
    for told, key in process:
        if (figure := figures.get(key)) is not None:
            rows.append(f"| {told} | {middle(figure.ours):,.0f} {figure.unit} |")
    rows += _together(figures) + _shared(figures)
    return "\n".join(rows) + "\n"


def _together(figures: Mapping[str, Figure]) -> list[str]:
    """Return what several processes do together."""
    whats = ("throughput", "p99", "processor time")
    return _table(
        ("processes", "decisions", "p99", "processor time"),
        {
            str(count): [_value(figures, f"{what}, {processes(count)} / 1") for what in whats]
            for count in REPLICAS
        },
    )


def _shared(figures: Mapping[str, Figure]) -> list[str]:
    """Return what it changes that processes share an inventory of what they have verified."""
    whats = ("answered from memory", "verifications an image", "admitted in an outage")
    return _table(
        ("", *(head for what in whats for head in (what, "with the inventory"))),
        {
            told: [_value(figures, f"{what}, {told}{with_}") for what in whats for with_ in SHARING]
            for told in (*map(processes, REPLICAS), MEANWHILE)
        },
    )


def _table(head: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a table below what stands before it, nothing where no row has a value."""
    lines = [[name, *values] for name, values in rows.items() if any(values)]
    table = [head, ["---"] * len(head), *lines]
    return ["", *(f"| {' | '.join(line)} |" for line in table)] if lines else []


def _value(figures: Mapping[str, Figure], name: str) -> str:
    """Return a figure of the case `replicas`, nothing where a run has not measured it."""
    if (figure := figures.get(f"replicas: {name}")) is None:
        return ""
    value = middle(figure.ours)
    return f"{value:,.0f} {figure.unit}" if figure.unit else f"{value:.1f}"
