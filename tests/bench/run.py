"""
Measures Landwaiter beside what it is compared with, and prints a table of ratios.

    make bench [CASES=warm,start] [AGAINST=EARLIER.json] [OUTPUT=FILE.json] [KEEP=1]

Everything runs on real parts on loopback. Both sides of each comparison are measured in turns; a
figure is the median of its rounds. Absolute figures belong to the machine; ratios travel.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.cosign_runs import measure_cold
from bench.counting import measure_gate
from bench.end_to_end import measure_end_to_end
from bench.figures import Figure
from bench.footprint import measure_memory, measure_start
from bench.growth import measure_growth
from bench.large_cluster import measure_cluster
from bench.machine import description
from bench.offline import measure_check
from bench.parts import measure_parts
from bench.report import HEADER, comparison, lines_of, machine_lines, machines_of, read, write
from bench.scale_out import measure_replicas
from bench.scene import Scene
from bench.storm import measure_storm
from bench.warm import measure_bodies, measure_warm

WARM = (
    "5 policies with all 10 rules, 3 images a Pod, everything in memory, beside a bare FastAPI "
    "and pydantic echo of the same bodies of 6 kB; one core, TLS with client certificates"
)

CASES: Mapping[str, tuple[str, Callable[[Scene], Iterator[Figure]]]] = {
    "start": ("from the command to ready, all modules compiled", measure_start),
    "memory": ("proportional set size, 5 policies, a cluster", measure_memory),
    "warm": (
        WARM,
        measure_warm,
    ),
    "bodies": ("the same by the size of the body, 8 connections", measure_bodies),
    "growth": ("work in this process, the larger side and the smaller in turns", measure_growth),
    "check": ("the offline check from its start to its end, no registry asked", measure_check),
    "cold": (
        "signatures with nothing in memory, in this process, a registry on loopback",
        measure_cold,
    ),
    "large": (
        "a cluster of 2,000 namespaces, 10,000 Secrets and 20,000 service accounts; some minutes",
        measure_cluster,
    ),
    "storm": (
        "reviews of one image each with nothing in memory, at once, to a server over TLS",
        measure_storm,
    ),
    "replicas": (
        "processes behind a round-robin by connection, 24 connections, no core is kept for any",
        measure_replicas,
    ),
    "cluster": (
        "Pods through a real API server, all images in memory, all processes on the same cores",
        measure_end_to_end,
    ),
    "parts": ("where time and memory go: in this process, and importing", measure_parts),
    "gate": ("instructions of Python, counted in process after process", measure_gate),
}


def main() -> int:
    """Measure what is asked for; return 0, whatever the figures are."""
    options = _options()
    earlier = {} if options.against is None else read(options.against)
    machine = description()
    print(*machine_lines(machine), f"\n{HEADER}", sep="\n", flush=True)
    figures: list[Figure] = []
    machines: dict[str, Mapping[str, str]] = {}
    if options.keep and options.output.exists():
        kept = read(options.output).values()
        figures += (figure for figure in kept if figure.case not in options.cases)
        machines.update(machines_of(options.output))
    with (
        tempfile.TemporaryDirectory(prefix="landwaiter-bench-") as folder,
        Scene(Path(folder)) as scene,
    ):
        for name in options.cases:
            told, measure = CASES[name]
            print(f"-- {name}: {told}", flush=True)
            for figure in measure(scene):
                figures.append(figure)
                print(*lines_of(figure), sep="\n", flush=True)
            machines[name] = machine
            # After each case, so that whatever ends a later one loses nothing.
            write(options.output, machines, in_order(figures))
    print(f"\nwritten to {options.output}")
    if options.against is not None:
        now = [figure for figure in figures if figure.case in options.cases]
        print(f"\nbeside {options.against}:", *comparison(earlier, now), sep="\n")
    return 0


def in_order(figures: Iterable[Figure]) -> list[Figure]:
    """Return figures in the order of their cases."""
    order = list(CASES)
    return sorted(figures, key=lambda figure: order.index(figure.case))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n", maxsplit=1)[0])
    parser.add_argument("--cases", type=_cases, default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--against", type=Path, help="the file of an earlier run")
    parser.add_argument(
        "--keep", action="store_true", help="leave the figures of other cases in the output"
    )
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    return parser.parse_args()


def _cases(text: str) -> list[str]:
    names = text.replace(",", " ").split()
    if unknown := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: wanted {', '.join(CASES)}")
    return names or list(CASES)


if __name__ == "__main__":
    sys.exit(main())
