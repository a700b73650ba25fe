"""
What lifts the findings of some rules about some images for a while, and for how long.

Where and for which images it holds is written by whoever may write the exception. The names of
workloads, their labels and their service accounts are chosen by whoever writes the Pod: they keep
an exception from meeting more than it is meant for, and hold nobody back.

An exception ends at the second that it says. It is looked at twice: when a case begins, to let
nothing that it covers spare a lookup, and when all is found out, for time has passed by then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from landwaiter.images.glob import Glob
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.applicable import Use
from landwaiter.policy.matching import EVERYTHING, LabelSelector
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.verdict import Finding, GrantedException, UseVerdict
from landwaiter.workloads.values import UnreadableUse, Workload

DEFAULT_ACCOUNT = "default"
"""What Kubernetes takes where a Pod names no service account."""


class Clock(Protocol):
    """Whatever knows the time of day."""

    def __call__(self) -> datetime:
        """Return the time, with its time zone."""
        ...


def utc_now() -> datetime:
    """Return the time of day on this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CoveredPolicy:
    """A policy whose findings are lifted; `rules` is None for those of all its rules."""

    name: str
    rules: frozenset[RuleId] | None


@dataclass(frozen=True, slots=True)
class PolicyException:
    """
    An exception as it is applied.

    `workload_names` and `service_accounts` are empty where they do not matter.
    """

    granted: GrantedException
    policies: tuple[CoveredPolicy, ...]
    images: tuple[ImagePattern, ...]
    namespaces: frozenset[str]
    workload_names: tuple[Glob, ...] = ()
    object_selector: LabelSelector = EVERYTHING
    service_accounts: frozenset[str] = frozenset()

    def is_about(self, workload: Workload) -> bool:
        """Whether it holds in the namespace, and for such a workload."""
        account = workload.service_account or DEFAULT_ACCOUNT
        return (
            workload.namespace in self.namespaces
            and (
                not self.workload_names
                or any(name.matches(workload.name) for name in self.workload_names)
            )
            and self.object_selector.matches(workload.labels)
            and (not self.service_accounts or account in self.service_accounts)
        )

    def covers(self, policy: str, rule: RuleId, use: Use) -> bool:
        """Whether a finding is lifted; one about a name that does not parse never is."""
        if isinstance(use, UnreadableUse):
            return False
        return any(
            each.name == policy and (each.rules is None or rule in each.rules)
            for each in self.policies
        ) and any(pattern.matches(use.reference) for pattern in self.images)


@dataclass(frozen=True, slots=True)
class ExceptionsInForce:
    """The exceptions that hold for one workload at one time, the longest first."""

    exceptions: tuple[PolicyException, ...] = ()

    @classmethod
    def among(
        cls, exceptions: Iterable[PolicyException], workload: Workload, now: datetime
    ) -> "ExceptionsInForce":
        """Return those that hold for a workload now."""
        found = [
            each for each in exceptions if now < each.granted.expires and each.is_about(workload)
        ]
        found.sort(key=lambda each: each.granted.name)
        found.sort(key=lambda each: each.granted.expires, reverse=True)
        return cls(tuple(found))

    def granted(self, policy: str, rule: RuleId, use: Use) -> GrantedException | None:
        """Return the exception that lifts a finding, None where none does."""
        if not self.exceptions:
            return None
        for each in self.exceptions:
            if each.covers(policy, rule, use):
                return each.granted
        return None


def still_granted(verdicts: Iterable[UseVerdict], now: datetime) -> tuple[UseVerdict, ...]:
    """Return the verdicts without the exceptions that have ended meanwhile."""
    return tuple(
        replace(verdict, findings=tuple(_still_granted(each, now) for each in verdict.findings))
        for verdict in verdicts
    )


def _still_granted(finding: Finding, now: datetime) -> Finding:
    if finding.exception is None or now < finding.exception.expires:
        return finding
    return replace(finding, exception=None)
