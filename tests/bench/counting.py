"""
The instructions of Python that a warm decision executes, beside those of the bare echo.

    python tests/bench/counting.py

`tests/speed/test_work.py` is the gate that holds them to `LIMITS`. Case `gate` counts in process
after process, each with another seed of hashes, to tell how often the gate would raise an alarm
for nothing: with none in n counts the true rate is below 3/n with 95 %.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.desk import Desk, desk, posted
from bench.echo import app
from bench.figures import Figure, at_most
from bench.reviews import reviews

WARM_ROUNDS = 3
COUNTS = 3
PROCESSES = 10
COUNTS_A_PROCESS = 10
COUNT_SECONDS = 120.0

Work = Callable[[bytes], Awaitable[bytes]]

LIMITS = {
    "a verdict that stands": 1.2,
    "judged anew, all facts in memory": 15.0,
}
"""At most so many times the instructions of the echo."""


class Counter:
    """Counts the instructions of Python that are executed while it is on."""

    def __init__(self) -> None:
        self.instructions = 0

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._of_call)
        return self

    def __exit__(self, *of_exception: object) -> None:
        sys.settrace(self._before)

    def _of_call(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ANN401
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._of_instruction

    def _of_instruction(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ANN401
        if event == "opcode":
            self.instructions += 1
        return self._of_instruction


async def counted(work: Work, body: bytes) -> int:
    """
    Return the instructions of one answer, whose caches are warm.

    It is the least of some counts: a timer of the loop that comes meanwhile is not of the answer.
    """
    for _ in range(WARM_ROUNDS):
        await work(body)
    found = []
    for _ in range(COUNTS):
        with Counter() as counter:
            await work(body)
        found.append(counter.instructions)
    return min(found)


async def counts() -> dict[str, tuple[int, int]]:
    """Return the instructions of each way to decide, and those of the echo."""
    async with desk() as standing, desk(stands=False) as anew:
        (body,) = reviews(standing.rollouts, 1)
        echoed = await counted(lambda each: posted(app, each), body)
        sides: dict[str, Desk] = dict(zip(LIMITS, (standing, anew), strict=True))
        return {name: (await counted(side.answer, body), echoed) for name, side in sides.items()}


def ratios() -> dict[str, float]:
    """Return each way to decide in instructions of the echo."""
    with asyncio.Runner() as runner:
        return {name: ours / theirs for name, (ours, theirs) in runner.run(counts()).items()}


def measure_gate(_: object) -> Iterator[Figure]:
    """Yield the counts of many processes, and how many of them would have raised an alarm."""
    found = [
        each
        for seed in range(PROCESSES)
        for each in json.loads(
            subprocess.run(
                [sys.executable, __file__],
                stdout=subprocess.PIPE,
                timeout=COUNT_SECONDS,
                check=True,
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
            ).stdout
        )
    ]
    yield from figures_of(found)


def figures_of(found: Sequence[Mapping[str, tuple[int, int]]]) -> Iterator[Figure]:
    """Yield the instructions of each way to decide, and the alarms among all counts."""
    alarms = 0
    for name, limit in LIMITS.items():
        ours, theirs = zip(*(each[name] for each in found), strict=True)
        ratios_found = [our / their for our, their in zip(ours, theirs, strict=True)]
        alarms += sum(ratio > limit for ratio in ratios_found)
        spread = (max(ratios_found) - min(ratios_found)) / min(ratios_found)
        note = f"{len(found)} counts in {PROCESSES} processes, {spread:.1%} apart at most"
        yield Figure("gate", f"instructions, {name}", "", ours, theirs, at_most(limit), note)
    note = f"so the true rate is below {3 / len(found):.0%} with 95 %" if not alarms else ""
    name = f"false alarms in {len(found)} counts"
    yield Figure("gate", name, "", (float(alarms),), (), at_most(0), note)


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        print(json.dumps([runner.run(counts()) for _ in range(COUNTS_A_PROCESS)]))
