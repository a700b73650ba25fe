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
from landwaiter.policy.applicable import Applicable, Doubt
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

    def known_labels(self, name: str) -> Mapping[str, str] | None:
        """Return what `namespace_labels` would say at once, None where it would have to ask."""
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
        labels = self._namespaces.known_labels(workload.namespace)
        found = self._candidates(documents, case, side, labels)
        if not (self._tells_unmatched(side) or any(each.may_belong(side) for each in found)):
            return Verdict()
        unknown: Undecided | None = None
        if labels is None and not self._are_settled(found):
            asked = await self._labels(case)
            if isinstance(asked, Undecided):
                unknown, found = asked, _in_doubt(found, asked)
            else:
                labels, found = asked, self._candidates(documents, case, side, asked)
        found = await self._conditions.applied(found, case, objects, labels or {})
        del objects
        excepting = documents.exceptions_in(workload.namespace)
        exceptions = ExceptionsInForce.among(excepting, workload, self._clock())
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

    def _candidates(
        self, documents: PolicySet, case: Case, side: Side, labels: Mapping[str, str] | None
    ) -> list[Applicable]:
        return documents.index.candidates(case, side, labels, as_match=self._refuses_unmatched)

    def _are_settled(self, found: Iterable[Applicable]) -> bool:
        return all(each.is_settled(as_match=self._refuses_unmatched) for each in found)

    def _tells_unmatched(self, side: Side) -> bool:
        return self._refuses_unmatched and side is not Side.OBSERVE

    async def _labels(self, case: Case) -> Mapping[str, str] | Undecided:
        """Return the namespace's labels, within their share of the time, or why not."""
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


def _in_doubt(found: Iterable[Applicable], unknown: Undecided) -> list[Applicable]:
    """Return the policies, in doubt those of which the labels would have told more."""
    doubt = Doubt(NAMESPACE_LABELS, unknown)
    return [each if each.is_known else replace(each, doubt=doubt) for each in found]


def _taken(objects: RequestObjects | None, *, wanted: bool) -> Mapping[str, Any] | None:
    """Take the objects out of a case, which is not to hold them any longer, for who wants them."""
    if objects is None:
        return None
    if wanted:
        return objects.take()
    objects.drop()
    return None
