"""
Which policies apply to an object, and what they do about findings in it.

Label selectors mean what they mean in Kubernetes (apimachinery pkg/labels, 1.36): `NotIn` and
`DoesNotExist` also match where the key is absent, and an empty selector matches everything. The
labels of a namespace may be unknown; then a selector is as undecided as it has to be, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from landwaiter.cel.expressions import Expression
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.case import Operation, Requester
from landwaiter.policy.subjects import NOBODY, Subjects
from landwaiter.rules.protocol import Rule
from landwaiter.rules.verdict import Action, FailurePolicy
from landwaiter.workloads.values import ImageUse, UnreadableUse, Workload

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server sets on every namespace, and holds to its name."""


class Operator(StrEnum):
    """How a requirement compares a label, in the words of Kubernetes."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class TemplateAction(StrEnum):
    """What a policy does about findings in Pod templates, where it is not what it does for Pods."""

    DENY = "Deny"
    WARN = "Warn"
    SKIP = "Skip"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label; `values` are empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels that are all known meet the condition."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Conditions that must all be met; none of them matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The labels that the selector reads."""
        return frozenset(requirement.key for requirement in self.requirements)

    @property
    def names(self) -> frozenset[str] | None:
        """The only namespaces that it can select, by their names; None where it names none."""
        named = [
            each.values
            for each in self.requirements
            if each.key == NAME_LABEL and each.operator is Operator.IN
        ]
        return frozenset.intersection(*named) if named else None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels that are all known meet every condition."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def selects(self, namespace: str, labels: Mapping[str, str] | None) -> bool | None:
        """
        Whether the selector matches a namespace, whose name is always known.

        `labels` is None where they are not known; then None comes back if, and only if, they
        would decide.
        """
        if labels is not None:
            return self.matches({**labels, NAME_LABEL: namespace})
        by_name = [each for each in self.requirements if each.key == NAME_LABEL]
        if not all(requirement.matches({NAME_LABEL: namespace}) for requirement in by_name):
            return False
        return None if self.keys - {NAME_LABEL} else True


EVERYTHING = LabelSelector()
"""The selector without conditions."""


@dataclass(frozen=True, slots=True)
class ActionOverride:
    """What a policy does in the namespaces that a selector matches."""

    namespaces: LabelSelector
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True)
class Condition:
    """
    A named expression that must be true for the policy to apply.

    `reads_namespace` is True where it depends on the labels of the namespace.
    """

    name: str
    expression: Expression
    reads_namespace: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """
    One policy as it is applied; equal policies decide alike.

    `templates` is None where findings in templates are treated as those in Pods. `rules` are in
    the order of their ids. `users` is None where it does not matter who asks. The first of
    `action_overrides` that selects the namespace takes the place of `actions`. `namespace` is None
    for a policy of the cluster; that of a namespace is written by whoever may do so there. What was
    verified no longer ago than `stale_within_seconds` stands in for what cannot be found out; None
    for nothing.
    """

    name: str
    actions: frozenset[Action]
    failure_policy: FailurePolicy
    templates: TemplateAction | None
    namespace_selector: LabelSelector
    object_selector: LabelSelector
    images: tuple[ImagePattern, ...]
    rules: tuple[Rule, ...]
    excluded_images: tuple[ImagePattern, ...] = ()
    operations: frozenset[Operation] = frozenset(Operation)
    users: Subjects | None = None
    excluded_users: Subjects = NOBODY
    action_overrides: tuple[ActionOverride, ...] = ()
    namespace: str | None = None
    conditions: tuple[Condition, ...] = ()
    stale_within_seconds: int | None = None

    @property
    def reads_namespace(self) -> bool:
        """Whether a condition depends on the labels of the namespace."""
        return bool(self.conditions) and any(each.reads_namespace for each in self.conditions)

    @property
    def object_labels(self) -> frozenset[str]:
        """The labels of Pods that it selects on; when one changes, templates are judged again."""
        return self.object_selector.keys

    def possible_actions(
        self, namespace: str, labels: Mapping[str, str] | None
    ) -> frozenset[frozenset[Action]]:
        """
        Return what is done about findings in a namespace.

        These are several sets where `labels` decide which, and are None.
        """
        if not self.action_overrides:
            return frozenset((self.actions,))
        possible = set[frozenset[Action]]()
        for override in self.action_overrides:
            selected = override.namespaces.selects(namespace, labels)
            if selected is not False:
                possible.add(override.actions)
            if selected is True:
                return frozenset(possible)
        return frozenset({*possible, self.actions})

    def softened(self, actions: frozenset[Action]) -> frozenset[Action]:
        """Return what is left of the actions for a template, nothing where it is not judged."""
        if self.templates in {None, TemplateAction.DENY}:
            return actions
        if self.templates is TemplateAction.SKIP:
            return frozenset()
        if Action.DENY not in actions:
            return actions
        return (actions - {Action.DENY}) | {Action.WARN}

    def concerns(self, operation: Operation, requester: Requester | None) -> bool:
        """
        Whether the policy is about what is done, and by whom.

        Where nobody has asked yet, as in an offline check, it is about what anybody may do: then
        `users` match and nobody is exempt.
        """
        if operation not in self.operations:
            return False
        if requester is None:
            return True
        if self.users is not None and not self.users.include(requester):
            return False
        return not self.excluded_users.exempt(requester)

    @property
    def namespaces(self) -> frozenset[str] | None:
        """The only namespaces that it can be about, None where only their labels tell."""
        if self.namespace is not None:
            return frozenset((self.namespace,))
        return self.namespace_selector.names

    def selects_namespace(self, name: str, labels: Mapping[str, str] | None) -> bool | None:
        """
        Whether the policy is about the objects of a namespace.

        `labels` is None where they are not known; then None comes back if, and only if, they
        would decide.
        """
        if self.namespace not in {None, name}:
            return False
        return self.namespace_selector.selects(name, labels)

    def selects_object(self, workload: Workload, old: Workload | None) -> bool:
        """
        Whether the selector matches the labels of the object, or of what stood there before it.

        An UPDATE that changes labels cannot step out of a policy.
        """
        selector = self.object_selector
        return selector.matches(workload.labels) or (
            old is not None and selector.matches(old.labels)
        )

    def covers(self, use: ImageUse | UnreadableUse) -> bool:
        """Whether the policy is about an image; a name that does not parse could be any."""
        if isinstance(use, UnreadableUse):
            return True
        reference = use.reference
        if not any(pattern.matches(reference) for pattern in self.images):
            return False
        return not (
            self.excluded_images
            and any(pattern.matches(reference) for pattern in self.excluded_images)
        )
