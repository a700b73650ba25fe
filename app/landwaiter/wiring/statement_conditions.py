"""
Finds out what is wrong with signed statements: their age, and what expressions say of them.

What came of an expression for a statement is remembered, for neither of them changes. One statement
is evaluated at a time, so that one only is in memory as text; whoever cannot wait for it asks again
and finds what came of it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from cachetools import LRUCache, TTLCache

from landwaiter.cel.evaluation import TOO_LONG, Evaluated, Evaluates, Evaluator, Task, Watcher
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.statements import Attestation
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ExpressionsUnavailable, Unavailable
from landwaiter.rules.statement_conditions import PREDICATE, Conditions
from landwaiter.telemetry.observers import ConditionMetrics

INPUT_MAX_BYTES: Final = 8 * 1024 * 1024
"""Of a predicate as JSON, as large as an attestation may be: 0.6 s and 120 MiB to read."""

JOB_SECONDS: Final = 3.0
WAIT_SECONDS: Final = 60.0
WAITING_MAX: Final = 1_000
REMEMBERED_MAX: Final = 5_000
OVERRUN_SECONDS: Final = 10.0
"""When an expression that took too long is evaluated anew: the machine may have been busy."""

_Key = tuple[str, tuple[str, ...]]
"""The digest of a statement, and the texts of expressions."""

_Told = tuple[Evaluated, ...]


class StatementConditions:
    """
    Judges statements. Use it as a context manager's value, `statement_conditions`.

    Used on one event loop only, so it needs no lock but for whose turn it is.
    """

    def __init__(
        self,
        evaluator: Evaluates,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._evaluator = evaluator
        self._clock = clock
        self._turn = asyncio.Lock()
        self._flights: Flights[_Key, _Told | Failure] = Flights(WAITING_MAX)
        self._told: LRUCache[_Key, _Told] = LRUCache(REMEMBERED_MAX)
        self._overrun: TTLCache[_Key, _Told] = TTLCache(REMEMBERED_MAX, OVERRUN_SECONDS, timer)

    async def close(self) -> None:
        """End all work that is under way."""
        await self._flights.close()

    async def counted(
        self,
        attestations: Sequence[Attestation],
        conditions: Conditions,
        at_least: int,
        *,
        deadline: Deadline,
    ) -> tuple[int, list[str]]:
        """
        Return how many count, no more than `at_least`, and why others do not.

        Raises `Unavailable` when that could not be found out.
        """
        count, problems = 0, []
        for each in attestations:
            problem = await self._problem(each, conditions, deadline)
            if problem is not None:
                problems.append(problem)
            elif (count := count + 1) >= at_least:
                break
        return count, problems

    def good_seconds(
        self, attestations: Sequence[Attestation], conditions: Conditions
    ) -> float | None:
        """Return for how long what counts now certainly goes on to do so, None for ever."""
        return conditions.good_seconds(map(self._age_seconds, attestations))

    def _age_seconds(self, attestation: Attestation) -> float | None:
        signed_at = attestation.signed_at
        return None if signed_at is None else self._clock() - signed_at

    async def _problem(
        self, attestation: Attestation, conditions: Conditions, deadline: Deadline
    ) -> str | None:
        """Return why a statement does not count, half a sentence, None where it does."""
        if (problem := conditions.age_problem(self._age_seconds(attestation))) is not None:
            return problem
        if not conditions.predicate:
            return None
        expressions = tuple(each.expression for each in conditions.predicate)
        key = (attestation.digest, tuple(each.text for each in expressions))
        told = self._told.get(key) or self._overrun.get(key)
        if told is None:
            tasks = tuple(map(Task, expressions))
            joined = await self._flights.join(
                key, lambda: self._find_out(key, tasks, attestation), deadline=deadline
            )
            if isinstance(joined, Failure):
                raise joined.error()
            told = joined
        return conditions.predicate_problem(told)

    async def _find_out(
        self, key: _Key, tasks: Sequence[Task], attestation: Attestation
    ) -> _Told | Failure:
        limit = Deadline.after(WAIT_SECONDS)
        try:
            async with limit.timeout(), self._turn:
                statement = json.loads(attestation.statement)
                values = {PREDICATE: statement[PREDICATE]}
                told = await self._evaluator.evaluate(tasks, [values], deadline=limit)
        except (TimeoutError, DeadlineExceeded):
            return Failure(
                ExpressionsUnavailable,
                f"expressions about an attestation had no turn for {WAIT_SECONDS:g} s",
            )
        except Unavailable as fault:
            return Failure.of(fault)
        is_overrun = any(each.problem == TOO_LONG for each in told)
        (self._overrun if is_overrun else self._told)[key] = told
        return told


@asynccontextmanager
async def statement_conditions(
    *, clock: Callable[[], float] = time.time, metrics: ConditionMetrics | None = None
) -> AsyncIterator[StatementConditions]:
    """
    Give what judges statements, for the body of the context; no process is left behind it.

    None is started before there is an expression to evaluate.
    """
    watcher = None if metrics is None else Watcher(metrics, "attestations")
    async with Evaluator(
        job_seconds=JOB_SECONDS, input_max_bytes=INPUT_MAX_BYTES, watcher=watcher
    ) as evaluator:
        conditions = StatementConditions(evaluator, clock=clock)
        try:
            yield conditions
        finally:
            await conditions.close()
