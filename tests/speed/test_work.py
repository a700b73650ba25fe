"""
A gate on the work of a warm decision, which a busy machine cannot move.

It counts the bytecode instructions that Python executes for one review, and compares them with
those of the bare echo (`tests/bench/echo.py`) for the same review in the same process. The counts
do not depend on what else the machine does; `make bench CASES=gate` counts in process after
process, and prints how far they are apart and how many would have raised an alarm. So this fails
only when the code, a library or Python has changed, and then by what it says. It does not see what
is done in C, such as decoding and TLS: `make bench CASES=warm` does.
"""

import asyncio

import pytest

from bench.counting import LIMITS, Counter, counted, figures_of, ratios
from bench.desk import desk
from bench.figures import Figure, at_most
from bench.reviews import reviews


def test_a_warm_decision_does_no_more_work_than_it_may() -> None:
    """A decision that gets slower by a feature is noticed with the feature."""
    found = ratios()

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


def test_work_that_is_added_is_counted() -> None:
    """
    Else the gate would let everything pass.

    A round of the loop takes from three instructions to thirty, by the version of Python.
    """

    def added() -> int:
        return sum(number for number in range(1000))

    with Counter() as counter:
        added()

    assert 3000 < counter.instructions < 30_000


def test_an_alarm_is_counted_where_a_limit_is_passed() -> None:
    """The case `gate` tells how many of its counts would have failed the gate."""
    standing, anew = LIMITS
    found = [{standing: (120, 100), anew: (1000, 100)}, {standing: (140, 100), anew: (1000, 100)}]

    *_, alarms = figures_of(found)

    assert Figure("gate", "false alarms in 2 counts", "", (1.0,), (), at_most(0)) == alarms
