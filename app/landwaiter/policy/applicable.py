"""
Which policies apply to a case, with which actions, and what is left unknown.

The labels of the namespace may be unknown. A policy whose selector, or whose actions, depend on
them is then undecided; where one of the actions that it may have here is Deny, it counts as one
that denies, so that nothing passes for what nobody knows (design, semantics 8 and 18).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from landwaiter.policy.case import Case, Operation, Side
from landwaiter.policy.matching import Policy
from landwaiter.rules.protocol import Rule, RuleId, Undecided, Violation
from landwaiter.rules.verdict import Action
from landwaiter.workloads.changes import fields_changed, is_old
from landwaiter.workloads.values import ImageUse, UnreadableUse

Use = ImageUse | UnreadableUse


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why nobody knows whether a policy applies, and what is told as the rule that found it."""

    rule: RuleId
    outcome: Violation | Undecided


@dataclass(frozen=True, slots=True)
class Applicable:
    """
    A policy that applies to a case, or may apply, and what it does about findings.

    `possible` are the sets of actions that it may have for this object, one of them empty for a
    template that the policy skips, and `actions` all of these together; `here` are those that it
    may have in the namespace, whatever it does about templates. `applies` is None where the
    namespace's labels decide that. `doubt` is what came of trying to find out, None where that was
    not needed, or has told. `applies_anew` is True for a template that the policy's conditions did
    not meet as it is stored.
    """

    policy: Policy
    applies: Literal[True] | None
    here: frozenset[frozenset[Action]]
    possible: frozenset[frozenset[Action]]
    actions: frozenset[Action]
    doubt: Doubt | None = None
    applies_anew: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is known that it applies, and what it does."""
        return self.applies is True and len(self.possible) == 1

    @property
    def denies_here(self) -> bool | None:
        """
        Whether it is a policy of the cluster that denies in the namespace.

        None where the labels decide that, and are not known.
        """
        if self.policy.namespace is not None or not any(Action.DENY in each for each in self.here):
            return False
        is_certain = self.applies and len(self.here) == 1 and self.doubt is None
        return True if is_certain else None

    @property
    def denies(self) -> bool:
        """Whether a finding refuses the object, or may."""
        return Action.DENY in self.actions

    def belongs(self, side: Side) -> bool:
        """Whether its findings belong into the answer of a side (design, semantics 18)."""
        return _belongs(self.actions, side)

    def may_belong(self, side: Side) -> bool:
        """Whether its findings could belong there, once everything is known."""
        return any(_belongs(actions, side) for actions in self.possible)

    def has_a_word(self, side: Side, *, as_match: bool) -> bool:
        """
        Whether what it finds, or that it finds nothing, could matter for the answer of a side.

        With `as_match` it also matters whether it matches images for `unmatchedImages`.
        """
        if self.may_belong(side) or self.denies:
            return True
        return as_match and self.denies_here is not False

    def is_settled(self, *, as_match: bool) -> bool:
        """Whether the labels of the namespace would tell nothing more; `as_match` as above."""
        return self.is_known and not (as_match and self.denies_here is None)


def _belongs(actions: frozenset[Action], side: Side) -> bool:
    if not actions:
        return False
    return side is Side.ALL or (Action.DENY in actions) == (side is Side.ENFORCE)


def in_namespace(
    policy: Policy, namespace: str, labels: Mapping[str, str] | None, *, is_template: bool
) -> Applicable | None:
    """
    Return what a policy is to the objects of a namespace that it selects, None for nothing.

    `labels` are None where they are not known.
    """
    applies = policy.selects_namespace(namespace, labels)
    if applies is False:
        return None
    if labels is None and policy.reads_namespace:
        applies = None
    here = policy.possible_actions(namespace, labels)
    possible = here
    if is_template:
        possible = frozenset(policy.softened(actions) for actions in here)
    actions = next(iter(possible)) if len(possible) == 1 else frozenset().union(*possible)
    return Applicable(policy, applies, here, possible, actions)


def is_met(policy: Policy, case: Case) -> bool:
    """Whether a policy that applies in the namespace may find something about this object now."""
    return (
        policy.concerns(case.operation, case.requester)
        and policy.selects_object(case.workload, case.old)
        and has_a_say(case, policy)
    )


def is_new(use: Use, case: Case) -> bool:
    """Whether the object that is stored does not have this use already."""
    return case.operation is Operation.CREATE or case.old is None or not is_old(use, case.old)


def has_a_say(case: Case, policy: Policy) -> bool:
    """Whether there is anything in the object that the policy may find something about."""
    may_apply_anew = bool(policy.conditions)
    return bool(case.workload.placeholders) or any(
        is_judged(use, case, policy, anew=may_apply_anew) for use in case.workload.uses
    )


def is_judged(use: Use, case: Case, policy: Policy, *, anew: bool) -> bool:
    """Whether a rule of the policy has to judge this use now."""
    return policy.covers(use) and any(
        in_force_again(use, case, policy, rule, anew=anew) for rule in policy.rules
    )


def in_force_again(use: Use, case: Case, policy: Policy, rule: Rule, *, anew: bool) -> bool:
    """
    Whether a rule has to judge this use now (design, semantics 6).

    A new use always; an old one of a Pod never; an old one of a template when a field that the
    rule reads, or a label that the policy selects on, has changed, or when the policy applies
    `anew`, since its conditions did not hold for what is stored.
    """
    old = case.old
    if old is None or is_new(use, case):
        return True
    if not case.workload.is_template:
        return False
    if anew:
        return True
    return fields_changed(use, case.workload, old, rule.reads) or any(
        case.workload.labels.get(key) != old.labels.get(key) for key in policy.object_labels
    )
