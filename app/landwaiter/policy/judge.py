"""
Judges one object by every policy that applies to it.

The same judge serves the webhook's two paths and the offline check. It decides which image uses
are to be judged at all (design, semantics 5, 6 and 7), which policies apply to them, and leaves
the findings to the evaluator.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, Unavailable
from landwaiter.policy.applicable import (
    Applicable,
    Use,
    applicable,
    has_a_say,
    in_force_again,
    is_judged,
    is_new,
)
from landwaiter.policy.case import Case, Side
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings, UnmatchedImages
from landwaiter.policy.matching import Policy
from landwaiter.policy.unmatched import unmatched
from landwaiter.rules.evaluator import USES_A_TURN, Charge, RuleInForce, evaluate
from landwaiter.rules.protocol import FactSource, Inquiry, RuleId, Undecided
from landwaiter.rules.verdict import Finding, UseVerdict, Verdict
from landwaiter.workloads.values import Workload

NAMESPACE_LABELS = RuleId("namespaceSelector")
"""The rule id of a finding that a policy may apply, but nobody knows."""

LABELS_SHARE = 0.5
"""The part of the time that reading a namespace may take: policies that need none go on then."""


class NamespaceLabels(Protocol):
    """Whatever knows the labels of namespaces."""

    async def namespace_labels(self, name: str, *, deadline: Deadline) -> Mapping[str, str]:
        """
        Return the labels of a namespace. Raises `Unavailable` when they cannot be known.

        A namespace that cannot be found is not one without labels (design, semantics 8).
        """
        ...


class Judge:
    """
    Judges cases by the policies in force at that moment.

    `policies` is called once per case, so that a case is never judged by half of a new set.
    """

    def __init__(
        self,
        *,
        policies: Callable[[], Sequence[Policy]],
        source: FactSource,
        namespaces: NamespaceLabels,
        install: PolicyInstallSettings = DEFAULTS,
    ) -> None:
        self._policies = policies
        self._source = source
        self._namespaces = namespaces
        self._refuses_unmatched = install.unmatched_images is UnmatchedImages.DENY

    async def judge(self, case: Case, side: Side) -> Verdict:
        """Return the findings that belong to this side, by the case's deadline."""
        workload = case.workload
        if workload.claims_mirror and case.requester is not None and case.requester.is_node:
            return Verdict()
        candidates = self._candidates(case, side)
        if not (self._tells_unmatched(side) or any(each.may_belong(side) for each in candidates)):
            return Verdict()
        labels = await self._labels(case, candidates)
        applicable = _looked_at_again(case, candidates, labels)
        charges = []
        for number, use in enumerate(workload.uses, start=1):
            charge = self._charge(use, case, applicable, labels, side)
            if any(rule.reported for rule in charge.rules):
                charges.append(charge)
            if number % USES_A_TURN == 0:
                await asyncio.sleep(0)
        inquiry = Inquiry(workload, case.deadline, case.dry_run, case.credentials_allowed)
        verdicts = await evaluate(charges, self._source, inquiry)
        if isinstance(labels, Undecided):
            verdicts = _with_unknown(verdicts, case, applicable, labels, side)
        return Verdict(verdicts, _placeholder_warnings(workload, applicable, side))

    def _candidates(self, case: Case, side: Side) -> list[Applicable]:
        """
        Return the policies that could have a word on this side, whatever the labels are.

        Only for them the labels are looked up: an UPDATE that drops a finalizer needs no lookup,
        and what depends on labels keeps nothing waiting that does not.
        """
        return [
            each
            for each in applicable(self._policies(), case, None)
            if self._has_a_word(each, side) and has_a_say(case, each.policy)
        ]

    def _has_a_word(self, each: Applicable, side: Side) -> bool:
        if each.may_belong(side) or each.denies:
            return True
        return self._refuses_unmatched and each.denies_here is not False

    def _tells_unmatched(self, side: Side) -> bool:
        return self._refuses_unmatched and side is not Side.OBSERVE

    def _charge(
        self,
        use: Use,
        case: Case,
        applicable: Iterable[Applicable],
        labels: Mapping[str, str] | Undecided,
        side: Side,
    ) -> Charge:
        rules = [
            RuleInForce(
                policy=each.policy.name,
                actions=each.actions,
                failure_policy=each.policy.failure_policy,
                rule=rule,
                reported=each.belongs(side),
                by_admin=each.policy.namespace is None,
            )
            for each in applicable
            if each.is_known and (each.belongs(side) or each.denies) and each.policy.covers(use)
            for rule in each.policy.rules
            if in_force_again(use, case, each.policy, rule)
        ]
        if self._refuses_unmatched and is_new(use, case):
            why = labels if isinstance(labels, Undecided) else None
            refusal = unmatched(use, applicable, why, reported=self._tells_unmatched(side))
            rules[:0] = [] if refusal is None else [refusal]
        return Charge(use, tuple(rules))

    async def _labels(
        self, case: Case, candidates: Iterable[Applicable]
    ) -> Mapping[str, str] | Undecided:
        """
        Return the namespace's labels, within their share of the time, or why they are not known.

        They are empty, and not looked up, where none of the policies depends on them.
        """
        if all(
            each.is_known and not (self._refuses_unmatched and each.denies_here is None)
            for each in candidates
        ):
            return {}
        name = case.workload.namespace
        deadline = Deadline.after(case.deadline.remaining_seconds() * LABELS_SHARE)
        try:
            async with deadline.timeout():
                return await self._namespaces.namespace_labels(name, deadline=deadline)
        except (DeadlineExceeded, TimeoutError):
            detail = f"the labels of namespace {name} were not read in time"
            return Undecided("namespace not known", detail, retry=True)
        except Unavailable as fault:
            return Undecided("namespace not known", str(fault))


def _looked_at_again(
    case: Case, candidates: Iterable[Applicable], labels: Mapping[str, str] | Undecided
) -> list[Applicable]:
    """Return those that apply, or may, now that the labels have been asked for."""
    known = None if isinstance(labels, Undecided) else labels
    return applicable((each.policy for each in candidates), case, known)


def _with_unknown(
    verdicts: tuple[UseVerdict, ...],
    case: Case,
    applicable: Iterable[Applicable],
    why: Undecided,
    side: Side,
) -> tuple[UseVerdict, ...]:
    """Add, for each use, the policies of which nobody knows whether they apply (semantics 8)."""
    by_use = {verdict.use: verdict for verdict in verdicts}
    for each in applicable:
        if each.is_known or not each.belongs(side):
            continue
        finding = Finding(
            each.policy.name, NAMESPACE_LABELS, each.actions, each.policy.failure_policy, why
        )
        for use in case.workload.uses:
            if is_judged(use, case, each.policy):
                verdict = by_use.get(use, UseVerdict(use))
                by_use[use] = replace(verdict, findings=(*verdict.findings, finding))
    return tuple(by_use[use] for use in case.workload.uses if use in by_use)


def _placeholder_warnings(
    workload: Workload, applicable: Iterable[Applicable], side: Side
) -> tuple[str, ...]:
    if not any(each.is_known and each.belongs(side) for each in applicable):
        return ()
    return tuple(
        f'{place.path}: "{place.text}" is to be filled in later, so it is judged on the Pod'
        for place in workload.placeholders
    )
