"""Every field of a policy does something, and a test of its own fails when it is ignored."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landwaiter.images.reference import ImageReference
from landwaiter.policy.case import Operation, Requester
from landwaiter.policy.matching import Policy
from landwaiter.policy.models import (
    ClusterImagePolicy,
    ImagePolicy,
    PolicyDocument,
    RulesSettings,
)
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import NO_FACTS
from landwaiter.workloads.values import ImagePlace, ImageUse
from policy.builders import A_KEY, a_document, a_tenants_document, a_use, a_workload
from policy.model_fields import fields_of

REFUSED = "refused"


@dataclass(frozen=True)
class Effect:
    """
    What a field changes: the values it is given, and what is then observed, in order.

    For a field in a list the values are the whole list, unless they go to the field itself. `rules`
    are those that it is for, None where any will do.
    """

    values: tuple[Any, ...]
    observe: Callable[[Policy], Any]
    observed: tuple[Any, ...]
    at_field: bool = False
    rules: Mapping[str, Any] | None = None


def applies(*, labels: Mapping[str, str], namespace: Mapping[str, str]) -> Callable[[Policy], Any]:
    workload = a_workload(labels=labels)
    return lambda policy: (
        policy.selects_object(workload, None) and policy.selects_namespace("shop", namespace)
    )


def rules_of(policy: Policy) -> list[str]:
    return [str(rule.id) for rule in policy.rules]


def with_rule(rule_id: str, settings: Mapping[str, Any]) -> Effect:
    """Return the effect of giving a rule beside another one."""
    other = "pinnedTags" if rule_id != "pinnedTags" else "pullSecrets"
    beside = {
        "pinnedTags": {"require": "digest"},
        "pullSecrets": {"requireFor": ["registry.example.com"]},
    }[other]
    values = ({other: beside}, {other: beside, rule_id: settings})
    return Effect(values, rules_of, ([other], sorted([other, rule_id])))


def an_expression(**changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # Any value of a field.
    return [{"key": "env", "operator": "In", "values": ["production"], **changes}]


def selector_effects(path: str, observe: Callable[[Policy], Any]) -> dict[str, Effect]:
    """Return the effects of the fields of a label selector, where `env` is `production`."""
    expressions = f"{path}.matchExpressions"
    return {
        path: Effect(
            ({"matchLabels": {"env": "production"}}, {"matchLabels": {"env": "test"}}),
            observe,
            (True, False),
            at_field=True,
        ),
        f"{path}.matchLabels": Effect(
            ({"env": "production"}, {"env": "test"}), observe, (True, False), at_field=True
        ),
        expressions: Effect(
            (an_expression(), an_expression(values=["test"])),
            observe,
            (True, False),
            at_field=True,
        ),
        f"{expressions}[].key": Effect(
            (an_expression(key="env"), an_expression(key="stage")), observe, (True, False)
        ),
        f"{expressions}[].operator": Effect(
            (an_expression(operator="In"), an_expression(operator="NotIn")), observe, (True, False)
        ),
        f"{expressions}[].values": Effect(
            (an_expression(values=["test"]), an_expression(values=["test", "production"])),
            observe,
            (False, True),
        ),
    }


LABELS = {"env": "production"}


def is_overridden(policy: Policy) -> bool:
    return policy.actions not in policy.possible_actions("shop", LABELS)


OVERRIDES = "spec.actionOverrides"
AN_OVERRIDE = {
    "namespaceSelector": {"matchLabels": {"env": "production"}},
    "validationActions": ["Warn"],
}
OVERRIDE_EFFECTS: dict[str, Effect] = {
    OVERRIDES: Effect(
        (
            [AN_OVERRIDE],
            [{**AN_OVERRIDE, "namespaceSelector": {"matchLabels": {"env": "test"}}}],
        ),
        is_overridden,
        (True, False),
    ),
    **selector_effects(f"{OVERRIDES}[].namespaceSelector", is_overridden),
    f"{OVERRIDES}[].validationActions": Effect(
        (["Warn"], ["Audit"]),
        lambda p: [sorted(each) for each in p.possible_actions("shop", LABELS)],
        ([["Warn"]], [["Audit"]]),
        at_field=True,
    ),
}


def concerns_alice(policy: Policy) -> bool:
    return policy.concerns(Operation.CREATE, Requester("alice", ("developers",)))


def concerns_a_builder(policy: Policy) -> bool:
    return policy.concerns(Operation.CREATE, Requester("system:serviceaccount:ci:builder"))


def subject_effects(field: str, *, included: bool) -> dict[str, Effect]:
    """Return the effects of the fields of a list of subjects, which includes or excludes."""
    alice = {"kind": "User", "name": "alice"}
    bob = {"kind": "User", "name": "bob"}
    builder = {"kind": "ServiceAccount", "namespace": "ci", "name": "builder"}
    path = f"spec.match.{field}"
    return {
        path: Effect(([alice], [bob]), concerns_alice, (included, not included)),
        f"{path}[].kind": Effect(
            ([{"kind": "Group", "name": "developers"}], [{"kind": "User", "name": "developers"}]),
            concerns_alice,
            (included, not included),
        ),
        f"{path}[].name": Effect(([alice], [bob]), concerns_alice, (included, not included)),
        f"{path}[].namespace": Effect(
            ([builder], [{**builder, "namespace": "other"}]),
            concerns_a_builder,
            (included, not included),
        ),
    }


A_CONDITION = {"name": "a", "expression": "request.dryRun"}


EFFECTS: dict[str, Effect] = {
    "apiVersion": Effect(
        ("landwaiter.dev/v1alpha1", "landwaiter.dev/v2"), lambda p: p.name, ("p", REFUSED)
    ),
    "kind": Effect(("ClusterImagePolicy", "ImagePolicy"), lambda p: p.name, ("p", REFUSED)),
    "metadata": Effect(({"name": "a"}, {"name": "b"}), lambda p: p.name, ("a", "b")),
    "metadata.name": Effect(("a", "b.c"), lambda p: p.name, ("a", "b.c")),
    "metadata.labels": Effect(({"a": "b"}, {"a": "b c"}), lambda p: p.name, ("p", REFUSED)),
    "metadata.annotations": Effect(({"a": "b c"}, {"a": 1}), lambda p: p.name, ("p", REFUSED)),
    "spec": Effect(
        (a_document()["spec"], {**a_document()["spec"], "validationActions": ["Warn"]}),
        lambda p: sorted(p.actions),
        (["Deny"], ["Warn"]),
    ),
    "spec.validationActions": Effect(
        (["Deny"], ["Warn", "Audit"]), lambda p: sorted(p.actions), (["Deny"], ["Audit", "Warn"])
    ),
    **OVERRIDE_EFFECTS,
    "spec.failurePolicy": Effect(
        ("Fail", "Ignore"), lambda p: str(p.failure_policy), ("Fail", "Ignore")
    ),
    "spec.staleIfUndecided": Effect(
        ("24h", "90m", "720h", "721h", "0h", "1d"),
        lambda p: p.stale_within_seconds,
        (86_400, 5_400, 2_592_000, REFUSED, REFUSED, REFUSED),
        rules={"cosignSignatures": {"authorities": [{"name": "ci", "key": {"data": A_KEY}}]}},
    ),
    "spec.templates": Effect(
        ("Deny", "Warn", "Skip"),
        lambda p: sorted(p.softened(p.actions)),
        (["Deny"], ["Warn"], []),
    ),
    "spec.match": Effect(
        ({}, {"images": ["registry.example.com"]}),
        lambda p: p.covers(a_use("nginx")),
        (True, False),
    ),
    **selector_effects("spec.match.namespaceSelector", applies(labels={}, namespace=LABELS)),
    **selector_effects("spec.match.objectSelector", applies(labels=LABELS, namespace={})),
    "spec.match.images": Effect(
        (["docker.io/library"], ["registry.example.com"]),
        lambda p: p.covers(a_use("nginx")),
        (True, False),
    ),
    "spec.match.excludeImages": Effect(
        (["docker.io/library"], ["registry.example.com"]),
        lambda p: p.covers(a_use("nginx")),
        (False, True),
    ),
    "spec.match.operations": Effect(
        (["CREATE"], ["UPDATE"], ["CREATE", "UPDATE"]), concerns_alice, (True, False, True)
    ),
    **subject_effects("users", included=True),
    **subject_effects("excludeUsers", included=False),
    "spec.matchConditions": Effect(
        ([A_CONDITION], [A_CONDITION, {**A_CONDITION, "name": "b"}]),
        lambda p: [each.name for each in p.conditions],
        (["a"], ["a", "b"]),
    ),
    "spec.matchConditions[].name": Effect(
        ([A_CONDITION], [{**A_CONDITION, "name": "b"}], [{**A_CONDITION, "name": "b c"}]),
        lambda p: [each.name for each in p.conditions],
        (["a"], ["b"], REFUSED),
    ),
    "spec.matchConditions[].expression": Effect(
        (
            [A_CONDITION],
            [{**A_CONDITION, "expression": "namespaceObject.metadata.name == 'a'"}],
            [{**A_CONDITION, "expression": "1 + 1"}],
        ),
        lambda p: [(each.expression.text, each.reads_namespace) for each in p.conditions],
        (
            [("request.dryRun", False)],
            [("namespaceObject.metadata.name == 'a'", True)],
            REFUSED,
        ),
    ),
    "spec.rules": Effect(
        ({"pinnedTags": {"require": "digest"}}, {"pullSecrets": {"requireFor": ["a.example"]}}),
        rules_of,
        (["pinnedTags"], ["pullSecrets"]),
    ),
}

RULE_EFFECTS: dict[str, Effect] = {
    "allowedRegistries": with_rule("allowedRegistries", {"allow": ["registry.example.com"]}),
    "attestations": with_rule(
        "attestations",
        {
            "required": [
                {
                    "predicateType": "https://slsa.dev/provenance/v1",
                    "authorities": [{"name": "ci", "key": {"data": A_KEY}}],
                }
            ]
        },
    ),
    "cosignSignatures": with_rule(
        "cosignSignatures", {"authorities": [{"name": "ci", "key": {"data": A_KEY}}]}
    ),
    "deniedImages": with_rule(
        "deniedImages", {"entries": [{"images": ["**"], "reason": "an incident"}]}
    ),
    "imageLimits": with_rule("imageLimits", {"maxLayers": 10}),
    "nonRootUser": with_rule("nonRootUser", {}),
    "pinnedTags": with_rule("pinnedTags", {"require": "fixedTag"}),
    "platforms": with_rule("platforms", {"require": ["linux/amd64"]}),
    "pullPolicy": with_rule("pullPolicy", {}),
    "pullSecrets": with_rule("pullSecrets", {"requireFor": ["registry.example.com"]}),
    "readOnlyRootFilesystem": with_rule("readOnlyRootFilesystem", {}),
}
"""What the settings of a rule do is shown by the fixtures and tests of that rule."""


FIELDS = dict(fields_of(ClusterImagePolicy))
TENANT_FIELDS = dict(fields_of(ImagePolicy))
NOT_TENANTS = (
    "spec.actionOverrides",
    "spec.match.namespaceSelector",
    "spec.staleIfUndecided",
)
"""
What depends on the namespace's labels has no place in a policy that is for one namespace, and what
admits more than is found out none in one that others than the admins write.
"""
TENANT_EFFECTS = {
    **{path: each for path, each in EFFECTS.items() if not path.startswith(NOT_TENANTS)},
    **{
        path: replace(EFFECTS[path], observed=("shop/p", REFUSED))
        for path in ("apiVersion", "metadata.labels", "metadata.annotations")
    },
    "kind": Effect(("ImagePolicy", "ClusterImagePolicy"), lambda p: p.name, ("shop/p", REFUSED)),
    "metadata": Effect(
        ({"name": "a", "namespace": "shop"}, {"name": "b", "namespace": "bank"}),
        lambda p: p.name,
        ("shop/a", "bank/b"),
    ),
    "metadata.name": Effect(("a", "b.c"), lambda p: p.name, ("shop/a", "shop/b.c")),
    "metadata.namespace": Effect(
        ("shop", "bank", "Bank"),
        lambda p: p.selects_namespace("shop", {}),
        (True, False, REFUSED),
    ),
}


def document_with(good: dict[str, Any], path: str, effect: Effect, value: object) -> dict[str, Any]:
    """Return a good document with one field changed, or with the list that the field is in."""
    document = deepcopy(good)
    if effect.rules is not None:
        document["spec"]["rules"] = effect.rules
    at: Any = document
    *way, last = (path if effect.at_field else path.rpartition("[]")[0] or path).split(".")
    for step in way:
        name, _, is_list = step.partition("[")
        at = at.setdefault(name, [deepcopy(AN_OVERRIDE)] if is_list else {})
        at = at[0] if is_list else at
    at[last] = value
    return document


def observed(path: str, effect: Effect, value: object) -> object:
    return observed_in(ClusterImagePolicy, a_document(), path, effect, value)


def observed_in(
    model: type[PolicyDocument],
    document: dict[str, Any],
    path: str,
    effect: Effect,
    value: object,
) -> object:
    changed = document_with(document, path, effect, value)
    try:
        policy = model.model_validate(changed).policy(Path())
    except ValidationError:
        return REFUSED
    return effect.observe(policy)


@pytest.mark.parametrize("path", EFFECTS)
def test_a_field_does_something(path: str) -> None:
    """Other values of the field alone give other decisions."""
    effect = EFFECTS[path]

    assert effect.observed == tuple(observed(path, effect, value) for value in effect.values)


@pytest.mark.parametrize("path", TENANT_EFFECTS)
def test_a_field_does_the_same_in_a_namespace(path: str) -> None:
    """An ImagePolicy is the same document, about one namespace."""
    effect = TENANT_EFFECTS[path]

    assert effect.observed == tuple(
        observed_in(ImagePolicy, a_tenants_document(), path, effect, value)
        for value in effect.values
    )


@pytest.mark.parametrize("rule_id", RULE_EFFECTS)
def test_a_rule_that_is_given_is_applied(rule_id: str) -> None:
    """A rule joins the others of the policy, in the order of the ids."""
    effect = RULE_EFFECTS[rule_id]

    assert effect.observed == tuple(
        observed("spec.rules", effect, value) for value in effect.values
    )


def test_kyverno_16809_every_field_and_every_rule_has_such_a_test() -> None:
    """A field that is added without one fails here."""

    assert set(EFFECTS) == set(FIELDS)
    assert set(TENANT_EFFECTS) == set(TENANT_FIELDS)
    assert set(RULE_EFFECTS) == set(CATALOGUE) == set(RulesSettings.model_fields)


def test_defaults_are_the_safe_ones() -> None:
    """Undecided refuses, templates are treated as Pods, every image everywhere is meant."""
    policy = ClusterImagePolicy.model_validate(a_document()).policy(Path())
    use = ImageUse(ImagePlace("p", "c", "nginx"), ImageReference.parse("nginx"))

    assert ("Fail", None, True, True) == (
        policy.failure_policy,
        policy.templates,
        policy.covers(use),
        policy.selects_namespace("shop", None) and policy.selects_object(a_workload(), None),
    )
    assert ["pinnedTags"] == [
        rule.id for rule in policy.rules if rule.judge(use, NO_FACTS) is not None
    ]
