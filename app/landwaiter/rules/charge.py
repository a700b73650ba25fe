"""What is to be found out about one image use: the rules that are in force for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from landwaiter.rules.protocol import Rule, RuleId, Undecided, Violation
from landwaiter.rules.verdict import Action, FailurePolicy, Finding, GrantedException, Told
from landwaiter.workloads.values import ImageUse, UnreadableUse

Outcomes: TypeAlias = tuple[Violation | Undecided, ...]
"""What a rule has found about a use, empty where that is nothing."""


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """
    One rule of one policy, in force for one image use.

    With `reported` False the rule is asked only whether it refuses already, to spare lookups;
    its finding is left to the answer on the other path (design, semantics 18). `by_admin` is False
    for a policy that others than the cluster's admins may write: no registry is asked for its sake.
    `exception` is what lifts its findings, None where nothing does. What was verified no longer ago
    than `stale_within_seconds` stands in for what cannot be found out, None for nothing.
    """

    policy: str
    actions: frozenset[Action]
    failure_policy: FailurePolicy
    rule: Rule
    reported: bool = True
    by_admin: bool = True
    exception: GrantedException | None = None
    stale_within_seconds: int | None = None

    def finding(
        self,
        outcome: Violation | Undecided,
        rule: RuleId | None = None,
        *,
        stale_seconds: int | None = None,
    ) -> Finding:
        """Return the outcome with the policy's name and actions."""
        return Finding(
            self.policy,
            rule or self.rule.id,
            self.actions,
            self.failure_policy,
            outcome,
            self.exception,
            stale_seconds,
        )

    @property
    def gates(self) -> bool:
        """Whether what it refuses is not looked up further."""
        return Action.DENY in self.actions and self.exception is None

    @property
    def refuses_elsewhere(self) -> bool:
        """Whether what it finds is a refusal by the answer on the other path."""
        return self.gates and not self.reported


@dataclass(frozen=True, slots=True)
class Charge:
    """One image use and the rules that are in force for it, in the order of the policies."""

    use: ImageUse | UnreadableUse
    rules: tuple[RuleInForce, ...]


def reported_of(rules: Iterable[RuleInForce]) -> list[RuleInForce]:
    """Return the rules whose findings belong into this answer."""
    return [rule for rule in rules if rule.reported]


def told_elsewhere(
    rules: Iterable[RuleInForce], found: Sequence[tuple[Rule, Outcomes]]
) -> frozenset[Told]:
    """
    Return what the answer on the other path certainly refuses the use for.

    Two equal rules find the same. One that judges content may not be asked there, though: what asks
    the cluster there, and is not asked here, could refuse before it.
    """
    elsewhere = [each.rule for each in rules if each.refuses_elsewhere]
    known = [rule for rule, _ in found]
    is_open = any(not rule.judges_content and rule not in known for rule in elsewhere)
    return frozenset(
        (rule.id, outcome.reason, outcome.detail)
        for rule, outcomes in found
        if rule in elsewhere and not (is_open and rule.judges_content)
        for outcome in outcomes
        if isinstance(outcome, Violation)
    )
