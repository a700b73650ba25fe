"""Expressions are evaluated in bounds, by a process that nothing survives in."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from landwaiter.cel import evaluation
from landwaiter.cel.evaluation import (
    HOLDS_NUL,
    TOO_LARGE,
    TOO_LONG,
    Evaluated,
    Evaluator,
    JobEnd,
    Task,
    Watcher,
)
from landwaiter.cel.expressions import compile_expression
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ExpressionsUnavailable

KNOWN = {"object": None, "oldObject": None}
TRUE, FALSE = Evaluated(value=True), Evaluated(value=False)
LATE = Evaluated(None, TOO_LONG)
SLOW = 'object.numbers.all(n, !object.text.contains("ab"))'
"""Half a minute for a large object, in which the library lets nothing else of Python run."""

HUNGRY = "object.numbers.map(n, object.text + object.text).size() > 0"
LARGE = {"object": {"numbers": list(range(9000)), "text": "a" * 300_000}, "oldObject": None}
SMALL = {"object": {"n": 1}, "oldObject": None}


def task(text: str, number: int = 0) -> Task:
    return Task(compile_expression(text, KNOWN), number)


async def evaluated(
    evaluator: Evaluator, *texts: str, values: Mapping[str, Any] = SMALL, seconds: float = 60
) -> list[Evaluated]:
    tasks = [task(text) for text in texts]
    return [*await evaluator.evaluate(tasks, [values], deadline=Deadline.after(seconds))]


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    async with Evaluator() as evaluator:
        yield evaluator


def process_of(evaluator: Evaluator) -> int:
    assert evaluator._worker is not None
    return evaluator._worker._process._pid


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


async def test_each_expression_has_its_own_answer(evaluator: Evaluator) -> None:
    """True, false, or what is wrong: one that fails says nothing about the others."""
    found = await evaluated(
        evaluator, "object.n == 1", "object.n == 2", "object.nope == 1", "object.n", "true"
    )

    assert [
        TRUE,
        FALSE,
        Evaluated(None, 'NOT_FOUND: Key not found in map : "nope"'),
        Evaluated(None, "INT came out, BOOL is wanted"),
        TRUE,
    ] == found


async def test_expressions_are_evaluated_on_the_input_that_is_theirs(evaluator: Evaluator) -> None:
    """Several inputs go in one job."""
    inputs = [{"object": {"n": number}, "oldObject": None} for number in (1, 2)]
    tasks = [task("object.n == 1", number) for number in (0, 1)]

    assert (TRUE, FALSE) == await evaluator.evaluate(tasks, inputs, deadline=Deadline.after(60))


async def test_values_mean_what_they_mean_to_kubernetes(evaluator: Evaluator) -> None:
    """Nulls, numbers, text in any script and nested lists arrive as they are."""
    values = {
        "object": {"text": "é\u2028\x7f\U0001f600", "list": [[1, 2.5, None, True]], "big": 2**53},
        "oldObject": None,
    }

    assert [TRUE] * 5 == await evaluated(
        evaluator,
        "oldObject == null",
        "object.text.size() == 4",
        "object.list[0] == [1, 2.5, null, true]",
        "object.big == 9007199254740992",
        "type(object.big) == int && type(object.list[0][1]) == double",
        values=values,
    )


@pytest.mark.parametrize("text", [SLOW, HUNGRY])
async def test_what_takes_too_long_or_too_much_is_ended(text: str) -> None:
    """The loop goes on meanwhile, what came before stands, and the next job is answered."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - begun)

    async with Evaluator(job_seconds=0.5) as evaluator:
        await evaluated(evaluator, "true")
        first = process_of(evaluator)
        watching = asyncio.create_task(watch())
        found = await evaluated(evaluator, "object.text != ''", text, "true", values=LARGE)
        watching.cancel()
        after = await evaluated(evaluator, "object.n == 1")

    assert [TRUE, LATE, LATE] == found
    assert ([TRUE], False) == (after, is_alive(first))
    assert longest < 0.4


async def test_comprehensions_have_a_budget(evaluator: Evaluator) -> None:
    """Nested loops over a small list are ended by the library itself."""
    values = {"object": {"l": list(range(200))}, "oldObject": None}
    found = await evaluated(evaluator, "object.l.all(a, object.l.all(b, true))", values=values)

    assert [Evaluated(None, "INTERNAL: Iteration budget exceeded [INTERNAL]")] == found


@pytest.mark.parametrize("nested", [False, True])
async def test_objects_that_are_too_large_are_not_sent(
    evaluator: Evaluator,
    nested: bool,  # noqa: FBT001
) -> None:
    """Neither by their size nor by their depth can they hold up others."""
    value: Any = "a" * evaluation.INPUT_MAX_BYTES
    if nested:
        value = []
        for _ in range(100_000):
            value = [value]

    assert [Evaluated(None, TOO_LARGE)] == await evaluated(
        evaluator, "true", values={"object": value, "oldObject": None}
    )


async def test_nothing_is_started_before_there_is_something_to_evaluate() -> None:
    """An install without conditions has no such process."""
    async with Evaluator() as evaluator:
        await evaluator.evaluate([], [], deadline=Deadline.after(1))
        assert evaluator._worker is None


async def test_no_process_is_left() -> None:
    """Leaving the context ends it, and so does being cancelled."""
    async with Evaluator() as evaluator:
        await evaluated(evaluator, "true")
        process = process_of(evaluator)
        asking = asyncio.create_task(evaluated(evaluator, SLOW, values=LARGE))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        is_left_by_cancellation = is_alive(process)
        await evaluated(evaluator, "true")
        process = process_of(evaluator)

    assert (False, False) == (is_left_by_cancellation, is_alive(process))


async def test_who_waits_too_long_for_a_turn_is_told_so() -> None:
    """Jobs have their turn one after the other, and nobody waits past the deadline."""
    async with Evaluator(job_seconds=2) as evaluator:
        await evaluated(evaluator, "true")
        asking = asyncio.create_task(evaluated(evaluator, SLOW, values=LARGE))
        await asyncio.sleep(0.05)
        with pytest.raises(DeadlineExceeded, match="conditions were not evaluated in time"):
            await evaluated(evaluator, "true", seconds=0.1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


@pytest.mark.parametrize("python", ["/nowhere/python", "python3", "/bin/false"])
async def test_a_process_that_does_not_start_is_a_fault(python: str) -> None:
    """It is nobody's expression that is wrong."""
    async with Evaluator(python=python) as evaluator:
        with pytest.raises(ExpressionsUnavailable):
            await evaluated(evaluator, "true")


async def test_a_text_with_a_nul_is_not_taken_for_what_stands_before_it(
    evaluator: Evaluator,
) -> None:
    """The library reads a text up to the first NUL, so such objects are not evaluated at all."""
    found = [
        await evaluated(evaluator, "object == 'a'", values={"object": value, "oldObject": None})
        for value in ("a", "a\x00b", {"a\x00b": 1})
    ]

    assert [[TRUE], [Evaluated(None, HOLDS_NUL)], [Evaluated(None, HOLDS_NUL)]] == found


async def test_the_process_knows_nothing_of_our_environment(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable is handed on."""
    monkeypatch.setenv("LANDWAITER_SECRET", "hunter2")
    await evaluated(evaluator, "true")

    environment = await asyncio.to_thread(Path(f"/proc/{process_of(evaluator)}/environ").read_bytes)

    assert b"" == environment


class Told:
    """Remembers what it is told of jobs."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, JobEnd]] = []
        self.counts: list[int] = []

    def job_finished(self, scope: str, end: JobEnd, *, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.ends.append((scope, end))

    def jobs_changed(self, scope: str, under_way: int) -> None:
        self.counts.append(under_way)


async def test_each_job_is_told_of_with_its_end() -> None:
    """An overrun is told from an answer, from having had no turn, and from a fault."""
    told = Told()
    async with Evaluator(job_seconds=0.5, watcher=Watcher(told, "cluster")) as evaluator:
        await evaluated(evaluator, "true")
        await evaluated(evaluator, SLOW, values=LARGE)
        with pytest.raises(DeadlineExceeded):
            await evaluated(evaluator, "true", seconds=0)
    async with Evaluator(python="/nonexistent", watcher=Watcher(told, "cluster")) as broken:
        with pytest.raises(ExpressionsUnavailable):
            await evaluated(broken, "true")

    ends: list[JobEnd] = ["whole", "overrun", "late", "fault"]
    assert ([("cluster", end) for end in ends], [1, 0] * 4) == (told.ends, told.counts)
