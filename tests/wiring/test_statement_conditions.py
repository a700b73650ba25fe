"""What expressions say of signed statements is found out once, within bounds."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from landwaiter.cel.evaluation import TOO_LONG, Evaluated, Evaluates, Task
from landwaiter.cel.expressions import compile_expression
from landwaiter.cosign.statements import Attestation
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ExpressionsUnavailable, Unavailable
from landwaiter.rules.statement_conditions import VARIABLES, Conditions, PredicateCondition
from landwaiter.telemetry.observers import ConditionMetrics
from landwaiter.wiring.statement_conditions import (
    INPUT_MAX_BYTES,
    StatementConditions,
    statement_conditions,
)

GOOD, BAD = Evaluated(value=True), Evaluated(value=False)
LATE = Evaluated(None, TOO_LONG)


class FakeEvaluator:
    """Says of each job what it is told to; holds it up until it may go on."""

    def __init__(self, *told: Evaluated, fault: Unavailable | None = None) -> None:
        self.told = told
        self.fault = fault
        self.inputs: list[Mapping[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def evaluate(
        self, tasks: Sequence[Task], inputs: Sequence[Mapping[str, Any]], *, deadline: Deadline
    ) -> tuple[Evaluated, ...]:
        self.inputs += inputs
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_go_on.wait()
        self.at_once -= 1
        if self.fault is not None:
            raise self.fault
        return self.told[: len(tasks)]


def a_statement(number: int = 0, *, signed_at: float | None = None) -> Attestation:
    content = json.dumps({"predicate": {"number": number}, "subject": "not shown"})
    return Attestation(f"digest {number}", content.encode(), signed_at)


def conditions(*texts: str, max_age_hours: int | None = None) -> Conditions:
    named = (PredicateCondition(each, compile_expression(each, VARIABLES)) for each in texts)
    return Conditions(max_age_hours, tuple(named))


ONE = conditions("predicate.number == 1")


async def counted(
    judge: StatementConditions,
    *statements: Attestation,
    wanted: Conditions = ONE,
    at_least: int = 9,
    seconds: float = 60,
) -> tuple[int, list[str]]:
    deadline = Deadline.after(seconds)
    return await judge.counted(statements, wanted, at_least, deadline=deadline)


async def test_an_expression_is_shown_the_predicate_alone() -> None:
    """And is evaluated once for a statement, whoever asks and how often."""
    evaluator = FakeEvaluator(BAD)
    judge = StatementConditions(evaluator)
    found = [await counted(judge, a_statement(3), a_statement(4)) for _ in range(2)]

    name = ONE.predicate[0].name
    assert [(0, [f'it does not meet "{name}"'] * 2)] * 2 == found
    assert [{"predicate": {"number": 3}}, {"predicate": {"number": 4}}] == evaluator.inputs


async def test_other_expressions_are_found_out_anew() -> None:
    """What is remembered of one is not said of another."""
    evaluator = FakeEvaluator(GOOD, BAD)
    judge = StatementConditions(evaluator)
    found = [
        (await counted(judge, a_statement(), wanted=conditions(*texts)))[0]
        for texts in (["true"], ["true", "false"], ["false"], ["true"])
    ]

    assert ([1, 0, 1, 1], 3) == (found, len(evaluator.inputs))


async def test_no_more_is_evaluated_than_is_needed() -> None:
    """What is too old is not shown to an expression, nor what comes after enough."""
    evaluator = FakeEvaluator(GOOD)
    judge = StatementConditions(evaluator, clock=lambda: 100_000.0)
    statements = [a_statement(n, signed_at=at) for n, at in enumerate((0.0, 99_000.0, 98_000.0))]
    wanted = conditions("true", max_age_hours=1)
    found = await counted(judge, *statements, wanted=wanted, at_least=1)

    assert (1, ["it is 28 h old"]) == found
    assert [{"predicate": {"number": 1}}] == evaluator.inputs


async def test_what_took_too_long_is_tried_again_after_a_while() -> None:
    """It is refused until then, for whoever pushes may have caused it."""
    seconds = [0.0]
    evaluator = FakeEvaluator(LATE)
    judge = StatementConditions(evaluator, timer=lambda: seconds[0])
    before = [await counted(judge, a_statement()) for _ in range(2)]
    evaluator.told = (GOOD,)
    seconds[0] = 11.0

    name = ONE.predicate[0].name
    problem = f'"{name}" cannot be told of it: it takes too long or too much memory'
    assert ([(0, [problem])] * 2, (1, []), 2) == (
        before,
        await counted(judge, a_statement()),
        len(evaluator.inputs),
    )


async def test_a_fault_is_not_remembered() -> None:
    """It is undecided while there is no process, and no longer."""
    evaluator = FakeEvaluator(GOOD, fault=ExpressionsUnavailable("there is no process"))
    judge = StatementConditions(evaluator)
    with pytest.raises(ExpressionsUnavailable, match="there is no process"):
        await counted(judge, a_statement())
    evaluator.fault = None

    assert (1, []) == await counted(judge, a_statement())


async def test_semantics_15_the_work_goes_on_after_the_deadline() -> None:
    """Whoever asks again finds what came of it; one statement is evaluated at a time."""
    evaluator = FakeEvaluator(GOOD)
    evaluator.may_go_on.clear()
    judge = StatementConditions(evaluator)
    for number in (1, 1, 2):
        with pytest.raises(DeadlineExceeded):
            await counted(judge, a_statement(number), seconds=0.05)
    evaluator.may_go_on.set()

    assert (2, []) == await counted(judge, a_statement(1), a_statement(2))
    assert (2, 1) == (len(evaluator.inputs), evaluator.most_at_once)


async def test_a_predicate_as_large_as_an_attestation_may_be_is_read() -> None:
    """By the real process, which takes no object of a request that is so large."""
    packages = [{"name": f"package-{number}", "note": "x" * 1_000} for number in range(7_000)]
    content = json.dumps({"predicate": {"packages": packages}})
    wanted = conditions('predicate.packages[6999].name == "package-6999"')
    async with statement_conditions() as judge:
        found = await counted(judge, Attestation("d", content.encode()), wanted=wanted)
        over = json.dumps({"predicate": "x" * INPUT_MAX_BYTES})
        _, problems = await counted(judge, Attestation("e", over.encode()), wanted=wanted)

    assert 7_000_000 < len(content) < INPUT_MAX_BYTES
    assert (1, []) == found
    assert [True] == ["the objects are over 8388608 bytes" in each for each in problems]


async def test_what_expressions_take_is_counted() -> None:
    """Apart from the conditions of policies."""
    registry = CollectorRegistry()
    async with statement_conditions(metrics=ConditionMetrics(registry)) as judge:
        await counted(judge, a_statement(1), wanted=ONE)
    labels = {"scope": "attestations", "end": "whole"}

    assert 1 == registry.get_sample_value("landwaiter_condition_job_seconds_count", labels)


def _protocol_holds() -> Evaluates:
    """Let mypy say when the fake and its Protocol part ways."""
    return FakeEvaluator()
