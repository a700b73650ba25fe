"""What is printed and written is what was measured."""

from pathlib import Path

from bench.documents import circumstances, parts_table, sizing_tables, targets_table, whole_text
from bench.figures import Figure, at_most
from bench.report import comparison, line_of, lines_of, machines_of, read, write
from bench.run import in_order

FIGURE = Figure("warm", "p99", "ms", (2.0, 4.0, 3.0), (1.0, 2.0, 1.0), at_most(1.3), "a note")


def test_a_line_has_the_ratio_its_range_both_sides_and_the_verdict() -> None:
    """A reader needs nothing but the line."""

    line = "warm: p99 2.00 2.00 to 3.00 3.00 1.00 ms at most 1.3, NOT MET"

    assert line.split() == line_of(FIGURE).split()


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    """The machine is part of it."""
    file = tmp_path / "bench.json"
    write(file, {"warm": {"python": "3.11"}, "cold": {"python": "3.12"}}, [FIGURE])

    assert {"warm: p99": FIGURE} == read(file)
    assert {"warm": {"python": "3.11"}, "cold": {"python": "3.12"}} == machines_of(file)


def test_a_comparison_says_what_is_beyond_noise_and_what_is_new() -> None:
    """Each figure has a line."""
    slower = Figure("warm", "p99", "ms", (20.0, 40.0, 30.0), (1.0, 2.0, 1.0))
    new = Figure("warm", "p50", "ms", (1.0,))

    _, first, second = comparison({"warm: p99": FIGURE}, [slower, new])

    assert ["2.00", "->", "20.00", "+900.0%", "beyond", "noise"] == first.split()[2:]
    assert ["warm:", "p50", "new"] == second.split()


def test_documents_show_targets_and_whether_they_are_met() -> None:
    """The table of the README has the figures with a target and no other."""
    without = Figure("warm", "p50", "ms", (1.0,))

    assert (
        "| what | ours | to theirs | range | target | met |\n|---|---|---|---|---|---|\n"
        "| warm: p99 | 3.00 ms | 2.00 | 2.00 to 3.00 | at most 1.3 | **no** |\n"
    ) == targets_table([FIGURE, without])


def test_a_document_tells_each_machine_before_what_it_measured() -> None:
    """Cases that were measured at another time say so."""
    cold = Figure("cold", "one", "ms", (1.0,))
    start = Figure("start", "ready", "s", (1.0,))
    machines = {"warm": {"load": "1"}, "cold": {"load": "2"}, "start": {"load": "2"}}

    _, _, first, *others = whole_text(machines, [FIGURE, cold, start]).splitlines()[1:-1]

    assert ["load", "1"] == first.split()
    assert [
        *("", *lines_of(FIGURE), ""),
        *(f"{'load':<12} 2", "", *lines_of(cold), *lines_of(start)),
    ] == others


def test_figures_stand_in_the_order_of_their_cases() -> None:
    """Also where one of them was measured anew."""
    cold, start = Figure("cold", "one", "ms", (1.0,)), Figure("start", "ready", "s", (1.0,))

    assert [start, FIGURE, cold] == in_order([cold, FIGURE, start])


def test_documents_say_how_busy_the_machine_was_and_what_is_missing() -> None:
    """Figures of a busy machine are worth less, and a case that is not there says nothing."""
    machines = {
        "warm": {"machine": "2 cores", "load": "0.5 before the first case"},
        "cold": {"machine": "2 cores", "load": "9 before the first case"},
    }

    assert (
        "Measured on: 2 cores; load of other work at the beginning: 0.5 to 9. "
        "Not measured this time: `storm`."
    ) == circumstances(machines, ["warm", "cold", "storm"])


def test_the_parts_are_those_of_their_case() -> None:
    """With the echo's where there is one."""
    shared = Figure("parts", "a decision", "us", (3.0,), (1.0,))
    alone = Figure("parts", "decoding", "us", (2.0,))

    assert (
        "| what | ours | echo |\n|---|---|---|\n"
        "| a decision | 3 us | 1 us |\n| decoding | 2 us |  |\n"
    ) == parts_table([FIGURE, shared, alone])


def test_the_sizing_tables_are_of_figures_that_the_bench_prints() -> None:
    """One process, one to four of them, and what it brings that they share an inventory."""
    keys = [
        *("memory: idle", "memory: after 100,000 decisions", "storm: memory in a storm of 200"),
        *("warm: processor time, 8 connections", "warm: throughput, 8 connections"),
        "storm: 200 different images at once",
    ]
    counts = ("1 process", "2 processes", "3 processes", "4 processes")
    whats = ("throughput", "p99", "processor time")
    keys += [f"replicas: {what}, {count} / 1" for count in counts for what in whats]
    figures = {key: Figure(key.partition(":")[0], key, "u", (1234.0,)) for key in keys}
    for sharing, share, verified in (("", 50.0, 2.0), (", shared inventory", 100.0, 2.5)):
        for count in counts:
            for what, unit, value in (
                ("answered from memory", "%", 96.0),
                ("verifications an image", "", verified),
                ("admitted in an outage", "%", share),
            ):
                key = f"replicas: {what}, {count}{sharing}"
                figures[key] = Figure("replicas", key, unit, (value,))
        key = f"replicas: admitted in an outage, started in it{sharing}"
        figures[key] = Figure("replicas", key, "%", (share,))

    rows = sizing_tables(figures).splitlines()

    assert "| idle | 1,234 u |" == rows[2]
    assert "| 4 | 1,234 u | 1,234 u | 1,234 u |" == rows[14]
    assert (
        "|  | answered from memory | with the inventory | verifications an image "
        "| with the inventory | admitted in an outage | with the inventory |"
    ) == rows[16]
    assert "| 4 processes | 96 % | 96 % | 2.0 | 2.5 | 50 % | 100 % |" == rows[-2]
    assert "| started in it |  |  |  |  | 50 % | 100 % |" == rows[-1]


def test_what_was_not_measured_has_no_row() -> None:
    """A document never tells what no run has printed."""
    idle = Figure("memory", "idle", "MiB", (80.0,), (40.0,))

    assert "| one process | |\n|---|---|\n| idle | 80 MiB |\n" == sizing_tables({idle.key: idle})
