"""With `unmatchedImages: Deny` an image runs only where an admin's denying policy is about it."""

from dataclasses import replace
from typing import Any

import pytest

from landwaiter.errors import ClusterUnavailable
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.case import Operation, Requester, Side
from landwaiter.policy.matching import ActionOverride, LabelSelector, Policy, TemplateAction
from landwaiter.policy.subjects import Subjects
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.verdict import Decision, FailurePolicy, Verdict
from landwaiter.workloads.values import ImagePlace, UnreadableUse, Workload
from policy.judging import (
    AUDIT,
    DENY,
    ENV,
    STRICT,
    WARN,
    Answers,
    Labels,
    a_template,
    a_workload,
    judged,
    named,
    secrets,
    told,
    use,
)

ADMITS = AllowedRegistries((ImagePattern.parse("**"),))
UNMATCHED = ("unmatchedImages", "unmatchedImages", "Deny")
UNKNOWN = Labels(ClusterUnavailable("down"))


def admits(name: str = "p", **settings: Any) -> Policy:  # noqa: ANN401  # Those of `a_policy`.
    """Return a policy that finds nothing wrong with any image."""
    return named(name, ADMITS, **settings)


async def strictly(workload: Workload, *policies: Policy, **settings: Any) -> Verdict:  # noqa: ANN401
    return await judged(workload, *policies, install=STRICT, **settings)


async def test_by_default_what_no_policy_is_about_is_admitted() -> None:
    """Without policies for an image nothing is found."""

    assert Verdict() == await judged(a_workload())


@pytest.mark.parametrize(
    ("policy", "is_matched"),
    [
        (admits(), True),
        (admits(actions=(DENY, AUDIT)), True),
        (admits(actions=(WARN,)), False),
        (admits(actions=(AUDIT,)), False),
        (admits(namespace="shop"), False),
        (admits(images=("r.example.com",)), True),
        (admits(images=("other.example.com",)), False),
        (admits(excluded_images=(ImagePattern.parse("r.example.com"),)), False),
        (admits(operations=frozenset({Operation.UPDATE})), False),
        (admits(excluded_users=Subjects(frozenset({"alice"}))), False),
        (admits(objects=(ENV,)), False),
        (admits(namespaces=(ENV,)), True),
        (
            admits(
                actions=(WARN,),
                action_overrides=(ActionOverride(LabelSelector((ENV,)), frozenset({DENY})),),
            ),
            True,
        ),
        (
            admits(
                action_overrides=(ActionOverride(LabelSelector((ENV,)), frozenset({WARN})),),
            ),
            False,
        ),
    ],
)
async def test_only_a_cluster_policy_that_denies_here_counts(
    policy: Policy,
    is_matched: bool,  # noqa: FBT001
) -> None:
    """Nobody can switch it off with a policy that warns, or with one of their own namespace."""
    verdict = await strictly(
        a_workload(), policy, labels=Labels({"env": "production"}), requester=Requester("alice")
    )

    assert ([] if is_matched else [UNMATCHED]) == told(verdict)
    assert (Decision.ALLOW if is_matched else Decision.DENY) == verdict.decision


async def test_it_is_told_without_any_policy() -> None:
    """An image that nobody has thought of is refused, and the message says what is wanted."""
    verdict = await strictly(a_workload())

    assert [UNMATCHED] == told(verdict)


async def test_semantics_18_it_is_told_where_denials_are_told() -> None:
    """/validate refuses, /observe says nothing of it."""
    sides = {each: told(await strictly(a_workload(), side=each)) for each in Side}

    assert {Side.ENFORCE: [UNMATCHED], Side.OBSERVE: [], Side.ALL: [UNMATCHED]} == sides


async def test_semantics_10_what_is_refused_so_is_not_looked_up() -> None:
    """It is decided before the policies of namespaces, and before anything that asks outside."""
    source = Answers()
    policies = (secrets("warns", actions=(WARN,)), secrets("shop/p", namespace="shop"))

    verdict = await strictly(a_workload(), *policies, source=source)

    assert ([UNMATCHED], [("pullSecrets",)], []) == (
        told(verdict),
        [each.not_checked for each in verdict.uses],
        source.asked,
    )


async def test_each_image_is_matched_for_itself() -> None:
    """One image with a policy does not bring in another one without."""
    other = use("other.example.com/b:1", "spec.containers[1].image", "b")

    verdict = await strictly(
        a_workload(use("r.example.com/a:1"), other), admits(images=("r.example.com",))
    )

    assert [(other, 1)] == [
        (each.use, len(each.findings)) for each in verdict.uses if each.findings
    ]


@pytest.mark.parametrize("templates", TemplateAction)
async def test_what_a_policy_does_about_templates_does_not_matter(
    templates: TemplateAction,
) -> None:
    """The Pods of the template meet the policy, so the template is not without one."""

    assert [] == told(await strictly(a_template(), admits(templates=templates)))


async def test_semantics_06_what_is_stored_already_is_left_alone() -> None:
    """A running Pod can be changed though no policy is about its image."""
    labels = Labels(ClusterUnavailable("down"))

    verdict = await strictly(
        a_workload(), admits(namespaces=(ENV,)), old=a_workload(), labels=labels
    )

    assert ([], []) == (told(verdict), labels.asked)


async def test_semantics_08_what_nobody_knows_is_undecided_and_not_admitted() -> None:
    """A policy may be about it; `failurePolicy: Ignore` of that policy does not let it pass."""
    policy = admits(namespaces=(ENV,), failure_policy=FailurePolicy.IGNORE)

    verdict = await strictly(a_workload(), policy, labels=UNKNOWN)

    assert [UNMATCHED, ("p", "namespaceSelector", "Deny")] == told(verdict)
    assert Decision.UNDECIDED == verdict.decision


async def test_what_another_policy_is_about_is_not_undecided() -> None:
    """One policy that is about it for certain is enough."""
    unknown = admits("q", namespaces=(ENV,), failure_policy=FailurePolicy.IGNORE)

    verdict = await strictly(a_workload(), admits(), unknown, labels=UNKNOWN)

    assert (Decision.ALLOW, [("q", "namespaceSelector", "Deny")]) == (
        verdict.decision,
        told(verdict),
    )


async def test_semantics_01_a_name_that_does_not_parse_is_refused() -> None:
    """No policy can be about what nobody can read."""
    unreadable = UnreadableUse(ImagePlace("spec.containers[0].image", "app", "a b"), "a space")

    verdict = await strictly(a_workload(unreadable))

    assert [("unmatchedImages", "imageReference", "Deny")] == told(verdict)


async def test_placeholders_wait_for_their_pods() -> None:
    """A template that is still to be filled in has no image yet."""
    place = ImagePlace("spec.template.spec.containers[0].image", "app", "auto")

    verdict = await strictly(replace(a_template(), uses=(), placeholders=(place,)))

    assert [] == told(verdict)
