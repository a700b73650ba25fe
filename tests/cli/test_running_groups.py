"""What is told once of all that runs, and how the report for people says it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from landwaiter.cli.reports.groups import Groups
from landwaiter.cli.reports.running_form import running_report
from landwaiter.cluster.running import RunningObject
from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import ActionOverride, LabelSelector, Policy
from landwaiter.rules.protocol import RuleId, Undecided, Violation
from landwaiter.rules.verdict import (
    Action,
    FailurePolicy,
    Finding,
    GrantedException,
    UseVerdict,
    Verdict,
)
from landwaiter.wiring.running import JudgedObject
from landwaiter.workloads.values import ImagePlace, ImageUse, Workload
from policy.builders import a_policy

RULE = RuleId("pinnedTags")
DENY, WARN = frozenset({Action.DENY}), frozenset({Action.WARN})
FLOATING = Violation(RULE, "floating tag", "it floats", "pin it")
UNKNOWN = Undecided("could not be found out", "nobody knows")


def a_finding(
    policy: str = "p",
    *,
    actions: frozenset[Action] = DENY,
    outcome: Violation | Undecided = FLOATING,
) -> Finding:
    return Finding(policy, RULE, actions, FailurePolicy.FAIL, outcome)


def judged(
    kind: str,
    name: str,
    *findings: Finding,
    owner: str | None = None,
    image: str = "nginx",
    namespace: str = "shop",
) -> JudgedObject:
    """Return an object with one image, at the place where its kind has it."""
    before = "spec." if kind == "Pod" else "spec.template.spec."
    place = ImagePlace(f"{before}containers[0].image", "app", image)
    use = ImageUse(place, ImageReference.parse(image))
    workload = Workload(kind, namespace, name, kind != "Pod", {}, "", (), (use,))
    running = RunningObject({"metadata": {"name": name}}, kind, name, namespace, owner, False)  # noqa: FBT003
    return JudgedObject(running, workload, Verdict((UseVerdict(use, findings=findings),)))


def told(*objects: JudgedObject) -> list[tuple[str, str, Mapping[str, int]]]:
    """Return kind, name and number of those alike of every entry."""
    groups = Groups(["p", "q"])
    for each in objects:
        groups.add(each)
    return [(each.workload.kind, each.workload.name, each.alike) for each in groups.told()]


def test_pods_are_told_with_the_top_of_their_owners() -> None:
    """A Deployment stands for its ReplicaSet and its Pods."""
    assert [("Deployment", "d", {"ReplicaSet": 1, "Pod": 2})] == told(
        judged("Deployment", "d", a_finding()),
        judged("ReplicaSet", "d-1", a_finding(), owner="d"),
        judged("Pod", "d-1-a", a_finding(), owner="d-1"),
        judged("Pod", "d-1-b", a_finding(), owner="d-1"),
    )


@pytest.mark.parametrize(
    "other",
    [
        judged("Pod", "other", a_finding(), owner="e"),
        judged("Pod", "other", a_finding(), owner="d", image="redis"),
        judged("Pod", "other", a_finding("q"), owner="d"),
        judged("Pod", "other", a_finding(actions=WARN), owner="d"),
        judged("Pod", "other", a_finding(outcome=UNKNOWN), owner="d"),
        judged("Pod", "other", a_finding(), a_finding("q"), owner="d"),
        judged("Pod", "other", a_finding()),
    ],
)
def test_what_differs_is_told_apart(other: JudgedObject) -> None:
    """Another owner, image, policy, action or outcome is an entry of its own."""
    assert [("Deployment", "d", {"Pod": 1}), ("Pod", "other", {})] == told(
        judged("Deployment", "d", a_finding()), judged("Pod", "d-1", a_finding(), owner="d"), other
    )


def test_pods_of_an_owner_that_is_not_listed_are_told_together() -> None:
    """A controller of another kind makes its Pods alike too."""
    assert [("Pod", "a", {"Pod": 1})] == told(
        judged("Pod", "a", a_finding(), owner="custom"),
        judged("Pod", "b", a_finding(), owner="custom"),
    )


def test_owners_without_findings_still_hold_their_pods_together() -> None:
    """Where templates are skipped, the Pods are told, once a Deployment."""
    assert [("Pod", "a", {"Pod": 1})] == told(
        judged("Deployment", "d"),
        judged("ReplicaSet", "d-1", owner="d"),
        judged("ReplicaSet", "d-2", owner="d"),
        judged("Pod", "a", a_finding(), owner="d-1"),
        judged("Pod", "b", a_finding(), owner="d-2"),
    )


def report(*objects: JudgedObject, policies: tuple[Policy, ...]) -> str:
    groups = Groups([policy.name for policy in policies])
    for each in objects:
        groups.add(each)
    return running_report(groups, policies)


def test_what_only_warns_is_told_as_what_denying_would_do() -> None:
    """The fate of today and that of tomorrow are both said."""
    warning = a_finding("q", actions=WARN)
    unknown = a_finding("q", actions=frozenset({Action.AUDIT}), outcome=UNKNOWN)
    policies = (a_policy(), replace(a_policy(actions=(Action.WARN, Action.AUDIT)), name="q"))

    assert """\
Pod shop/a: admitted, but would be refused if all policies denied
The image in Pod shop/a is refused:

spec.containers[0].image (container app): nginx
  ✗ pinnedTags (policy q): it floats
    → pin it

Pod test/b: admitted, but would be undecided if all policies denied
The image in Pod test/b is not decided, and what is not known is not admitted; try again later, or
ask whoever runs this cluster:

spec.containers[0].image (container app): nginx
  ? pinnedTags (policy q): nobody knows

policy p [Deny]: nothing to refuse
policy q [Warn, Audit]: would refuse 1 Pod, does not know of 1 more, in 2 namespaces
3 objects judged: 3 admitted, 0 refused, 0 undecided by the policies as they are
""" == report(
        judged("Pod", "a", warning),
        judged("Pod", "b", unknown, namespace="test"),
        judged("Pod", "c"),
        policies=policies,
    )


def test_what_is_passed_over_or_cannot_be_read_is_said() -> None:
    """Nothing disappears without a word."""
    old = replace(judged("ReplicaSet", "d-1", owner="d").running, is_superseded=True)
    odd = JudgedObject(judged("Pod", "odd").running, unreadable="spec.containers: too many")

    assert """\
Pod shop/odd: spec.containers: too many

policy p [Deny]: nothing to refuse
0 objects judged: 0 admitted, 0 refused, 0 undecided by the policies as they are; \
1 old ReplicaSet passed over
""" == report(JudgedObject(old), odd, policies=(a_policy(),))


def test_what_exceptions_lift_and_what_no_policy_is_about_is_counted() -> None:
    """Neither is a refusal by a policy."""
    expires = datetime(2026, 12, 1, tzinfo=UTC)
    granted = GrantedException("hotfix", "ann", "an incident", expires)
    lifted = replace(a_finding(), exception=granted)
    unmatched = a_finding("unmatchedImages")

    assert """\
Pod shop/a: admitted, for an exception lifts what is found

Pod shop/b: refused
The image in Pod shop/b is refused:

spec.containers[0].image (container app): nginx
  ✗ pinnedTags (policy unmatchedImages): it floats
    → pin it

policy p [Deny]: spares 1 for an exception, in 1 namespace
unmatchedImages: would refuse 1 Pod, in 1 namespace
2 objects judged: 1 admitted, 1 refused, 0 undecided by the policies as they are
""" == report(judged("Pod", "a", lifted), judged("Pod", "b", unmatched), policies=(a_policy(),))


def test_a_policy_that_does_something_else_somewhere_says_so() -> None:
    """What is in brackets is not the whole truth then."""
    policy = replace(
        a_policy(), action_overrides=(ActionOverride(LabelSelector(), frozenset({Action.WARN})),)
    )
    first, _ = report(policies=(policy,)).splitlines()

    assert "policy p [Deny, others in some namespaces]: nothing to refuse" == first
