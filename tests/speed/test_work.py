"""
A gate on the work of a warm decision, which a busy machine cannot move.

It counts the bytecode instructions that Python executes for one review, and compares them with
those of the bare echo (`tests/bench/echo.py`) for the same review in the same process. The counts
are the same in every run, so this raises no false alarm: it fails only when the code, a library or
Python has changed, and then by what it says. It does not see what is done in C, such as decoding
and TLS: `make bench CASES=warm` does.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, Self

import pytest

from bench.desk import Desk, desk, posted
from bench.echo import app
from bench.reviews import reviews

WARM_ROUNDS = 3

Work = Callable[[bytes], Awaitable[bytes]]

LIMITS = {
    "a verdict that stands": 1.3,
    "judged anew, all facts in memory": 18.0,
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
    """Return the instructions of one answer, whose caches are warm."""
    for _ in range(WARM_ROUNDS):
        await work(body)
    with Counter() as counter:
        await work(body)
    return counter.instructions


async def ratios() -> dict[str, float]:
    async with desk() as standing, desk(stands=False) as anew:
        (body,) = reviews(standing.rollouts, 1)
        echoed = await counted(lambda each: posted(app, each), body)
        sides: dict[str, Desk] = dict(zip(LIMITS, (standing, anew), strict=True))
        return {name: await counted(side.answer, body) / echoed for name, side in sides.items()}


def test_a_warm_decision_does_no_more_work_than_it_may() -> None:
    """A decision that gets slower by a feature is noticed with the feature."""
    with asyncio.Runner() as runner:
        found = runner.run(ratios())

    assert {} == {name: ratio for name, ratio in found.items() if ratio > LIMITS[name]}


def test_the_count_is_the_same_in_every_run() -> None:
    """Else the gate would raise false alarms."""

    async def counts() -> list[int]:
        async with desk() as standing:
            (body,) = reviews(standing.rollouts, 1)
            return [await counted(standing.answer, body) for _ in range(3)]

    with asyncio.Runner() as runner:
        first, *others = runner.run(counts())

    assert [pytest.approx(first, rel=0.005)] * 2 == others
