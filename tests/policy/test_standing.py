"""Which verdicts stand for a moment, for which cases, and until when."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest

from landwaiter.cel.expressions import Expression
from landwaiter.deadline import Deadline
from landwaiter.policy.case import Case, Operation, Requester, RequestObjects, Side
from landwaiter.policy.matching import Condition, Operator
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.standing import (
    AT_MOST_SECONDS,
    STANDS_SECONDS,
    TEXT_MAX_CHARACTERS,
    VERDICTS_MAX,
    StandingVerdicts,
)
from landwaiter.rules.protocol import RuleId, Undecided, Violation
from landwaiter.rules.verdict import Action, FailurePolicy, Finding, UseVerdict, Verdict
from landwaiter.workloads.values import ImagePlace, UnreadableUse, Workload
from policy.builders import requires
from policy.judging import A_DIGEST, PINNED, a_workload, digests, use

POLICIES = PolicySet((digests(objects=(requires("tier", Operator.IN, "web"),)),))
CONTROLLER = Requester("system:serviceaccount:kube-system:replicaset-controller", ("a", "b"))
PRODUCTION = {"env": "production"}
A_USE = use(PINNED)
POD = a_workload(A_USE, labels={"tier": "web", "app": "shop"})
CLEAN = Verdict((UseVerdict(A_USE, A_DIGEST),))
VIOLATION = Violation(RuleId("pinnedTags"), "unpinned", "a tag", "pin it")


@dataclass
class Counting:
    """A judge that gives one verdict, and counts how often it was asked."""

    verdict: Verdict = CLEAN
    asked: int = 0
    meanwhile: Callable[[], None] = lambda: None

    async def judge(self, case: Case, side: Side) -> Verdict:
        self.asked += 1
        self.meanwhile()
        return self.verdict


@dataclass
class Court:
    """A judge whose verdicts stand, with everything that it looks at."""

    judge: Counting = field(default_factory=Counting)
    policies: PolicySet = POLICIES
    labels: Mapping[str, str] | None = field(default_factory=lambda: dict(PRODUCTION))
    now: float = 100.0

    def __post_init__(self) -> None:
        self.standing = StandingVerdicts(
            self.judge,
            policies=lambda: self.policies,
            known_labels=lambda _: self.labels,
            clock=lambda: self.now,
        )

    async def ask(self, case: Case, side: Side = Side.ENFORCE) -> bool:
        """Return whether a verdict stands; have the case judged where none does."""
        known = self.standing.at_once(case, side)
        if known is None:
            assert self.judge.verdict == await self.standing.judge(case, side)
            return False
        assert self.judge.verdict == known
        return True


def a_case(workload: Workload = POD, **changes: Any) -> Case:  # noqa: ANN401  # Those of a case.
    case = Case(
        Operation.CREATE,
        workload,
        Deadline.after(20),
        requester=CONTROLLER,
        credentials_allowed=True,
    )
    return replace(case, **changes)


async def test_a_verdict_that_says_nothing_stands() -> None:
    """The next Pod of a rollout, with another name and other labels, is not judged again."""
    court = Court()
    next_one = replace(POD, name="web-2", labels={"tier": "web", "pod-name": "web-2"})

    assert [False, True] == [await court.ask(a_case()), await court.ask(a_case(next_one))]


A_FINDING = Finding(
    "p", RuleId("pinnedTags"), frozenset({Action.WARN}), FailurePolicy.FAIL, VIOLATION
)
TALKING = {
    "a finding": replace(CLEAN.uses[0], findings=(A_FINDING,)),
    "an undecided one": replace(
        CLEAN.uses[0], findings=(replace(A_FINDING, outcome=Undecided("why", "what")),)
    ),
    "a warning": replace(CLEAN.uses[0], warnings=("beware",)),
    "a rule not asked": replace(CLEAN.uses[0], not_checked=(RuleId("cosignSignatures"),)),
}


@pytest.mark.parametrize("said", TALKING.values(), ids=TALKING)
async def test_a_verdict_that_says_something_never_stands(said: UseVerdict) -> None:
    """Whoever is told something may have mended it since."""
    court = Court(Counting(Verdict((said,))))

    assert [False, False] == [await court.ask(a_case()), await court.ask(a_case())]


async def test_a_verdict_with_a_remark_on_the_object_never_stands() -> None:
    """Placeholders are told of each time."""
    court = Court(Counting(Verdict(warnings=("to be filled in",))))

    assert [False, False] == [await court.ask(a_case()), await court.ask(a_case())]


OTHERS: Mapping[str, Case] = {
    "uses": a_case(replace(POD, uses=(use(f"r.example.com/other@{A_DIGEST}"),))),
    "place": a_case(
        replace(POD, uses=(A_USE._replace(place=A_USE.place._replace(run_as_user=0)),))
    ),
    "namespace": a_case(replace(POD, namespace="other")),
    "labels": a_case(replace(POD, labels={"app": "shop"})),
    "service_account": a_case(replace(POD, service_account="other")),
    "pull_secrets": a_case(replace(POD, pull_secrets=("other",))),
    "kind": a_case(replace(POD, kind="Other")),
    "is_template": a_case(replace(POD, is_template=True)),
    "claims_mirror": a_case(replace(POD, claims_mirror=True)),
    "user": a_case(requester=replace(CONTROLLER, username="ann")),
    "groups": a_case(requester=replace(CONTROLLER, groups=("a",))),
    "dry_run": a_case(dry_run=True),
    "credentials_allowed": a_case(credentials_allowed=False),
    "offers": a_case(offers=False),
}
"""A case that differs in one thing from the one that was judged."""

NEVER_STANDS: Mapping[str, Case] = {
    "operation": a_case(operation=Operation.UPDATE),
    "old": a_case(operation=Operation.UPDATE, old=POD),
    "placeholders": a_case(replace(POD, placeholders=(ImagePlace("at", "c", "auto"),))),
    "a tag": a_case(replace(POD, uses=(use("r.example.com/good:1"),))),
    "unreadable": a_case(replace(POD, uses=(UnreadableUse(ImagePlace("at", "c", "?"), "no"),))),
    "nobody asked": a_case(requester=None),
    "much text": a_case(replace(POD, uses=(use(PINNED, container="c" * TEXT_MAX_CHARACTERS),))),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_it_stands_for_nothing_that_policies_could_tell_apart(other: Case) -> None:
    """Who asks for what and where, the pull secrets, and each image with its place are its key."""
    court = Court()
    await court.ask(a_case())

    assert [False, True] == [await court.ask(other), await court.ask(a_case())]


def test_every_field_of_a_workload_is_compared_or_of_no_matter() -> None:
    """A field that a rule could read some day does not slip by."""
    of_no_matter = {"name"}  # Only exceptions read it, and they lift findings, of which none is.
    never_stands = {"placeholders"}

    assert {each.name for each in fields(Workload) if each.init} == (
        (set(OTHERS) & {each.name for each in fields(Workload)}) | of_no_matter | never_stands
    )


def test_every_field_of_a_case_is_compared_or_of_no_matter() -> None:
    """So does none of the request."""
    compared = {"workload", "requester", "dry_run", "credentials_allowed", "offers"}
    never_stands = {"operation", "old"}
    # Objects are read by conditions alone, with which nothing stands; the deadline is not reached.
    of_no_matter = {"objects", "deadline"}

    assert {each.name for each in fields(Case)} == compared | never_stands | of_no_matter


async def test_it_stands_on_its_own_side_only() -> None:
    """What nobody is refused for may yet be warned about."""
    court = Court()
    await court.ask(a_case(), Side.ENFORCE)

    assert not await court.ask(a_case(), Side.OBSERVE)


@pytest.mark.parametrize("case", NEVER_STANDS.values(), ids=NEVER_STANDS)
async def test_what_is_judged_each_time(case: Case) -> None:
    """Tags are resolved for each decision, and an UPDATE is compared with what is stored."""
    court = Court()

    assert [False, False] == [await court.ask(case), await court.ask(case)]


async def test_with_conditions_in_force_nothing_stands() -> None:
    """A condition may read any field of the object."""
    condition = Condition("named", Expression("true", ()), reads_namespace=False)
    court = Court(policies=PolicySet((digests(conditions=(condition,)),)))

    assert [False, False] == [await court.ask(a_case()), await court.ask(a_case())]


async def test_other_policies_end_it() -> None:
    """What comes into force is in force for the very next request."""
    court = Court()
    await court.ask(a_case())
    court.policies = PolicySet(POLICIES.policies)

    assert [False, True] == [await court.ask(a_case()), await court.ask(a_case())]


async def test_policies_that_come_while_it_is_judged_keep_it_from_standing() -> None:
    """The verdict is that of the policies before."""
    court = Court()
    court.judge.meanwhile = lambda: setattr(court, "policies", PolicySet(POLICIES.policies))
    await court.ask(a_case())
    court.judge.meanwhile = lambda: None

    assert not await court.ask(a_case())


async def test_other_labels_of_the_namespace_end_it() -> None:
    """A namespace that becomes production is judged as such by the very next request."""
    court = Court(labels={})
    await court.ask(a_case())
    court.labels = PRODUCTION

    assert [False, True] == [await court.ask(a_case()), await court.ask(a_case())]


async def test_labels_that_change_while_it_is_judged_keep_it_from_standing() -> None:
    """Nobody knows which of them it was judged by."""
    court = Court(labels={})
    court.judge.meanwhile = lambda: setattr(court, "labels", PRODUCTION)
    await court.ask(a_case())
    court.judge.meanwhile = lambda: None

    assert not await court.ask(a_case())


async def test_without_the_labels_of_the_namespace_nothing_stands() -> None:
    """A namespace that is not known is not one without labels (design, semantics 8)."""
    court = Court(labels=None)

    assert [False, False] == [await court.ask(a_case()), await court.ask(a_case())]


async def test_labels_that_get_lost_end_it() -> None:
    """Then nobody can tell whether they are the same."""
    court = Court()
    await court.ask(a_case())
    court.labels = None

    assert not await court.ask(a_case())


async def test_one_of_a_crowd_has_it_judged_anew() -> None:
    """The others need not wait, and are not judged all at once."""
    court = Court()
    await court.ask(a_case())
    court.now += STANDS_SECONDS
    asked = [court.standing.at_once(a_case(), Side.ENFORCE) for _ in range(3)]

    assert [None, CLEAN, CLEAN] == asked


async def test_a_verdict_given_anew_stands_anew() -> None:
    """A rollout may take longer than a verdict stands."""
    court = Court()
    await court.ask(a_case())
    court.now += STANDS_SECONDS
    renewed = await court.ask(a_case())
    court.now += STANDS_SECONDS / 2

    assert [False, True] == [renewed, await court.ask(a_case())]


async def test_in_the_end_it_stands_for_nobody() -> None:
    """Also where nobody has come back with a new one."""
    court = Court()
    await court.ask(a_case())
    court.now += AT_MOST_SECONDS

    assert not await court.ask(a_case())


async def test_their_number_is_bounded() -> None:
    """Whoever may write Pods could else fill the memory within a second."""
    court = Court()
    for number in range(VERDICTS_MAX + 1):
        await court.ask(a_case(replace(POD, service_account=f"a{number}")))

    assert 1 == len(court.standing._standing)


async def test_objects_are_decoded_for_who_takes_them_only() -> None:
    """A policy without conditions has no use for megabytes of annotations."""
    decoded: list[str] = []

    def decode() -> RequestObjects:
        decoded.append("once")
        return RequestObjects({"name": "web"}, {"kind": "Pod"})

    dropped, taken = RequestObjects.decoded_later(decode), RequestObjects.decoded_later(decode)
    dropped.drop()

    assert (
        None,
        [],
        {"request": {"name": "web"}, "object": {"kind": "Pod"}, "oldObject": None},
    ) == (
        dropped.take(),
        list(decoded),
        taken.take(),
    )


class Slow(Counting):
    """A judge that takes its time: `let_go` ends what is being judged."""

    def __init__(self, verdict: Verdict = CLEAN) -> None:
        super().__init__(verdict)
        self.let_go = asyncio.Event()
        self.asked_twice = asyncio.Event()

    async def judge(self, case: Case, side: Side) -> Verdict:
        self.asked += 1
        if self.asked > 1:
            self.asked_twice.set()
        await self.let_go.wait()
        return self.verdict


async def a_crowd(court: Court, judge: Slow, *cases: Case) -> list[bool]:
    """Ask about several cases at once, and let the judge go when all of them wait."""
    tasks = [asyncio.ensure_future(court.ask(each)) for each in cases]
    for _ in range(3):
        await asyncio.sleep(0)
    judge.let_go.set()
    return await asyncio.gather(*tasks)


async def test_of_a_crowd_before_there_is_a_verdict_one_is_judged() -> None:
    """A rollout of an image that nobody knows costs one judgement, not hundreds."""
    judge = Slow()

    assert ([False] * 3, 1) == (
        await a_crowd(Court(judge), judge, a_case(), a_case(), a_case()),
        judge.asked,
    )


async def test_a_crowd_that_differs_is_judged_one_by_one() -> None:
    """Each for itself, and nobody waits for another."""
    judge = Slow()
    other = a_case(replace(POD, namespace="other"))
    tasks = [asyncio.ensure_future(Court(judge).ask(each)) for each in (a_case(), other)]
    for _ in range(3):
        await asyncio.sleep(0)
    asked = judge.asked
    judge.let_go.set()
    await asyncio.gather(*tasks)

    assert 2 == asked


async def test_a_crowd_that_is_refused_is_told_so_one_by_one() -> None:
    """A finding does not stand, so whoever has waited is judged."""
    judge = Slow(Verdict((TALKING["a finding"],)))

    await a_crowd(Court(judge), judge, a_case(), a_case(), a_case())

    assert 3 == judge.asked


async def test_nobody_waits_for_longer_than_half_of_the_time() -> None:
    """Who has little of it is judged while the first one still is."""
    judge = Slow()
    court = Court(judge)
    first = asyncio.ensure_future(court.ask(a_case()))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(court.ask(a_case(deadline=Deadline.after(0.1))))
    async with asyncio.timeout(10):
        await judge.asked_twice.wait()
    judge.let_go.set()

    assert [False, False] == [await first, await second]


async def test_one_that_is_given_up_lets_the_others_go_on() -> None:
    """The API server that asked first may be gone."""
    judge = Slow()
    court = Court(judge)
    first = asyncio.ensure_future(court.ask(a_case()))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(court.ask(a_case()))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(10):
        await judge.asked_twice.wait()
    judge.let_go.set()

    assert False is await second


async def test_other_policies_are_not_waited_out() -> None:
    """What was begun under the old ones is no verdict under the new ones."""
    judge = Slow()
    court = Court(judge)
    first = asyncio.ensure_future(court.ask(a_case()))
    await asyncio.sleep(0)
    court.policies = PolicySet(POLICIES.policies)
    second = asyncio.ensure_future(court.ask(a_case()))
    await asyncio.sleep(0)
    judge.let_go.set()
    await asyncio.gather(first, second)

    assert 2 == judge.asked
