"""
Judges one object by every policy that applies to it.

The same judge serves the webhook's two paths and the offline check. It decides which image uses
are to be judged at all (design, semantics 5, 6 and 7), which policies apply to them, and leaves
the findings to the evaluator.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, Unavailable
from landwaiter.policy.applicable import Applicable, Doubt, applicable, has_a_say
from landwaiter.policy.case import Case, RequestObjects, Side
from landwaiter.policy.conditions import NO_CONDITIONS, Conditions
from landwaiter.policy.exceptions import (
    Clock,
    ExceptionsInForce,
    still_granted,
    utc_now,
)
from landwaiter.policy.hearing import Hearing
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings, UnmatchedImages
from landwaiter.policy.matching import Policy
from landwaiter.policy.policy_set import PolicySet
from landwaiter.rules.evaluator import USES_A_TURN, evaluate
from landwaiter.rules.protocol import FactSource, Inquiry, RuleId, Undecided
from landwaiter.rules.verdict import Verdict
from landwaiter.rules.verified_before import NOTHING_VERIFIED, Inventory

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
        policies: Callable[[], PolicySet],
        source: FactSource,
        namespaces: NamespaceLabels,
        install: PolicyInstallSettings = DEFAULTS,
        clock: Clock = utc_now,
        conditions: Conditions = NO_CONDITIONS,
        inventory: Inventory = NOTHING_VERIFIED,
    ) -> None:
        self._policies = policies
        self._source = source
        self._namespaces = namespaces
        self._clock = clock
        self._conditions = conditions
        self._inventory = inventory
        self._refuses_unmatched = install.unmatched_images is UnmatchedImages.DENY

    async def judge(self, case: Case, side: Side) -> Verdict:
        """Return the findings that belong to this side, by the case's deadline."""
        workload = case.workload
        documents = self._policies()
        objects = _taken(case.objects, wanted=documents.has_conditions)
        if workload.claims_mirror and case.requester is not None and case.requester.is_node:
            return Verdict()
        candidates = self._candidates(documents.policies, case, side)
        if not (self._tells_unmatched(side) or any(each.may_belong(side) for each in candidates)):
            return Verdict()
        labels = await self._labels(case, candidates)
        found = await self._settled(case, candidates, labels, objects)
        del objects
        unknown = labels if isinstance(labels, Undecided) else None
        exceptions = ExceptionsInForce.among(documents.exceptions, workload, self._clock())
        hearing = Hearing(case, side, tuple(found), unknown, exceptions, self._refuses_unmatched)
        charges = []
        for number, use in enumerate(workload.uses, start=1):
            charge = hearing.charge(use)
            if any(rule.reported for rule in charge.rules):
                charges.append(charge)
            if number % USES_A_TURN == 0:
                await asyncio.sleep(0)
        inquiry = Inquiry(
            workload,
            case.deadline,
            case.dry_run,
            case.credentials_allowed,
            case.offers,
            exists=case.old is not None,
        )
        verdicts = await evaluate(charges, self._source, inquiry, self._inventory)
        verdicts = still_granted(hearing.with_doubts(verdicts), self._clock())
        return Verdict(verdicts, hearing.placeholder_warnings())

    async def _settled(
        self,
        case: Case,
        candidates: Iterable[Applicable],
        labels: Mapping[str, str] | Undecided,
        objects: Mapping[str, Any] | None,
    ) -> list[Applicable]:
        """Return the policies that apply or are in doubt, now that the labels were asked for."""
        found: list[Applicable] = []
        for each in candidates:
            if each.is_settled(as_match=self._refuses_unmatched):
                found.append(each)
            elif not isinstance(labels, Undecided):
                found.extend(applicable((each.policy,), case, labels))
            elif each.is_known:
                found.append(each)
            else:
                found.append(replace(each, doubt=Doubt(NAMESPACE_LABELS, labels)))
        known = {} if isinstance(labels, Undecided) else labels
        return await self._conditions.applied(found, case, objects, known)

    def _candidates(self, policies: Iterable[Policy], case: Case, side: Side) -> list[Applicable]:
        """
        Return the policies that could have a word on this side, whatever the labels are.

        Only for them the labels are looked up: an UPDATE that drops a finalizer needs no lookup,
        and what depends on labels keeps nothing waiting that does not.
        """
        return [
            each
            for each in applicable(policies, case, None)
            if self._has_a_word(each, side) and has_a_say(case, each.policy)
        ]

    def _has_a_word(self, each: Applicable, side: Side) -> bool:
        if each.may_belong(side) or each.denies:
            return True
        return self._refuses_unmatched and each.denies_here is not False

    def _tells_unmatched(self, side: Side) -> bool:
        return self._refuses_unmatched and side is not Side.OBSERVE

    async def _labels(
        self, case: Case, candidates: Iterable[Applicable]
    ) -> Mapping[str, str] | Undecided:
        """
        Return the namespace's labels, within their share of the time, or why they are not known.

        They are empty, and not looked up, where none of the policies depends on them.
        """
        if all(each.is_settled(as_match=self._refuses_unmatched) for each in candidates):
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


def _taken(objects: RequestObjects | None, *, wanted: bool) -> Mapping[str, Any] | None:
    """Take the objects out of a case, which is not to hold them any longer, for who wants them."""
    if objects is None:
        return None
    if wanted:
        return objects.take()
    objects.drop()
    return None
