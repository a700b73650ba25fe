"""What is done about findings, everywhere and in some namespaces."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from landwaiter.policy.match_models import LabelSelectorSettings
from landwaiter.policy.matching import ActionOverride
from landwaiter.rules.settings import Settings, in_cel
from landwaiter.rules.verdict import Action


def _distinct_actions(actions: list[Action]) -> list[Action]:
    if len(set(actions)) != len(actions):
        raise ValueError("an action given twice, distinct ones are wanted")
    if {Action.DENY, Action.WARN} <= set(actions):
        raise ValueError(
            "Deny and Warn given, one of them is wanted: "
            "a refusal tells the person all that a warning would"
        )
    return actions


Actions = Annotated[
    list[Annotated[Action, Field(strict=False)]],
    Field(
        min_length=1,
        max_length=len(Action),
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            **in_cel(("!('Deny' in self && 'Warn' in self)", "Deny or Warn wanted, not both")),
        },
    ),
    AfterValidator(_distinct_actions),
]


class ActionOverrideSettings(Settings):
    """Other actions for some namespaces."""

    namespace_selector: LabelSelectorSettings
    """Labels of the namespaces, as under `match`; at least one condition."""
    validation_actions: Actions
    """What is done there, in place of the policy's `validationActions`."""

    @model_validator(mode="after")
    def _selects_some(self) -> Self:
        if not self.namespace_selector.selector().requirements:
            raise ValueError(
                "namespaceSelector selects every namespace, at least one condition is wanted; "
                "what is done everywhere stands in spec.validationActions"
            )
        return self

    def override(self) -> ActionOverride:
        """Return the override."""
        return ActionOverride(
            self.namespace_selector.selector(), frozenset(self.validation_actions)
        )
