"""The findings about one object, and what they amount to."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import TypeAlias

from landwaiter.rules.protocol import RuleId, Undecided, Violation
from landwaiter.workloads.values import ImageUse, UnreadableUse


class Action(StrEnum):
    """What a policy does about a finding, in the words of ValidatingAdmissionPolicy."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


class FailurePolicy(StrEnum):
    """What undecided means for a policy."""

    FAIL = "Fail"
    IGNORE = "Ignore"


class Decision(StrEnum):
    """What the findings about an object amount to."""

    ALLOW = "allow"
    DENY = "deny"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class GrantedException:
    """What lifts a finding until it ends, by whose wish and why; `expires` is in UTC."""

    name: str
    requested_by: str
    reason: str
    expires: datetime


Told: TypeAlias = tuple[RuleId, str, str]
"""What a finding says, whoever finds it: rule, reason and detail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one rule of one policy found about one image use.

    `exception` is what lifts it, None where nothing does. `stale_seconds` is how long ago that was
    verified which is not known now, and which admits the use by the policy's `staleIfUndecided`;
    None where nothing does.
    """

    policy: str
    rule: RuleId
    actions: frozenset[Action]
    failure_policy: FailurePolicy
    outcome: Violation | Undecided
    exception: GrantedException | None = None
    stale_seconds: int | None = None

    @property
    def told(self) -> Told:
        """What it says, whichever policy it is of."""
        return self.rule, self.outcome.reason, self.outcome.detail

    @property
    def action(self) -> Action:
        """The strongest of the policy's actions: Deny, then Warn, then Audit."""
        return next(action for action in Action if action in self.actions)

    @property
    def refuses(self) -> bool:
        """Whether the object is refused for this finding."""
        return (
            self.exception is None
            and Action.DENY in self.actions
            and isinstance(self.outcome, Violation)
        )

    @property
    def blocks(self) -> bool:
        """
        Whether the object cannot be admitted because this was not found out.

        `Ignore` is about faults. While the work goes on nothing has failed yet, and whoever may
        push could make it slow enough to outlast a deadline (design, semantics 14 and 16).
        """
        return (
            self.exception is None
            and self.stale_seconds is None
            and Action.DENY in self.actions
            and isinstance(self.outcome, Undecided)
            and (self.outcome.retry or self.failure_policy is FailurePolicy.FAIL)
        )


@dataclass(frozen=True, slots=True)
class UseVerdict:
    """
    Everything found about one image use.

    `digest` is the digest that was judged, None where none was written or looked up;
    `not_checked` are the rules that were not asked because another had already refused the use;
    `warnings` are one-line remarks for the person, besides the findings. `told_elsewhere` is what
    the answer on the other path refuses the use for, as far as it was found out for this one.
    """

    use: ImageUse | UnreadableUse
    digest: str | None = None
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[RuleId, ...] = ()
    warnings: tuple[str, ...] = ()
    told_elsewhere: frozenset[Told] = frozenset()

    @property
    def stopping(self) -> frozenset[Told]:
        """What the person reads as the reason why the object is not admitted."""
        here = (each.told for each in self.findings if each.refuses or each.blocks)
        return self.told_elsewhere.union(here)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything found about one object, its image uses in the order of the object."""

    uses: tuple[UseVerdict, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(init=False, repr=False, compare=False)
    """All findings, in the order of the object and then of the policies."""

    def __post_init__(self) -> None:
        """Put them together once: a verdict is looked at several times, and may stand."""
        found = tuple(chain.from_iterable(use.findings for use in self.uses))
        object.__setattr__(self, "findings", found)

    @property
    def decision(self) -> Decision:
        """Deny if any finding refuses, else undecided if any blocks, else allow."""
        findings = self.findings
        if any(finding.refuses for finding in findings):
            return Decision.DENY
        if any(finding.blocks for finding in findings):
            return Decision.UNDECIDED
        return Decision.ALLOW

    @property
    def retry_soon(self) -> bool:
        """Whether all that blocks is still being worked on, so that a retry may be answered."""
        blocking = [finding.outcome for finding in self.findings if finding.blocks]
        return bool(blocking) and all(
            isinstance(outcome, Undecided) and outcome.retry for outcome in blocking
        )

    def without_retry(self) -> "Verdict":
        """Return the verdict where nobody comes back: what goes on there counts as a fault."""
        return replace(
            self,
            uses=tuple(
                replace(use, findings=tuple(map(_without_retry, use.findings))) for use in self.uses
            ),
        )


def _without_retry(finding: Finding) -> Finding:
    if not isinstance(finding.outcome, Undecided) or not finding.outcome.retry:
        return finding
    return replace(finding, outcome=replace(finding.outcome, retry=False))
