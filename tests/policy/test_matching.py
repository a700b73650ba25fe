"""Which policies apply to an object, and what they do about findings in it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.applicable import in_namespace
from landwaiter.policy.case import Operation, Requester
from landwaiter.policy.matching import (
    ActionOverride,
    LabelSelector,
    Operator,
    Requirement,
    TemplateAction,
)
from landwaiter.policy.subjects import Subjects
from landwaiter.rules.verdict import Action
from landwaiter.workloads.values import ImagePlace, UnreadableUse
from policy.builders import a_policy, a_use, a_workload, requires

NAME = "kubernetes.io/metadata.name"
IN, NOT_IN, EXISTS, ABSENT = Operator
DENY, WARN, AUDIT = Action


@pytest.mark.parametrize(
    ("requirement", "labels", "is_met"),
    [
        (requires("env", IN, "a", "b"), {"env": "b"}, True),
        (requires("env", IN, "a", "b"), {"env": "c"}, False),
        (requires("env", IN, "a"), {}, False),
        (requires("env", IN, ""), {"env": ""}, True),
        (requires("env", IN, ""), {}, False),
        (requires("env", IN, "a"), {"ENV": "a"}, False),
        (requires("env", NOT_IN, "a"), {"env": "b"}, True),
        (requires("env", NOT_IN, "a"), {"env": "a"}, False),
        (requires("env", NOT_IN, "a"), {}, True),
        (requires("env", EXISTS), {"env": ""}, True),
        (requires("env", EXISTS), {}, False),
        (requires("env", ABSENT), {"env": ""}, False),
        (requires("env", ABSENT), {}, True),
    ],
)
def test_requirements_mean_what_they_mean_in_kubernetes(
    requirement: Requirement,
    labels: Mapping[str, str],
    is_met: bool,  # noqa: FBT001
) -> None:
    """`NotIn` and `DoesNotExist` also match where the key is absent."""

    assert is_met == requirement.matches(labels)


def test_all_conditions_must_be_met_and_none_matches_everything() -> None:
    """An empty selector selects everything, as in Kubernetes."""
    both = LabelSelector((requires("a", EXISTS), requires("b", EXISTS)))

    assert [True, False, True] == [
        LabelSelector().matches({}),
        both.matches({"a": ""}),
        both.matches({"a": "", "b": ""}),
    ]


@pytest.mark.parametrize(
    ("selector", "labels", "applies"),
    [
        ((), None, True),
        ((requires("env", IN, "production"),), {"env": "production"}, True),
        ((requires("env", IN, "production"),), {"env": "test"}, False),
        ((requires("env", IN, "production"),), None, None),
        ((requires("env", NOT_IN, "test"),), None, None),
        ((requires(NAME, IN, "shop"),), None, True),
        ((requires(NAME, NOT_IN, "kube-system"),), None, True),
        ((requires(NAME, NOT_IN, "shop"),), None, False),
        ((requires(NAME, ABSENT),), None, False),
        ((requires(NAME, NOT_IN, "shop"), requires("env", IN, "x")), None, False),
        ((requires(NAME, IN, "shop"), requires("env", IN, "x")), None, None),
        ((requires(NAME, IN, "shop"),), {NAME: "kube-system"}, True),
        ((requires(NAME, IN, "shop"),), {}, True),
    ],
)
def test_semantics_08_unknown_labels_leave_undecided_only_what_depends_on_them(
    selector: tuple[Requirement, ...],
    labels: Mapping[str, str] | None,
    applies: bool | None,  # noqa: FBT001
) -> None:
    """A namespace is never treated as one without labels, and its name is always known."""
    policy = a_policy(namespaces=selector)

    assert applies == policy.selects_namespace("shop", labels)


@pytest.mark.parametrize(
    ("new", "old", "applies"),
    [
        ({"guard": "on"}, None, True),
        ({}, None, False),
        ({}, {"guard": "on"}, True),
        ({"guard": "on"}, {}, True),
        ({}, {}, False),
    ],
)
def test_semantics_07_an_update_matches_if_old_or_new_matches(
    new: Mapping[str, str],
    old: Mapping[str, str] | None,
    applies: bool,  # noqa: FBT001
) -> None:
    """Taking a label off in the same step as changing the image does not step out of a policy."""
    policy = a_policy(objects=(requires("guard", IN, "on"),))
    before = None if old is None else a_workload(labels=old)

    assert applies == policy.selects_object(a_workload(labels=new), before)


def test_semantics_06_the_labels_that_a_policy_selects_on_are_known() -> None:
    """When one of these changes, a template is judged again."""
    policy = a_policy(objects=(requires("a", EXISTS), requires("b", NOT_IN, "x")))

    assert frozenset({"a", "b"}) == policy.object_labels


@pytest.mark.parametrize(
    ("actions", "templates", "done"),
    [
        ((DENY,), None, {DENY}),
        ((DENY, AUDIT), None, {DENY, AUDIT}),
        ((WARN,), None, {WARN}),
        ((DENY,), TemplateAction.DENY, {DENY}),
        ((DENY,), TemplateAction.WARN, {WARN}),
        ((DENY, AUDIT), TemplateAction.WARN, {WARN, AUDIT}),
        ((WARN, AUDIT), TemplateAction.WARN, {WARN, AUDIT}),
        ((AUDIT,), TemplateAction.WARN, {AUDIT}),
        ((DENY, AUDIT), TemplateAction.SKIP, set()),
        ((AUDIT,), TemplateAction.SKIP, set()),
    ],
)
def test_semantics_05_templates_are_softened_and_pods_never(
    actions: tuple[Action, ...], templates: TemplateAction | None, done: set[Action]
) -> None:
    """`templates` is about templates alone; the Pods made from them meet the policy's action."""
    policy = a_policy(actions=actions, templates=templates)

    found = [
        in_namespace(policy, "shop", {}, is_template=is_template) for is_template in (True, False)
    ]

    assert [done, set(actions)] == [set(each.actions) for each in found if each is not None]


PRODUCTION = ActionOverride(
    LabelSelector((requires("env", IN, "production"),)), frozenset({DENY, AUDIT})
)
SHOP = ActionOverride(LabelSelector((requires(NAME, IN, "shop"),)), frozenset({AUDIT}))
ELSEWHERE = ActionOverride(LabelSelector((requires(NAME, IN, "bank"),)), frozenset({DENY}))


@pytest.mark.parametrize(
    ("overrides", "labels", "possible"),
    [
        ((), None, [{WARN}]),
        ((PRODUCTION,), {"env": "production"}, [{DENY, AUDIT}]),
        ((PRODUCTION,), {"env": "test"}, [{WARN}]),
        ((PRODUCTION,), None, [{DENY, AUDIT}, {WARN}]),
        ((SHOP,), None, [{AUDIT}]),
        ((ELSEWHERE,), None, [{WARN}]),
        ((SHOP, PRODUCTION), {"env": "production"}, [{AUDIT}]),
        ((PRODUCTION, SHOP), {"env": "production"}, [{DENY, AUDIT}]),
        ((PRODUCTION, SHOP), None, [{DENY, AUDIT}, {AUDIT}]),
    ],
)
def test_semantics_18_actions_depend_on_the_namespace(
    overrides: tuple[ActionOverride, ...],
    labels: Mapping[str, str] | None,
    possible: list[set[Action]],
) -> None:
    """The first override that selects the namespace counts; unknown labels leave it open."""
    policy = a_policy(actions=(WARN,), action_overrides=overrides)

    assert set(map(frozenset, possible)) == policy.possible_actions("shop", labels)


@pytest.mark.parametrize(
    ("images", "image", "is_covered"),
    [
        (("**",), "nginx", True),
        (("registry.example.com/team",), "registry.example.com/team/app:1", True),
        (("registry.example.com/team",), "registry.example.com/team-evil/app", False),
        (("registry.example.com/team",), "evil.example/registry.example.com/team/app", False),
        (("a.example", "docker.io/library"), "nginx", True),
    ],
)
def test_semantics_03_a_policy_is_about_the_images_its_patterns_match(
    images: tuple[str, ...],
    image: str,
    is_covered: bool,  # noqa: FBT001
) -> None:
    """Patterns are compared with the parsed reference, whatever was written."""

    assert is_covered == a_policy(images=images).covers(a_use(image))


def test_semantics_01_an_image_that_does_not_parse_is_covered_by_every_policy() -> None:
    """A name nobody can read could be any image, so no pattern lets it pass."""
    use = UnreadableUse(ImagePlace("spec.containers[0].image", "app", "a b"), "a space")

    assert a_policy(images=("registry.example.com/only/this",)).covers(use)


def test_excluded_images_are_not_covered() -> None:
    """An exclusion takes out what `images` cover, as a whole path, and nothing beside it."""
    policy = a_policy(
        images=("r.example.com",), excluded_images=(ImagePattern.parse("r.example.com/tools"),)
    )

    assert [True, False, True, False] == [
        policy.covers(a_use(image))
        for image in (
            "r.example.com/app",
            "r.example.com/tools/kubectl",
            "r.example.com/tools-evil",
            "nginx",
        )
    ]


def test_semantics_01_an_image_that_does_not_parse_is_not_excluded() -> None:
    """Nobody knows whether it is one of those that are taken out."""
    use = UnreadableUse(ImagePlace("spec.containers[0].image", "app", "a b"), "a space")

    assert a_policy(excluded_images=(ImagePattern.parse("a.example"),)).covers(use)


ALICE = Requester("alice", ("developers", "system:authenticated"))
DEVELOPERS = Subjects(groups=frozenset({"developers"}))
ONLY_BOB = Subjects(users=frozenset({"bob"}))
CREATE, UPDATE = Operation


@pytest.mark.parametrize(
    ("fields", "concerned"),
    [
        ({}, True),
        ({"operations": frozenset({CREATE})}, True),
        ({"operations": frozenset({UPDATE})}, False),
        ({"users": DEVELOPERS}, True),
        ({"users": ONLY_BOB}, False),
        ({"excluded_users": DEVELOPERS}, False),
        ({"excluded_users": ONLY_BOB}, True),
        ({"users": DEVELOPERS, "excluded_users": Subjects(frozenset({"alice"}))}, False),
        ({"users": Subjects(frozenset({"Alice"}))}, False),
    ],
)
def test_a_policy_is_about_operations_and_requesters(
    fields: dict[str, Any],
    concerned: bool,  # noqa: FBT001
) -> None:
    """Names are whole and case-sensitive, a group is enough, and who is excluded is not meant."""

    assert concerned == a_policy(**fields).concerns(CREATE, ALICE)


def test_without_a_requester_a_policy_is_about_what_anybody_may_do() -> None:
    """An offline check is as strict as the strictest requester would meet it."""
    policy = a_policy(users=ONLY_BOB, excluded_users=DEVELOPERS)

    assert policy.concerns(CREATE, None)


@pytest.mark.parametrize(
    "requester",
    [
        Requester("system:serviceaccount:kube-system:replicaset-controller", ("developers",)),
        Requester("system:kube-controller-manager", ("developers",)),
        Requester("system:node:one", ("developers",)),
        Requester("kubelet", ("system:nodes", "developers")),
    ],
)
def test_semantics_07_controllers_are_never_exempt(requester: Requester) -> None:
    """Also where an identity provider has put one into a group that is exempt."""

    assert a_policy(excluded_users=DEVELOPERS).concerns(CREATE, requester)


keys = st.sampled_from(["a", "b", NAME])
label_maps = st.dictionaries(keys, st.sampled_from(["x", "y", "shop"]))
requirements = st.builds(
    Requirement, keys, st.sampled_from(Operator), st.frozensets(st.sampled_from(["x", "shop"]))
)


@given(st.lists(requirements, max_size=4).map(tuple), label_maps)
@settings(deadline=None, max_examples=300)
def test_knowing_the_labels_never_contradicts_what_was_decided_without(
    selector: tuple[Requirement, ...], labels: dict[str, str]
) -> None:
    """What is decided without a namespace's labels holds whatever the labels turn out to be."""
    policy = a_policy(namespaces=selector)
    without = policy.selects_namespace("shop", None)
    known = policy.selects_namespace("shop", labels)

    assert without in {None, known}
    assert isinstance(known, bool)
