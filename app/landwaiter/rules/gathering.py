"""The facts of one decision: each question is asked once, under one deadline."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from types import TracebackType
from typing import Any, Self, cast

from landwaiter.errors import DeadlineExceeded, ImageProblem, Unavailable
from landwaiter.rules.protocol import (
    Answer,
    CurrentDigest,
    Facts,
    FactSource,
    Inquiry,
    Question,
    Undecided,
)
from landwaiter.rules.verified_before import NOTHING_VERIFIED, Earlier, Inventory
from landwaiter.workloads.values import ImageUse

_NOT_YET = Undecided("not known yet", "the answer has not come yet", retry=True)

QUESTIONS_AT_ONCE = 16
"""How many questions one decision may have under way: an object can name hundreds of images."""


class Gathering:
    """
    Asks on behalf of one object and remembers the answers until it is judged.

    Holds state for a single decision, on a single event loop; it is never shared. What is still
    being asked when the context is left is cancelled.
    """

    def __init__(
        self, source: FactSource, inquiry: Inquiry, inventory: Inventory = NOTHING_VERIFIED
    ) -> None:
        self._source = source
        self._inventory = inventory
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

    async def facts(
        self, questions: Iterable[Question[Any]], enough: Callable[[Facts], bool]
    ) -> Facts:
        """
        Return the answers, without waiting for those that would change nothing.

        What has no answer is `Undecided`; `enough` says whether the answers so far settle the
        matter all the same. Raises `ImageProblem` when the image itself is the reason that one has
        no answer, unless the others are enough, or it is not known whether they are.
        """
        wanted = {question: self._begun(question) for question in questions}
        if len(wanted) == 1:
            return Facts(
                {question: await self._answered(task) for question, task in wanted.items()}
            )
        waited_for = {task for task in wanted.values() if not task.done()}
        while waited_for:
            _, waited_for = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if waited_for and enough(facts := _facts(wanted)):
                return facts
        answers = [task.result() for task in wanted.values()]
        problems = [answer for answer in answers if isinstance(answer, ImageProblem)]
        facts = _facts(wanted)
        undecided = any(isinstance(answer, Undecided) for answer in answers)
        if problems and not undecided and not enough(facts):
            raise problems[0]
        return facts

    def begin(self, questions: Iterable[Question[Any]]) -> None:
        """Start to find out what has not been asked yet, without waiting for it."""
        for question in questions:
            for ahead in question.ahead:
                self._begun(ahead)
            self._begun(question)

    def begin_about_content(self, use: ImageUse, questions: Iterable[Question[Any]]) -> None:
        """Do the same about content; of a tag first for what it points to, and what is ahead."""
        if use.reference.digest is not None:
            self.begin(questions)
        elif ahead := [each.ahead for each in questions]:
            self.begin((CurrentDigest(use.reference), *chain.from_iterable(ahead)))

    async def ask(self, question: Question[Answer]) -> Answer | Undecided:
        """Return one answer. Raises `ImageProblem` when the image itself is the reason."""
        return cast("Answer | Undecided", await self._answered(self._begun(question)))

    def earlier(self, question: Question[Answer]) -> Earlier[Answer] | None:
        """Return what the answer was when it was last found out, None where that is not known."""
        return self._inventory.earlier(question, self._inquiry)

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


def _facts(asked: Mapping[Question[Any], asyncio.Task[Any]]) -> Facts:
    """Return the answers that there are, and that there is none yet, or none at all."""
    return Facts(
        {
            question: _answer(task.result()) if task.done() else _NOT_YET
            for question, task in asked.items()
        }
    )


def _answer(answer: object) -> object:
    if isinstance(answer, ImageProblem):
        return Undecided("image not readable", str(answer))
    return answer
