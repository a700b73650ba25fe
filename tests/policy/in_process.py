"""Evaluates conditions as the process for it does, without a process."""

from collections.abc import Mapping, Sequence
from typing import Any

from landwaiter.cel.evaluation import TOO_LONG, Evaluated, Evaluates, Task
from landwaiter.cel.worker import answers
from landwaiter.deadline import Deadline
from landwaiter.errors import Unavailable
from landwaiter.policy.conditions import VARIABLES


class InProcess:
    """Evaluates as the process does, in this one; raises or overruns where it is told to."""

    def __init__(self, fault: Unavailable | None = None, slow: str | None = None) -> None:
        self.fault = fault
        self.slow = slow
        self.jobs: list[list[str]] = []

    async def evaluate(
        self, tasks: Sequence[Task], inputs: Sequence[Mapping[str, Any]], *, deadline: Deadline
    ) -> tuple[Evaluated, ...]:
        if self.fault is not None:
            raise self.fault
        texts = [task.expression.text for task in tasks]
        if tasks:
            self.jobs.append(texts)
        job = {
            "variables": list(VARIABLES),
            "inputs": list(inputs),
            "tasks": [(task.expression.text, task.input) for task in tasks],
        }
        found = [
            Evaluated(value=answer) if isinstance(answer, bool) else Evaluated(None, answer)
            for answer in answers(job)
        ]
        if self.slow in texts:
            at = texts.index(self.slow)
            found[at:] = [Evaluated(None, TOO_LONG)] * (len(texts) - at)
        return tuple(found)


def _protocol_holds() -> Evaluates:
    """Let mypy say when the fake and its Protocol part ways."""
    return InProcess()
