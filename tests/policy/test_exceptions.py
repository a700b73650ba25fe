"""What an exception lifts, for as long as it says, and what it spares nobody."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from landwaiter.errors import ClusterUnavailable, RegistryUnavailable
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.case import Side
from landwaiter.policy.exceptions import Clock, CoveredPolicy, PolicyException
from landwaiter.rules.protocol import RuleId, Undecided
from landwaiter.rules.pull_secret_answers import PullSecretAnswer
from landwaiter.rules.verdict import Decision, GrantedException, Verdict
from landwaiter.workloads.values import ImagePlace, UnreadableUse
from policy.judging import (
    DENY,
    ENV,
    STRICT,
    WARN,
    Answers,
    Labels,
    a_template,
    a_workload,
    digests,
    judged,
    secrets,
    told,
    use,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PINNED = RuleId("pinnedTags")


def an_exception(
    name: str = "hotfix",
    *,
    policy: str = "p",
    rules: frozenset[RuleId] | None = None,
    images: tuple[str, ...] = ("r.example.com/app",),
    namespaces: tuple[str, ...] = ("shop",),
    expires: datetime = NOW + timedelta(days=1),
    **more: Any,  # noqa: ANN401  # Any other field of an exception.
) -> PolicyException:
    return PolicyException(
        GrantedException(name, "alice", "the registry is down", expires),
        (CoveredPolicy(policy, rules),),
        tuple(map(ImagePattern.parse, images)),
        frozenset(namespaces),
        **more,
    )


def at(*times: datetime) -> Clock:
    """Return a clock that shows these times one after the other, and the last one for ever."""

    def shown() -> Iterator[datetime]:
        yield from times
        while True:
            yield times[-1]

    following = shown()
    return lambda: next(following)


async def excepted(
    *exceptions: PolicyException,
    clock: Clock | None = None,
    **settings: Any,  # noqa: ANN401
) -> Verdict:
    policies = settings.pop("policies", (digests(),))
    workload = settings.pop("workload", a_workload())
    return await judged(
        workload, *policies, exceptions=exceptions, clock=clock or at(NOW), **settings
    )


async def test_a_finding_that_is_lifted_refuses_nothing_and_is_still_told() -> None:
    """The finding stays, with what lifts it, for the warning, the audit log and the metric."""
    exception = an_exception()
    verdict = await excepted(exception)

    assert (Decision.ALLOW, [exception.granted]) == (
        verdict.decision,
        [finding.exception for finding in verdict.findings],
    )


@pytest.mark.parametrize(
    "exception",
    [
        an_exception(policy="q"),
        an_exception(rules=frozenset({RuleId("cosignSignatures")})),
        an_exception(images=("r.example.com/other",)),
        an_exception(images=("r.example.com/app:2",)),
        an_exception(namespaces=("bank",)),
        an_exception(expires=NOW),
        an_exception(expires=NOW - SECOND),
        an_exception(service_accounts=frozenset({"builder"})),
    ],
)
async def test_what_an_exception_is_not_about_is_refused(exception: PolicyException) -> None:
    """Policy, rule, image, namespace and time must all be met."""

    assert Decision.DENY == (await excepted(exception)).decision


async def test_it_ends_at_the_second_that_it_says() -> None:
    """One second before it lifts, and then no more."""
    exception = an_exception(expires=NOW)
    decisions = [
        (await excepted(exception, clock=at(time))).decision
        for time in (NOW - SECOND, NOW - timedelta(microseconds=1), NOW, NOW + SECOND)
    ]

    assert [Decision.ALLOW, Decision.ALLOW, Decision.DENY, Decision.DENY] == decisions


async def test_one_that_ends_while_a_case_is_judged_lifts_nothing() -> None:
    """It is looked at again when everything is found out, which can take seconds."""
    verdict = await excepted(an_exception(expires=NOW), clock=at(NOW - SECOND, NOW))

    assert (Decision.DENY, [None]) == (
        verdict.decision,
        [finding.exception for finding in verdict.findings],
    )


async def test_each_image_is_lifted_for_itself() -> None:
    """Another image of the same Pod is refused."""
    other = use("r.example.com/other:1", "spec.containers[1].image", "other")
    pod = a_workload(use("r.example.com/app:1"), other)
    verdict = await excepted(an_exception(), workload=pod)

    assert [other] == [
        each.use for each in verdict.uses if any(finding.refuses for finding in each.findings)
    ]


async def test_another_policy_goes_on_refusing() -> None:
    """What is lifted is one policy's finding, and not the image."""
    verdict = await excepted(an_exception(), policies=(digests(), digests("q")))

    assert ["q"] == [finding.policy for finding in verdict.findings if finding.refuses]


async def test_semantics_10_what_is_lifted_skips_nothing() -> None:
    """Rules that ask outside are asked as if the finding were not there."""
    source = Answers()
    exception = an_exception(rules=frozenset({PINNED}))
    verdict = await excepted(exception, policies=(digests(), secrets("s")), source=source)

    assert (1, [("p", "pinnedTags", "Deny"), ("s", "pullSecrets", "Deny")], [()]) == (
        len(source.asked),
        told(verdict),
        [each.not_checked for each in verdict.uses],
    )


async def test_what_could_not_be_found_out_is_lifted_too() -> None:
    """A registry that is down is what exceptions are for."""
    source = Answers(RegistryUnavailable("r.example.com answers 503"))
    verdict = await excepted(an_exception(), policies=(secrets(),), source=source)

    assert (Decision.ALLOW, [Undecided]) == (
        verdict.decision,
        [type(finding.outcome) for finding in verdict.findings],
    )


@pytest.mark.parametrize(
    ("rules", "decision"),
    [(None, Decision.ALLOW), (frozenset({PINNED}), Decision.UNDECIDED)],
)
async def test_a_policy_of_which_nobody_knows_is_lifted_as_a_whole(
    rules: frozenset[RuleId] | None, decision: Decision
) -> None:
    """Which of its rules would refuse is not known, so all of them have to be covered."""
    verdict = await excepted(
        an_exception(rules=rules),
        policies=(digests(namespaces=(ENV,)),),
        labels=Labels(ClusterUnavailable("down")),
    )

    assert decision == verdict.decision


@pytest.mark.parametrize(
    ("policy", "decision"), [("unmatchedImages", Decision.ALLOW), ("p", Decision.DENY)]
)
async def test_an_image_without_policy_can_be_lifted(policy: str, decision: Decision) -> None:
    """The install's own refusal is named like a policy."""
    verdict = await excepted(an_exception(policy=policy), policies=(), install=STRICT)

    assert decision == verdict.decision


async def test_semantics_01_a_name_that_does_not_parse_is_never_lifted() -> None:
    """No pattern says which image it is."""
    unreadable = UnreadableUse(ImagePlace("spec.containers[0].image", "app", "a b"), "a space")
    verdict = await excepted(
        an_exception(images=("**",)), workload=a_workload(unreadable), policies=(digests(),)
    )

    assert Decision.DENY == verdict.decision


async def test_of_several_exceptions_the_longest_is_told() -> None:
    """One is told, always the same one."""
    names = ["b", "a", "short"]
    later = NOW + timedelta(days=2)
    ends = {"b": later, "a": later, "short": NOW + SECOND}
    found = [an_exception(name, expires=ends[name]) for name in names]
    (finding,) = (await excepted(*found)).findings

    assert finding.exception is not None
    assert "a" == finding.exception.name


async def test_an_exception_is_told_on_the_side_of_the_finding() -> None:
    """What warns is lifted on /observe, what denies on /validate."""
    policies = (digests("p", actions=(WARN,)), digests("q", actions=(DENY,)))
    exceptions = (an_exception(policy="p"), an_exception("other", policy="q"))
    found = {
        side: [
            finding.exception.name
            for finding in (await excepted(*exceptions, policies=policies, side=side)).findings
            if finding.exception is not None
        ]
        for side in Side
    }

    assert {
        Side.ENFORCE: ["other"],
        Side.OBSERVE: ["hotfix"],
        Side.ALL: ["hotfix", "other"],
    } == found


async def test_templates_are_lifted_as_their_pods_are() -> None:
    """A Deployment is admitted if its Pods would be."""

    assert Decision.ALLOW == (await excepted(an_exception(), workload=a_template())).decision


async def test_an_empty_answer_is_lifted_only_where_it_is_covered() -> None:
    """An exception for one rule leaves the other rules of the policy alone."""
    exception = an_exception(policy="s", rules=frozenset({PINNED}))
    source = Answers(PullSecretAnswer("shop", ()))
    verdict = await excepted(exception, policies=(secrets("s"),), source=source)

    assert Decision.DENY == verdict.decision
