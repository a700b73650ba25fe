"""Answers each rule's questions with the room that can find it out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from landwaiter.rules.protocol import Answer, Inquiry, Question
from landwaiter.telemetry.steps import step

Answerer = Callable[[Any, Inquiry], Awaitable[Any]]


class FactSources:
    """A fact source that hands each question to the answerer of its type."""

    def __init__(self, answerers: Mapping[type[Question[Any]], Answerer]) -> None:
        self._answerers = dict(answerers)

    @property
    def questions(self) -> frozenset[type[Question[Any]]]:
        """The types of questions that have an answerer."""
        return frozenset(self._answerers)

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        """Return the answer; a `KeyError` means that nothing was wired for such questions."""
        answerer = self._answerers[type(question)]
        with step(step_of(type(question))):
            return cast("Answer", await answerer(question, inquiry))


def step_of(question: type[Question[Any]]) -> str:
    """Return the name under which the wait for such answers is logged, such as `pullSecret`."""
    name = question.__name__.removesuffix("Question")
    return name[0].lower() + name[1:]
