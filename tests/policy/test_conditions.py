"""When the conditions of a policy let it apply, and what becomes of those that cannot be told."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from landwaiter.cel.evaluation import TOO_LONG, Evaluates, Evaluator
from landwaiter.cel.expressions import compile_expression
from landwaiter.deadline import Deadline
from landwaiter.errors import (
    ClusterUnavailable,
    DeadlineExceeded,
    ExpressionsUnavailable,
    Unavailable,
)
from landwaiter.policy.case import Case, Operation, Requester, RequestObjects, Side
from landwaiter.policy.conditions import NO_CONDITIONS, VARIABLES, Conditions, MatchConditions
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings
from landwaiter.policy.judge import Judge, NamespaceLabels
from landwaiter.policy.matching import Condition, Policy
from landwaiter.policy.policy_set import PolicySet
from landwaiter.rules.verdict import Decision, Verdict
from landwaiter.workloads.values import Workload
from policy.in_process import InProcess
from policy.judging import (
    STRICT,
    WARN,
    Answers,
    Labels,
    a_template,
    a_workload,
    digests,
    told,
)

AN_OBJECT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "annotations": {"team": "shop"}},
}


def on(*expressions: str, name: str = "p", **settings: Any) -> Policy:  # noqa: ANN401
    """Return a policy that wants digests where these expressions are true."""
    conditions = tuple(
        Condition(f"c{number}", compiled, compiled.names("namespaceObject"))
        for number, compiled in enumerate(compile_expression(e, VARIABLES) for e in expressions)
    )
    return replace(digests(name, **settings), conditions=conditions)


async def judged(
    *policies: Policy,
    workload: Workload | None = None,
    old: Workload | None = None,
    objects: RequestObjects | None = None,
    conditions: Conditions | None = None,
    labels: NamespaceLabels | None = None,
    side: Side = Side.ALL,
    install: PolicyInstallSettings = DEFAULTS,
    source: Answers | None = None,
) -> Verdict:
    operation = Operation.CREATE if old is None else Operation.UPDATE
    case = Case(
        operation,
        workload or a_workload(),
        Deadline.after(20),
        old=old,
        objects=objects or given(),
    )
    judge = Judge(
        policies=lambda: PolicySet(policies),
        source=source or Answers(),
        namespaces=labels or Labels(),
        install=install,
        conditions=conditions or both(InProcess()),
    )
    return await judge.judge(case, side)


def given(
    obj: Mapping[str, Any] = AN_OBJECT,
    old: Mapping[str, Any] | None = None,
    requester: Requester | None = None,
) -> RequestObjects:
    return RequestObjects.of_manifest(obj, namespace="shop", requester=requester, old=old)


def both(evaluator: Evaluates) -> MatchConditions:
    return MatchConditions(evaluator, evaluator)


DENIED = [("p", "pinnedTags", "Deny")]
NOT_TOLD = [("p", "matchConditions", "Deny")]


@pytest.mark.parametrize(
    ("expressions", "findings"),
    [
        (["true"], DENIED),
        (["false"], []),
        (["true", "true"], DENIED),
        (["true", "false"], []),
        (["object.nope == 1", "false"], []),
        (["object.nope == 1", "true"], NOT_TOLD),
        (["object.metadata.name"], NOT_TOLD),
        (['object.metadata.annotations.team == "shop"'], DENIED),
        (["oldObject == null"], DENIED),
        (['request.operation == "CREATE" && request.kind.kind == "Pod"'], DENIED),
        (['request.kind.group == "" && request.kind.version == "v1"'], DENIED),
        (['request.name == "web" && request.namespace == "shop"'], DENIED),
        (['!request.dryRun && request.subResource == ""'], DENIED),
        (['request.userInfo.username == "" && request.userInfo.groups == []'], DENIED),
        (['namespaceObject.metadata.name == "shop"'], DENIED),
        (['namespaceObject.metadata.labels.env == "production"'], DENIED),
        (['"kubernetes.io/metadata.name" in namespaceObject.metadata.labels'], DENIED),
    ],
)
async def test_a_policy_applies_where_all_of_its_conditions_are_true(
    expressions: list[str], findings: list[tuple[str, str, str]]
) -> None:
    """One that is false settles it, whatever became of the others, as in Kubernetes."""
    verdict = await judged(on(*expressions), labels=Labels({"env": "production"}))

    assert findings == told(verdict)


async def test_the_requester_and_the_old_object_can_be_asked_about() -> None:
    """Under the names that Kubernetes gives them."""
    objects = given(old={"metadata": {"name": "old"}}, requester=Requester("alice", ("ops",)))
    policy = on(
        'request.userInfo.username == "alice" && "ops" in request.userInfo.groups',
        'request.operation == "UPDATE" && oldObject.metadata.name == "old"',
    )

    assert DENIED == told(await judged(policy, objects=objects))


async def test_what_cannot_be_told_is_undecided_and_says_why() -> None:
    """The message names the condition and what the language says."""
    verdict = await judged(on("true", "object.nope == 1"))
    (finding,) = verdict.findings

    assert (
        Decision.UNDECIDED,
        'the condition "c1" cannot be told: NOT_FOUND: Key not found in map : "nope"',
        False,
    ) == (verdict.decision, finding.outcome.detail, verdict.retry_soon)


async def test_in_a_policy_of_a_namespace_it_refuses() -> None:
    """Whoever wrote it can mend it, and nobody else may be asked to try again."""
    policy = on("object.nope == 1", name="shop/p", namespace="shop")
    verdict = await judged(policy)
    (finding,) = verdict.findings

    assert (Decision.DENY, "matchConditions") == (verdict.decision, finding.rule)


@pytest.mark.parametrize("namespace", [None, "shop"])
@pytest.mark.parametrize(
    ("fault", "retries"),
    [(ExpressionsUnavailable("no process"), False), (DeadlineExceeded("no turn"), True)],
)
async def test_a_fault_is_undecided_for_every_policy(
    namespace: str | None,
    fault: Unavailable,
    retries: bool,  # noqa: FBT001
) -> None:
    """It is nobody's condition that is wrong; who had no turn yet is told to come again."""
    verdict = await judged(on("true", namespace=namespace), conditions=both(InProcess(fault)))

    assert (Decision.UNDECIDED, retries) == (verdict.decision, verdict.retry_soon)


async def test_what_only_warns_is_told_on_its_side() -> None:
    """A condition that cannot be told is a warning where the policy would warn."""
    policy = on("object.nope == 1", actions=(WARN,))
    sides = {side: told(await judged(policy, side=side)) for side in Side}
    finding = [("p", "matchConditions", "Warn")]

    assert {Side.ENFORCE: [], Side.OBSERVE: finding, Side.ALL: finding} == sides


async def test_without_the_objects_nothing_can_be_told() -> None:
    """Whoever judges a workload without the object that it was read from does not guess."""
    case = Case(Operation.CREATE, a_workload(), Deadline.after(20))
    judge = Judge(
        policies=lambda: PolicySet((on("true"),)),
        source=Answers(),
        namespaces=Labels(),
        conditions=both(InProcess()),
    )

    assert NOT_TOLD == told(await judge.judge(case, Side.ALL))


async def test_without_anything_to_evaluate_with_nothing_can_be_told() -> None:
    """A judge that was given nothing for conditions does not pass them over."""

    assert NOT_TOLD == told(await judged(on("true"), conditions=NO_CONDITIONS))
    assert DENIED == told(await judged(on(), conditions=NO_CONDITIONS))


async def test_the_objects_are_given_away_once() -> None:
    """They are not held while registries are waited for."""
    objects = given()
    await judged(digests(), objects=objects)

    assert None is objects.take()


async def test_semantics_08_conditions_on_unknown_labels_are_undecided() -> None:
    """A namespace whose labels are not known is not one without labels."""
    down = Labels(ClusterUnavailable("down"))
    by_label = on('has(namespaceObject.metadata.labels) && "x" in object')
    verdicts = [
        told(await judged(policy, labels=down)) for policy in (by_label, on("'x' in object"))
    ]

    assert [[("p", "namespaceSelector", "Deny")], []] == verdicts


async def test_conditions_are_not_evaluated_for_policies_that_do_not_apply_anyway() -> None:
    """Selectors come first, and other namespaces' policies are never evaluated."""
    evaluator = InProcess()
    policies = (
        on("true", name="a", images=("other.example.com",)),
        on("true", name="bank/b", namespace="bank"),
        on("'c' == 'c'", name="c"),
    )
    await judged(*policies, conditions=both(evaluator))

    assert [["'c' == 'c'"]] == evaluator.jobs


async def test_admins_and_namespaces_have_evaluators_of_their_own() -> None:
    """A slow expression of a namespace does not keep the cluster's policies from theirs."""
    cluster, namespaces = InProcess(), InProcess()
    await judged(
        on("1 == 1"),
        on("2 == 2", name="shop/p", namespace="shop"),
        conditions=MatchConditions(cluster, namespaces),
    )

    assert ([["1 == 1"]], [["2 == 2"]]) == (cluster.jobs, namespaces.jobs)


async def test_a_namespace_rests_after_a_condition_of_it_took_too_long() -> None:
    """Its policies refuse meanwhile without being evaluated; other namespaces do not notice."""
    slow = "3 == 3"
    evaluator = InProcess(slow=slow)
    conditions = both(evaluator)
    own = on(slow, name="shop/p", namespace="shop")
    other = on("4 == 4", name="bank/p", namespace="bank")
    verdicts = [
        await judged(own, conditions=conditions),
        await judged(own, conditions=conditions),
        await judged(other, conditions=conditions, workload=a_workload(namespace="bank")),
    ]

    assert [[slow], ["4 == 4"]] == evaluator.jobs
    assert ["matchConditions", "matchConditions", "pinnedTags"] == [
        finding.rule for verdict in verdicts for finding in verdict.findings
    ]
    assert [Decision.DENY] * 3 == [verdict.decision for verdict in verdicts]


SLOW = 'object.numbers.all(n, !object.text.contains("ab"))'
LARGE = {"metadata": {}, "numbers": list(range(9000)), "text": "a" * 300_000}


@pytest.mark.parametrize(
    ("namespace", "decision"), [(None, Decision.UNDECIDED), ("shop", Decision.DENY)]
)
async def test_an_overrun_is_undecided_and_in_a_policy_of_a_namespace_refused(
    namespace: str | None, decision: Decision
) -> None:
    """In the process that evaluates, which is ended for it, while the loop goes on."""
    name = "p" if namespace is None else f"{namespace}/p"
    turns = 0
    async with Evaluator(job_seconds=0.3) as evaluator, asyncio.TaskGroup() as group:
        judging = group.create_task(
            judged(
                on(SLOW, name=name, namespace=namespace),
                objects=given(LARGE),
                conditions=both(evaluator),
            )
        )
        while not judging.done():
            await asyncio.sleep(0.01)
            turns += 1
    verdict = judging.result()
    (finding,) = verdict.findings

    assert (decision, "matchConditions", False) == (
        verdict.decision,
        finding.rule,
        verdict.retry_soon,
    )
    assert TOO_LONG in finding.outcome.detail
    assert turns > 10


async def test_a_clusters_policy_does_not_rest() -> None:
    """Whoever makes one evaluation slow with a large object does not switch the policy off."""
    evaluator = InProcess(slow="3 == 3")
    conditions = both(evaluator)
    for _ in range(2):
        await judged(on("3 == 3"), conditions=conditions)

    assert [["3 == 3"]] * 2 == evaluator.jobs


async def test_a_rest_ends() -> None:
    """Then the conditions are tried again."""
    evaluator = InProcess(slow="3 == 3")
    conditions = MatchConditions(evaluator, evaluator, rest_seconds=0)
    for _ in range(2):
        await judged(on("3 == 3", name="shop/p", namespace="shop"), conditions=conditions)

    assert [["3 == 3"]] * 2 == evaluator.jobs


TEAM = "has(object.metadata.labels) && has(object.metadata.labels.team)"
WITH_TEAM = {"metadata": {"labels": {"team": "shop"}}}
WITHOUT_TEAM: dict[str, Any] = {"metadata": {}}


@pytest.mark.parametrize(
    ("old", "new", "findings"),
    [
        (WITH_TEAM, WITH_TEAM, []),
        (WITHOUT_TEAM, WITH_TEAM, DENIED),
        (WITH_TEAM, WITHOUT_TEAM, []),
        (WITHOUT_TEAM, WITHOUT_TEAM, []),
    ],
)
async def test_semantics_06_a_template_that_comes_under_a_policy_is_judged(
    old: dict[str, Any], new: dict[str, Any], findings: list[tuple[str, str, str]]
) -> None:
    """Its images are old, but nobody has judged them by this policy."""
    template = a_template()
    verdict = await judged(on(TEAM), workload=template, old=template, objects=given(new, old))

    assert findings == told(verdict)


async def test_semantics_06_a_stored_pod_is_left_alone_whatever_its_conditions() -> None:
    """A running Pod can be changed, and nothing is evaluated for it."""
    evaluator, pod = InProcess(), a_workload()
    verdict = await judged(
        on(TEAM),
        workload=pod,
        old=pod,
        objects=given(WITH_TEAM, WITHOUT_TEAM),
        conditions=both(evaluator),
    )

    assert ([], []) == (told(verdict), evaluator.jobs)


@pytest.mark.parametrize(
    ("expression", "decision"),
    [
        ("true", Decision.DENY),
        ("false", Decision.DENY),
        ("object.nope == 1", Decision.UNDECIDED),
    ],
)
async def test_an_image_is_matched_only_where_the_conditions_say_so(
    expression: str, decision: Decision
) -> None:
    """With unmatchedImages: Deny, what no policy is known to be about is not admitted."""

    assert decision == (await judged(on(expression), install=STRICT)).decision
