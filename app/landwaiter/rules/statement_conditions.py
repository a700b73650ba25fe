"""
What a signed statement has to be besides its type: young enough, and what expressions want of it.

Expressions see the `predicate` and nothing else, so what came of one for a statement never changes.
One that cannot be told is not met: what makes it fail stands in the statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import PlainValidator

from landwaiter.cel.evaluation import Evaluated
from landwaiter.cel.expressions import Expression
from landwaiter.cel.names import Members
from landwaiter.rules.named_expressions import (
    EXPRESSION_SCHEMA,
    EXPRESSION_TEXT,
    ConditionName,
    expression_over,
)
from landwaiter.rules.settings import Settings

PREDICATE: Final = "predicate"
VARIABLES: Final[Mapping[str, Members | None]] = {PREDICATE: None}
"""What an expression may name: the predicate, whose members are the scanner's or the builder's."""

CLOCK_SKEW_SECONDS: Final = 300
"""How far ahead of ours the clock of a timestamp authority may be."""

_HOUR: Final = 3_600


@dataclass(frozen=True, slots=True)
class PredicateCondition:
    """An expression that has to be true of the predicate, and what messages call it."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a statement has to be besides its type; `max_age_hours` is None for any age."""

    max_age_hours: int | None = None
    predicate: tuple[PredicateCondition, ...] = ()

    def age_problem(self, age_seconds: float | None) -> str | None:
        """
        Return why a statement of this age does not count, half a sentence, None where it does.

        The age is counted from the time that somebody else vouches for, None where nobody does.
        """
        if self.max_age_hours is None:
            return None
        if age_seconds is None:
            return "nobody vouches for when it was signed"
        if age_seconds < -CLOCK_SKEW_SECONDS:
            return "it was signed in the future"
        if age_seconds > self.max_age_hours * _HOUR:
            return f"it is {age_seconds / _HOUR:.0f} h old"
        return None

    def good_seconds(self, ages_seconds: Iterable[float | None]) -> float | None:
        """
        Return for how long statements of these ages certainly go on to count as they do now.

        None for ever, and 0 where none of them counts.
        """
        if self.max_age_hours is None:
            return None
        young = [age for age in ages_seconds if self.age_problem(age) is None]
        ages = [age for age in young if age is not None]
        return max(0.0, self.max_age_hours * _HOUR - max(ages)) if ages else 0.0

    def predicate_problem(self, told: Sequence[Evaluated]) -> str | None:
        """Return why a statement does not count of whose predicate this came, in their order."""
        for condition, answer in zip(self.predicate, told, strict=True):
            if answer.value is None:
                return f'"{condition.name}" cannot be told of it: {answer.problem}'
            if not answer.value:
                return f'it does not meet "{condition.name}"'
        return None

    def __str__(self) -> str:
        """Return what is wanted, as it stands behind what has to be signed."""
        wanted = []
        if self.max_age_hours is not None:
            wanted.append(f"at most {self.max_age_hours} h old")
        if self.predicate:
            wanted.append("meeting " + " and ".join(f'"{each.name}"' for each in self.predicate))
        return "".join(f", {each}" for each in wanted) + ("," if wanted else "")


NO_CONDITIONS: Final = Conditions()

PredicateExpressionField = Annotated[
    Expression, PlainValidator(expression_over(VARIABLES)), EXPRESSION_TEXT, EXPRESSION_SCHEMA
]


class PredicateConditionSettings(Settings):
    """What an attestation has to say, as an expression that must be true of it."""

    name: ConditionName
    """What messages call it; each condition has its own name."""
    expression: PredicateExpressionField
    """An expression of CEL over `predicate`; it is checked when it is loaded."""

    def condition(self) -> PredicateCondition:
        """Return the condition."""
        return PredicateCondition(self.name, self.expression)
