"""What conditions in documents share: a name, and an expression that is compiled at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Protocol, TypeVar

from pydantic import Field, PlainSerializer, WithJsonSchema

from landwaiter.cel.expressions import (
    EXPRESSION_MAX_CHARACTERS,
    Expression,
    compile_expression,
)
from landwaiter.cel.names import Members
from landwaiter.errors import InvalidExpression

ConditionName = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"),
]
"""What messages call a condition."""

EXPRESSION_TEXT: Final = PlainSerializer(lambda expression: expression.text, return_type=str)
EXPRESSION_SCHEMA: Final = WithJsonSchema(
    {"type": "string", "minLength": 1, "maxLength": EXPRESSION_MAX_CHARACTERS}
)


class Named(Protocol):
    """Whatever has a name."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...


NamedT = TypeVar("NamedT", bound=Named)


def expression_over(variables: Mapping[str, Members | None]) -> Callable[[object], Expression]:
    """Return what validates a field: an expression over these variables, and nothing else."""

    def expression(value: object) -> Expression:
        if isinstance(value, Expression):
            return value
        if not isinstance(value, str):
            raise InvalidExpression(f"{type(value).__name__} given, an expression of CEL is wanted")
        return compile_expression(value, variables)

    return expression


def distinct_names(conditions: Sequence[NamedT]) -> Sequence[NamedT]:
    """Return the conditions. Raises `ValueError` where two of them have one name."""
    names = [each.name for each in conditions]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f'the name "{twice}" given twice, distinct ones are wanted')
    return conditions
