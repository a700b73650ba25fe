"""The conditions in a document: expressions that are compiled when it is loaded."""

from typing import Annotated

from pydantic import PlainValidator

from landwaiter.cel.expressions import Expression
from landwaiter.policy.conditions import NAMESPACE_OBJECT, VARIABLES
from landwaiter.policy.matching import Condition
from landwaiter.rules.named_expressions import (
    EXPRESSION_SCHEMA,
    EXPRESSION_TEXT,
    ConditionName,
    expression_over,
)
from landwaiter.rules.settings import Settings

CONDITIONS_MAX = 20

ExpressionField = Annotated[
    Expression, PlainValidator(expression_over(VARIABLES)), EXPRESSION_TEXT, EXPRESSION_SCHEMA
]


class ConditionSettings(Settings):
    """An expression that must be true for the policy to apply, as in Kubernetes."""

    name: ConditionName
    """What messages call it; each condition of a policy has its own name."""
    expression: ExpressionField
    """
    An expression of CEL over `object`, `oldObject`, `request` and `namespaceObject`.

    docs/conditions.md tells what may be written. It is checked when it is loaded.
    """

    def condition(self) -> Condition:
        """Return the condition."""
        return Condition(self.name, self.expression, self.expression.names(NAMESPACE_OBJECT))
