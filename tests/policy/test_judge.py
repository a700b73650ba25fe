"""Which uses of an object are judged, by which policies, and on which side a finding is told."""

from dataclasses import replace
from typing import Any

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, DeadlineExceeded
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.case import Case, Operation, Requester, Side
from landwaiter.policy.judge import Judge
from landwaiter.policy.matching import Operator, Policy, TemplateAction
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.subjects import Subjects
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.pinned_tags import PinnedTags
from landwaiter.rules.protocol import (
    Inquiry,
    Undecided,
)
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.verdict import Action, Decision, FailurePolicy, Verdict
from landwaiter.workloads.values import ImagePlace, ImageUse, UnreadableUse
from policy.builders import requires
from policy.judging import (
    AUDIT,
    DENY,
    ENV,
    NODE,
    PINNED,
    WARN,
    Answers,
    Labels,
    SilentLabels,
    a_template,
    a_workload,
    digests,
    judged,
    named,
    secrets,
    told,
    use,
)


async def test_semantics_05_pods_are_always_judged() -> None:
    """Whatever a policy does about templates, it denies the Pod."""
    verdicts = [
        await judged(a_workload(), digests(templates=action)) for action in (None, *TemplateAction)
    ]

    assert [[("p", "pinnedTags", "Deny")]] * 4 == [told(verdict) for verdict in verdicts]


@pytest.mark.parametrize(
    ("actions", "templates", "expected"),
    [
        ((DENY,), None, {DENY}),
        ((DENY,), TemplateAction.DENY, {DENY}),
        ((DENY,), TemplateAction.WARN, {WARN}),
        ((DENY, AUDIT), TemplateAction.WARN, {WARN, AUDIT}),
        ((WARN,), TemplateAction.WARN, {WARN}),
        ((WARN, AUDIT), None, {WARN, AUDIT}),
        ((AUDIT,), None, {AUDIT}),
        ((DENY, AUDIT), TemplateAction.SKIP, None),
    ],
)
async def test_semantics_05_templates_are_treated_as_the_policy_says(
    actions: tuple[Action, ...], templates: TemplateAction | None, expected: set[Action] | None
) -> None:
    """`Warn` softens a denial and keeps the audit, `Skip` does not look, nothing else changes."""
    verdict = await judged(a_template(), digests(actions=actions, templates=templates))

    assert ([] if expected is None else [expected]) == [
        set(finding.actions) for finding in verdict.findings
    ]


PLACEHOLDER = ImagePlace("spec.template.spec.containers[0].image", "app", "auto")
WAITING = (
    'spec.template.spec.containers[0].image: "auto" is to be filled in later, '
    "so it is judged on the Pod"
)


async def test_semantics_05_placeholders_of_templates_are_warned_about() -> None:
    """A template's `auto` is passed over with a warning, which is told where a policy applies."""
    template = replace(a_template(), uses=(), placeholders=(PLACEHOLDER,))

    assert Verdict((), (WAITING,)) == await judged(template, digests())


@pytest.mark.parametrize(
    ("policies", "side", "is_warned"),
    [
        ([], Side.ALL, False),
        ([digests(templates=TemplateAction.SKIP)], Side.ALL, False),
        ([digests(objects=(ENV,))], Side.ALL, False),
        ([digests()], Side.ENFORCE, True),
        ([digests()], Side.OBSERVE, False),
        ([digests(actions=(WARN,))], Side.ENFORCE, False),
        ([digests(actions=(WARN,))], Side.OBSERVE, True),
    ],
)
async def test_semantics_18_placeholders_are_warned_about_on_the_side_of_a_policy(
    policies: list[Policy],
    side: Side,
    is_warned: bool,  # noqa: FBT001
) -> None:
    """The warning comes once, where a policy would have judged what is to be filled in."""
    template = replace(a_template(), uses=(), placeholders=(PLACEHOLDER,))

    assert ((WAITING,) if is_warned else ()) == (
        await judged(template, *policies, side=side)
    ).warnings


async def test_semantics_06_an_old_use_of_a_pod_is_not_judged_again() -> None:
    """Dropping a finalizer brings no image, so nothing is found and nothing is asked."""
    pod, source, labels = a_workload(), Answers(), Labels(ClusterUnavailable("down"))
    policies = (secrets(namespaces=(ENV,)), digests())

    verdict = await judged(pod, *policies, old=pod, source=source, labels=labels)

    assert (Verdict(), [], []) == (verdict, source.asked, labels.asked)


async def test_connaisseur_2053_a_pod_with_a_finalizer_can_go_though_its_image_is_bad() -> None:
    """A changed label or account of a stored Pod judges none of its images."""
    old = a_workload(labels={"a": "1"}, service_account="one")
    new = a_workload(labels={"a": "2"}, service_account="two")
    policies = (digests(objects=(requires("a", Operator.EXISTS),)), secrets("s"))

    assert Verdict() == await judged(new, *policies, old=old)


@pytest.mark.parametrize(
    "changed",
    [
        use("r.example.com/app:2"),
        use("r.example.com/app:1", container="other"),
        use("r.example.com/app:1", path="spec.containers[1].image"),
        use("r.example.com/app:1", path="spec.ephemeralContainers[0].image"),
        UnreadableUse(ImagePlace("spec.containers[0].image", "app", "a b"), "a space"),
    ],
)
async def test_semantics_06_a_use_that_is_new_in_any_way_is_judged(
    changed: ImageUse | UnreadableUse,
) -> None:
    """Place, container name and text must all be what is stored already."""
    verdict = await judged(a_workload(changed), digests(), old=a_workload())

    assert Decision.DENY == verdict.decision


async def test_semantics_06_only_the_new_use_is_judged() -> None:
    """An ephemeral container is judged without the containers that run already."""
    debug = use("r.example.com/debug:1", "spec.ephemeralContainers[0].image", "debugger")
    new = a_workload(use("r.example.com/app:1"), debug)

    verdict = await judged(new, digests(), old=a_workload())

    assert [debug] == [each.use for each in verdict.uses]


async def test_semantics_06_an_old_object_does_not_make_a_create_old() -> None:
    """CREATE judges everything, also if something said that there was an object before."""
    judge = Judge(policies=lambda: PolicySet((digests(),)), source=Answers(), namespaces=Labels())
    case = Case(Operation.CREATE, a_workload(), Deadline.after(20), old=a_workload())

    assert Decision.DENY == (await judge.judge(case, Side.ALL)).decision


async def test_semantics_06_an_update_without_an_old_object_is_judged() -> None:
    """What stands there already is only what the API server says."""
    judge = Judge(policies=lambda: PolicySet((digests(),)), source=Answers(), namespaces=Labels())
    case = Case(Operation.UPDATE, a_workload(), Deadline.after(20), old=None)

    assert Decision.DENY == (await judge.judge(case, Side.ALL)).decision


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"name": "other"}, []),
        ({"service_account": "builder"}, ["pullSecrets"]),
        ({"pull_secrets": ("regcred",)}, ["pullSecrets"]),
        ({"labels": {"other": "1"}}, []),
        ({"labels": {"env": "production"}}, ["pinnedTags", "pullSecrets"]),
    ],
)
async def test_semantics_06_templates_are_judged_again_for_what_is_read(
    changes: dict[str, Any], expected: list[str]
) -> None:
    """A field that one rule reads brings back that rule, a selected label the whole policy."""
    everything = PullSecrets((ImagePattern.parse("**"),))
    policy = named(
        "p",
        PinnedTags(floating=None),
        everything,
        actions=(WARN,),
        objects=(requires("env", Operator.NOT_IN, "test"),),
    )

    verdict = await judged(a_template(**changes), policy, old=a_template())

    assert expected == [finding.rule for finding in verdict.findings]


async def test_semantics_06_an_unread_field_of_a_template_asks_nothing() -> None:
    """Scaling or annotating a Deployment looks nothing up."""
    source, labels = Answers(), Labels()

    await judged(
        a_template(name="a"),
        secrets(namespaces=(ENV,)),
        old=a_template(name="b"),
        source=source,
        labels=labels,
    )

    assert ([], []) == (source.asked, labels.asked)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"env": "production"}, {"env": "test"}, Decision.DENY),
        ({"env": "test"}, {"env": "production"}, Decision.DENY),
        ({"env": "test"}, {"env": "test"}, Decision.ALLOW),
    ],
)
async def test_semantics_07_an_update_matches_by_old_or_new_labels(
    old: dict[str, str], new: dict[str, str], expected: Decision
) -> None:
    """Nobody steps out of a policy in the same request that brings the image."""
    before = a_workload(use("r.example.com/app:0"), labels=old)

    verdict = await judged(a_workload(labels=new), digests(objects=(ENV,)), old=before)

    assert expected == verdict.decision


@pytest.mark.parametrize(
    ("requester", "claims", "expected"),
    [
        (NODE, True, Decision.ALLOW),
        (NODE, False, Decision.DENY),
        (Requester("ann", ("system:authenticated",)), True, Decision.DENY),
        (Requester("system:node:one", ("system:authenticated",)), True, Decision.DENY),
        (Requester("ann", ("system:nodes",)), True, Decision.DENY),
        (Requester(), True, Decision.DENY),
    ],
)
async def test_semantics_07_mirror_pods_are_skipped_for_nodes_only(
    requester: Requester,
    claims: bool,  # noqa: FBT001
    expected: Decision,
) -> None:
    """The annotation can be written by anybody (Portieris, Kyverno#16663); a node cannot."""
    pod = a_workload(claims_mirror=claims)

    assert expected == (await judged(pod, digests(), requester=requester)).decision


async def test_semantics_08_an_unknown_namespace_leaves_the_policy_undecided() -> None:
    """It is never one without labels: nothing is admitted, and the reason is told."""
    labels = Labels(ClusterUnavailable('namespace "shop" does not exist'))
    selector = (requires("env", Operator.NOT_IN, "production"),)

    verdict = await judged(a_workload(), digests(namespaces=selector), labels=labels)

    assert [("namespaceSelector", Undecided("namespace not known", str(labels.found)))] == [
        (finding.rule, finding.outcome) for finding in verdict.findings
    ]
    assert (Decision.UNDECIDED, False) == (verdict.decision, verdict.retry_soon)


async def test_semantics_08_only_policies_that_need_the_labels_are_undecided() -> None:
    """A policy that selects by name, or everything, judges as ever."""
    by_name = requires("kubernetes.io/metadata.name", Operator.IN, "shop")
    policies = (
        digests("all"),
        digests("here", namespaces=(by_name,)),
        digests("labelled", namespaces=(ENV,)),
        digests("elsewhere", namespaces=(requires(by_name.key, Operator.IN, "x"), ENV)),
        digests("other-objects", namespaces=(ENV,), objects=(ENV,)),
        digests("other-images", namespaces=(ENV,), images=("docker.io",)),
        digests("skipping", namespaces=(ENV,), templates=TemplateAction.SKIP),
    )
    labels = Labels(ClusterUnavailable("down"))

    verdict = await judged(a_template(), *policies, labels=labels)

    assert [
        ("all", "pinnedTags"),
        ("here", "pinnedTags"),
        ("labelled", "namespaceSelector"),
    ] == [(finding.policy, finding.rule) for finding in verdict.findings]


async def test_semantics_08_undecided_labels_follow_the_failure_policy() -> None:
    """Under Ignore the finding is kept, to be warned about, and the object admitted."""
    policy = replace(digests(namespaces=(ENV,)), failure_policy=FailurePolicy.IGNORE)

    verdict = await judged(a_workload(), policy, labels=Labels(ClusterUnavailable("down")))

    assert (Decision.ALLOW, 1) == (verdict.decision, len(verdict.findings))


@pytest.mark.parametrize("late", [DeadlineExceeded("not read"), None])
async def test_semantics_15_labels_that_come_late_may_be_asked_for_again(
    late: Exception | None,
) -> None:
    """The wait ends by the deadline, with a retry."""
    labels = SilentLabels() if late is None else Labels(late)

    verdict = await judged(a_workload(), digests(namespaces=(ENV,)), labels=labels, seconds=0.2)

    assert (Decision.UNDECIDED, True) == (verdict.decision, verdict.retry_soon)


async def test_semantics_08_slow_labels_leave_time_for_policies_that_need_none() -> None:
    """A stuck read takes its share of the time; what can be refused is refused."""
    source = Answers()
    policies = (digests("labelled", namespaces=(ENV,)), secrets("all"))

    verdict = await judged(
        a_workload(), *policies, labels=SilentLabels(), source=source, seconds=0.4
    )

    assert Decision.DENY == verdict.decision
    assert ["all"] == [finding.policy for finding in verdict.findings if finding.refuses]


@pytest.mark.parametrize(
    ("policy", "side", "expected"),
    [
        (digests(namespaces=(ENV,), actions=(WARN,)), Side.ENFORCE, []),
        (digests(namespaces=(ENV,), actions=(WARN,)), Side.OBSERVE, ["shop"]),
        (digests(namespaces=(ENV,)), Side.ENFORCE, ["shop"]),
        (digests(namespaces=(ENV,)), Side.OBSERVE, []),
        (digests(namespaces=(ENV,), images=("docker.io",)), Side.ALL, []),
        (digests(namespaces=(ENV,), objects=(ENV,)), Side.ALL, []),
        (digests(), Side.ALL, []),
    ],
)
async def test_labels_are_read_where_they_decide_something(
    policy: Policy, side: Side, expected: list[str]
) -> None:
    """A policy that has no word on this side, or on this object, keeps nobody waiting."""
    labels = Labels({"env": "production"})

    await judged(a_workload(), policy, labels=labels, side=side)

    assert expected == labels.asked


async def test_namespace_labels_select_policies() -> None:
    """What the namespace carries decides, once it is known."""
    verdicts = [
        await judged(a_workload(), digests(namespaces=(ENV,)), labels=Labels({"env": env}))
        for env in ("production", "test")
    ]

    assert [Decision.DENY, Decision.ALLOW] == [verdict.decision for verdict in verdicts]


@pytest.mark.parametrize(
    ("actions", "side"),
    [
        ((DENY,), Side.ENFORCE),
        ((DENY, AUDIT), Side.ENFORCE),
        ((WARN,), Side.OBSERVE),
        ((AUDIT,), Side.OBSERVE),
        ((WARN, AUDIT), Side.OBSERVE),
    ],
)
async def test_semantics_18_each_finding_is_on_one_side_only(
    actions: tuple[Action, ...], side: Side
) -> None:
    """What is denied is told by /validate, what warns or audits by /observe; ALL tells both."""
    policy = digests(actions=actions)
    told_on = [each for each in Side if (await judged(a_workload(), policy, side=each)).findings]

    assert {side, Side.ALL} == set(told_on)


async def test_semantics_18_deny_and_audit_refuse_once_with_both_actions() -> None:
    """`[Deny, Audit]` is one finding, which refuses and is audited."""
    (finding,) = (
        await judged(a_workload(), digests(actions=(DENY, AUDIT)), side=Side.ENFORCE)
    ).findings

    assert ({DENY, AUDIT}, True) == (set(finding.actions), finding.refuses)


async def test_semantics_18_a_softened_template_is_told_by_observe() -> None:
    """A Deny policy that only warns about templates has its findings on the other side."""
    policy = digests(templates=TemplateAction.WARN)
    sides = [each for each in Side if (await judged(a_template(), policy, side=each)).findings]

    assert [Side.OBSERVE, Side.ALL] == sides


async def test_semantics_18_deny_policies_gate_lookups_of_the_other_side() -> None:
    """What /validate refuses is not looked up for /observe, and is not told there."""
    source = Answers()
    only = AllowedRegistries((ImagePattern.parse("docker.io"),))
    policies = (named("denies", only), secrets("warns", actions=(WARN,)))

    verdict = await judged(a_workload(), *policies, side=Side.OBSERVE, source=source)

    assert ([], [], [("pullSecrets",)]) == (
        source.asked,
        list(verdict.findings),
        [each.not_checked for each in verdict.uses],
    )


async def test_semantics_18_a_warning_gates_nothing() -> None:
    """What only warns is asked for nothing on /validate, where it has no word."""
    source = Answers()
    only = AllowedRegistries((ImagePattern.parse("docker.io"),))
    policies = (named("warns", only, actions=(WARN,)), secrets("denies"))

    verdict = await judged(a_workload(), *policies, side=Side.ENFORCE, source=source)

    assert [("denies", "pullSecrets", "Deny")] == told(verdict)


async def test_all_policies_apply_to_all_uses_in_the_order_of_the_object() -> None:
    """Findings come by use and then by policy; a use that nobody covers has no verdict."""
    uses = (
        use("docker.io/library/a:1", "spec.initContainers[0].image", "init"),
        use("r.example.com/b:1"),
        use(PINNED, "spec.containers[1].image", "pinned"),
        use("quay.io/c:1", "spec.containers[2].image", "free"),
    )
    policies = (
        digests("one", images=("docker.io", "r.example.com")),
        digests("two", images=("r.example.com",)),
    )

    verdict = await judged(a_workload(*uses), *policies)

    assert [
        (uses[0], ["one"]),
        (uses[1], ["one", "two"]),
        (uses[2], []),
    ] == [(each.use, [f.policy for f in each.findings]) for each in verdict.uses]


async def test_semantics_01_an_unreadable_name_is_refused_whatever_a_policy_covers() -> None:
    """It could be any image (Kubewarden trusted-repos let it through)."""
    unreadable = UnreadableUse(ImagePlace("spec.containers[0].image", "app", "a b"), "a space")
    policy = digests(images=("docker.io/library/only",))

    assert [("p", "imageReference", "Deny")] == told(await judged(a_workload(unreadable), policy))


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        (digests(operations=frozenset({Operation.CREATE})), Decision.DENY),
        (digests(operations=frozenset({Operation.UPDATE})), Decision.ALLOW),
        (digests(excluded_users=Subjects(frozenset({"alice"}))), Decision.ALLOW),
        (digests(users=Subjects(frozenset({"bob"}))), Decision.ALLOW),
    ],
)
async def test_a_policy_judges_the_operations_and_requesters_that_it_is_about(
    policy: Policy, decision: Decision
) -> None:
    """What is done, and by whom, comes from the request, and not from the object."""
    verdict = await judged(a_workload(), policy, requester=Requester("alice"))

    assert decision == verdict.decision


async def test_without_policies_everything_is_admitted_and_nothing_asked() -> None:
    """No policy, no finding."""
    source, labels = Answers(), Labels()

    verdict = await judged(a_workload(), source=source, labels=labels)

    assert (Verdict(), [], []) == (verdict, source.asked, labels.asked)


async def test_one_case_is_judged_by_one_set_of_policies() -> None:
    """The policies are read once a case, so a new set never applies by half."""
    reads = 0

    def policies() -> PolicySet:
        nonlocal reads
        reads += 1
        return PolicySet((digests(), secrets("s")))

    judge = Judge(policies=policies, source=Answers(), namespaces=Labels())
    await judge.judge(Case(Operation.CREATE, a_workload(), Deadline.after(20)), Side.ALL)

    assert reads == 1


@pytest.mark.parametrize("exists", [True, False])
async def test_the_source_is_told_whether_the_object_is_there(exists: bool) -> None:  # noqa: FBT001
    """What Kubernetes does only at its creation is done by then."""
    source, pod, deadline = Answers(), a_workload(), Deadline.after(20)
    judge = Judge(policies=lambda: PolicySet((secrets(),)), source=source, namespaces=Labels())
    old = replace(pod, uses=()) if exists else None
    await judge.judge(Case(Operation.UPDATE, pod, deadline, old=old), Side.ALL)

    assert [Inquiry(pod, deadline, exists=exists)] == source.inquiries


@pytest.mark.parametrize(("dry_run", "credentials"), [(True, False), (False, True)])
async def test_semantics_19_and_20_a_case_is_asked_about_as_it_came(
    dry_run: bool,  # noqa: FBT001
    credentials: bool,  # noqa: FBT001
) -> None:
    """The source is told whether it is a dry run and whether credentials may be tried."""
    source, pod, deadline = Answers(), a_workload(), Deadline.after(20)
    judge = Judge(policies=lambda: PolicySet((secrets(),)), source=source, namespaces=Labels())
    case = Case(Operation.CREATE, pod, deadline, dry_run=dry_run, credentials_allowed=credentials)
    await judge.judge(case, Side.ALL)

    assert [Inquiry(pod, deadline, dry_run, credentials)] == source.inquiries
