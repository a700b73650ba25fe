"""The conditions in a document: expressions that are compiled when it is loaded."""

from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from landwaiter.cel.expressions import (
    EXPRESSION_MAX_CHARACTERS,
    Expression,
    compile_expression,
)
from landwaiter.errors import InvalidExpression
from landwaiter.policy.conditions import NAMESPACE_OBJECT, VARIABLES
from landwaiter.policy.matching import Condition
from landwaiter.rules.settings import Settings

CONDITIONS_MAX = 20

_NAME = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"


def _expression(value: object) -> Expression:
    if isinstance(value, Expression):
        return value
    if not isinstance(value, str):
        raise InvalidExpression(f"{type(value).__name__} given, an expression of CEL is wanted")
    return compile_expression(value, VARIABLES)


ExpressionField = Annotated[
    Expression,
    PlainValidator(_expression),
    PlainSerializer(lambda expression: expression.text, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": EXPRESSION_MAX_CHARACTERS}),
]


class ConditionSettings(Settings):
    """An expression that must be true for the policy to apply, as in Kubernetes."""

    name: str = Field(min_length=1, max_length=63, pattern=_NAME)
    """What messages call it; each condition of a policy has its own name."""
    expression: ExpressionField
    """
    An expression of CEL over `object`, `oldObject`, `request` and `namespaceObject`.

    docs/conditions.md tells what may be written. It is checked when it is loaded.
    """

    def condition(self) -> Condition:
        """Return the condition."""
        return Condition(self.name, self.expression, self.expression.names(NAMESPACE_OBJECT))


def distinct_names(conditions: list[ConditionSettings]) -> list[ConditionSettings]:
    """Return the conditions. Raises `ValueError` where two of them have one name."""
    names = [each.name for each in conditions]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f'the name "{twice}" given twice, distinct ones are wanted')
    return conditions
