"""
Verdicts that stand for a moment: what was found to be in order is not judged again at once.

A rollout asks about the same images hundreds of times within seconds, under another Pod name each
time. A verdict without any finding or warning therefore stands for a few seconds, for objects of
which everything is equal that a policy can read: who asks for what, where, the labels that policies
select by, the pull secrets, and each image with its place (ADR 18). It stands no longer than the
policies it was given by are in force, and the namespace has the labels that it had. Of a crowd that
comes before there is a verdict one is judged, and the others wait for it.

Whatever says more than that nothing is wrong is judged each time: findings, warnings, images
without digest (a tag is resolved for each decision), UPDATEs, and everything as long as a policy
in force has conditions, which may read any field.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from landwaiter.policy.case import Case, Operation, Side
from landwaiter.policy.policy_set import PolicySet
from landwaiter.rules.verdict import Verdict
from landwaiter.workloads.values import ImageUse, Workload

STANDS_SECONDS: Final = 2.0
"""How long a verdict stands before the next to ask has it judged anew."""

AT_MOST_SECONDS: Final = 4.0
"""
How long it stands for the others meanwhile, so that a crowd is not judged all at once.

What it rests on is itself remembered for longer: a pull secret for 5 s, a signature for hours.
"""

WAITING_SHARE: Final = 0.5
"""
The part of its time that a case waits for an equal one; the rest is enough to be judged itself.

What that one has asked meanwhile goes on, or is remembered, so nothing begins late.
"""

VERDICTS_MAX: Final = 2_000
"""When there are more, all are given up: within a second that is more than can be answered."""

TEXT_MAX_CHARACTERS: Final = 8_192
"""Of all images and their containers together; a verdict takes some 10 kB at most."""

Labels: TypeAlias = Mapping[str, str]
KnownLabels: TypeAlias = Callable[[str], Labels | None]
"""Tells the labels of a namespace without asking anybody, None where they are not known."""


class Judge(Protocol):
    """Whatever judges cases by the policies in force."""

    async def judge(self, case: Case, side: Side) -> Verdict:
        """Return the findings that belong to this side, by the case's deadline."""
        ...


@dataclass(slots=True)
class _Standing:
    """A verdict; `renew_at` moves on when somebody has it judged anew."""

    verdict: Verdict
    labels: Labels
    renew_at: float
    until: float


class StandingVerdicts:
    """
    A judge whose verdicts stand for a moment where there is nothing to say.

    Keyed by everything that policies read of a case; given up as a whole when other policies come
    into force, and when there are more than `VERDICTS_MAX`. Used on one event loop only, so it
    needs no lock.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        policies: Callable[[], PolicySet],
        known_labels: KnownLabels,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._judge = judge
        self._policies = policies
        self._known_labels = known_labels
        self._clock = clock
        self._given_by = policies()
        self._standing: dict[Hashable, _Standing] = {}
        self._under_way: dict[Hashable, asyncio.Event] = {}

    def at_once(self, case: Case, side: Side) -> Verdict | None:
        """Return the verdict that stands, None where the case has to be judged."""
        if self._policies() is not self._given_by or not _may_stand(case, self._given_by):
            return None
        standing = self._standing.get(_key(case, side, self._given_by))
        now = self._clock()
        if standing is None or now >= standing.until:
            return None
        labels = self._known_labels(case.workload.namespace)
        if labels is not standing.labels and labels != standing.labels:
            return None
        if now >= standing.renew_at:
            standing.renew_at = standing.until
            return None
        return standing.verdict

    async def judge(self, case: Case, side: Side) -> Verdict:
        """
        Judge a case, and let the verdict stand where it may.

        While an equal case is being judged this one waits for it, and takes its verdict if that
        stands by then; all that it might find out otherwise is being found out there.
        """
        policies, labels = self._policies(), self._known_labels(case.workload.namespace)
        if labels is None or not _may_stand(case, policies):
            return await self._judge.judge(case, side)
        key = _key(case, side, policies)
        if (first := self._under_way.get(key)) is not None:
            await _ended(first, case.deadline.remaining_seconds() * WAITING_SHARE)
            if (known := self.at_once(case, side)) is not None:
                return known
            return await self._judge.judge(case, side)
        self._under_way[key] = ended = asyncio.Event()
        try:
            return await self._judged(case, side, policies, labels)
        finally:
            del self._under_way[key]
            ended.set()

    async def _judged(self, case: Case, side: Side, policies: PolicySet, labels: Labels) -> Verdict:
        began = self._clock()
        verdict = await self._judge.judge(case, side)
        if (
            _says_nothing(verdict)
            and self._policies() is policies
            and self._known_labels(case.workload.namespace) == labels
        ):
            standing = _Standing(verdict, labels, began + STANDS_SECONDS, began + AT_MOST_SECONDS)
            self._keep(policies, _key(case, side, policies), standing)
        return verdict

    def _keep(self, policies: PolicySet, key: Hashable, standing: _Standing) -> None:
        if policies is not self._given_by or len(self._standing) >= VERDICTS_MAX:
            self._standing.clear()
            self._given_by = policies
        self._standing[key] = standing


async def _ended(first: asyncio.Event, seconds: float) -> None:
    """Return when a case has been judged, or so many seconds from now."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await first.wait()


def _says_nothing(verdict: Verdict) -> bool:
    return not verdict.warnings and not any(
        use.findings or use.warnings or use.not_checked for use in verdict.uses
    )


def _may_stand(case: Case, policies: PolicySet) -> bool:
    workload = case.workload
    if (
        case.operation is not Operation.CREATE
        or workload.placeholders
        or policies.has_conditions
        or case.requester is None
    ):
        return False
    characters = 0
    for use in workload.uses:
        if not isinstance(use, ImageUse) or use.reference.digest is None:
            return False
        characters += len(use.place.text) + len(use.place.container)
    return characters <= TEXT_MAX_CHARACTERS


def _key(case: Case, side: Side, policies: PolicySet) -> Hashable:
    """
    Return everything that policies read of a case.

    Of labels only those that a policy selects by; the name, which exceptions alone can read, says
    nothing where there is no finding.
    """
    workload = case.workload
    return (
        workload.uses,
        workload.namespace,
        _selected_labels(workload, policies),
        workload.service_account,
        workload.pull_secrets,
        workload.kind,
        workload.is_template,
        workload.claims_mirror,
        side,
        case.requester,
        case.dry_run,
        case.credentials_allowed,
        case.offers,
    )


def _selected_labels(workload: Workload, policies: PolicySet) -> tuple[str | None, ...]:
    return tuple(workload.labels.get(name) for name in policies.object_labels)
