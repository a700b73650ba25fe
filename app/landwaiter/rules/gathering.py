"""The facts of one decision: each question is asked once, under one deadline."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, cast

from landwaiter.errors import DeadlineExceeded, ImageProblem, Unavailable
from landwaiter.rules.protocol import Answer, Facts, FactSource, Inquiry, Question, Undecided

QUESTIONS_AT_ONCE = 16
"""How many questions one decision may have under way: an object can name hundreds of images."""


class Gathering:
    """
    Asks on behalf of one object and remembers the answers until it is judged.

    Holds state for a single decision, on a single event loop; it is never shared. What is still
    being asked when the context is left is cancelled.
    """

    def __init__(self, source: FactSource, inquiry: Inquiry) -> None:
        self._source = source
        self._inquiry = inquiry
        self._asked: dict[Question[Any], asyncio.Task[Any]] = {}
        self._places = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        running = [task for task in self._asked.values() if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.gather(*running, return_exceptions=True)

    async def facts(self, questions: Iterable[Question[Any]]) -> Facts:
        """
        Return the answers to all questions.

        Raises `ImageProblem` when the image itself is the reason that one has no answer.
        """
        wanted = [(question, self._begun(question)) for question in questions]
        return Facts({question: await self._answered(task) for question, task in wanted})

    def begin(self, questions: Iterable[Question[Any]]) -> None:
        """Start to find out what has not been asked yet, without waiting for it."""
        for question in questions:
            self._begun(question)

    async def ask(self, question: Question[Answer]) -> Answer | Undecided:
        """Return one answer. Raises `ImageProblem` when the image itself is the reason."""
        return cast("Answer | Undecided", await self._answered(self._begun(question)))

    def _begun(self, question: Question[Any]) -> asyncio.Task[Any]:
        if (task := self._asked.get(question)) is None:
            task = self._asked[question] = asyncio.create_task(self._answer(question))
        return task

    @staticmethod
    async def _answered(task: asyncio.Task[Any]) -> object:
        answer = task.result() if task.done() else await asyncio.shield(task)
        if isinstance(answer, ImageProblem):
            raise answer
        return answer

    async def _answer(self, question: Question[Any]) -> object:
        try:
            async with self._inquiry.deadline.timeout(), self._places:
                return await self._source.answer(question, self._inquiry)
        except ImageProblem as problem:
            return problem
        except (TimeoutError, DeadlineExceeded) as late:
            detail = str(late) or "the answer did not come in time"
            return Undecided("not known in time", detail, retry=True)
        except Unavailable as fault:
            return Undecided("could not be found out", str(fault))
