"""
What was verified before stands in for what cannot be found out, where a policy says how long.

Only a question without an answer is looked up, so a refusal stays one; and the rule judges anew, so
that what was verified before counts for no more than it did then. What is not in the inventory
under the same key stays undecided (design, semantics 21).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from landwaiter.rules.protocol import (
    Answer,
    Facts,
    Inquiry,
    Question,
    Rule,
    Undecided,
    Violation,
)
from landwaiter.workloads.values import ImageUse


@dataclass(frozen=True, slots=True)
class Earlier(Generic[Answer]):
    """What the answer was when it was last found out, and how long ago that was."""

    answer: Answer
    age_seconds: float


class Inventory(Protocol):
    """Whatever remembers what was verified."""

    def earlier(self, question: Question[Answer], inquiry: Inquiry) -> Earlier[Answer] | None:
        """Return what was last found out, at once; None where that is not known."""
        ...


class NothingVerified:
    """An inventory that is empty, as that of an offline check."""

    def earlier(self, question: Question[Answer], inquiry: Inquiry) -> Earlier[Answer] | None:
        """Return None."""
        return None


NOTHING_VERIFIED = NothingVerified()


def stands_in(
    rule: Rule,
    use: ImageUse,
    facts: Facts,
    look_up: Callable[[Question[Any]], Earlier[Any] | None],
    *,
    within_seconds: int,
) -> float | None:
    """
    Return the age of what lets the rule admit a use that it has left undecided, in seconds.

    That of the oldest, where several answers are missing. None where the rule still does not admit
    the use, or where what it would admit it by is older than `within_seconds`.
    """
    answers: dict[Question[Any], Any] = {}
    oldest: float | None = None
    for question in rule.needs(use):
        answer: Any = facts.about(question)
        if isinstance(answer, Undecided):
            earlier = look_up(question)
            if earlier is not None and earlier.age_seconds <= within_seconds:
                answer = earlier.answer
                oldest = max(oldest or 0.0, earlier.age_seconds)
        answers[question] = answer
    if oldest is None or isinstance(rule.judge(use, Facts(answers)), Violation | Undecided):
        return None
    return oldest
