"""Every field of a policy does something, and a test of its own fails when it is ignored."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import Policy
from landwaiter.policy.models import ClusterImagePolicy, RulesSettings
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import NO_FACTS
from landwaiter.workloads.values import ImagePlace, ImageUse
from policy.builders import A_KEY, a_document, a_use, a_workload

REFUSED = "refused"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Effect:
    """What a field changes: the values it is given, and what is then observed, in order."""

    values: tuple[Any, ...]
    observe: Callable[[Policy], Any]
    observed: tuple[Any, ...]


def applies(*, labels: Mapping[str, str], namespace: Mapping[str, str]) -> Callable[[Policy], Any]:
    return lambda policy: policy.applies_to(a_workload(labels=labels), None, namespace)


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


def selector_effects(selector: str) -> dict[str, Effect]:
    """Return the effects of the fields of a label selector, each on the labels that it reads."""
    labels = {"env": "production"}
    observe = applies(
        labels=labels if selector == "objectSelector" else {},
        namespace=labels if selector == "namespaceSelector" else {},
    )
    path = f"spec.match.{selector}"
    expressions = f"{path}.matchExpressions"
    return {
        path: Effect(({}, {"matchLabels": {"env": "test"}}), observe, (True, False)),
        f"{path}.matchLabels": Effect(
            ({"env": "production"}, {"env": "test"}), observe, (True, False)
        ),
        expressions: Effect(
            ([], an_expression(), an_expression(values=["test"])), observe, (True, True, False)
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
    "spec.failurePolicy": Effect(
        ("Fail", "Ignore"), lambda p: str(p.failure_policy), ("Fail", "Ignore")
    ),
    "spec.templates": Effect(
        ("Deny", "Warn", "Skip"),
        lambda p: p.actions_for(a_workload(is_template=True)),
        (frozenset({"Deny"}), frozenset({"Warn"}), None),
    ),
    "spec.match": Effect(
        ({}, {"images": ["registry.example.com"]}),
        lambda p: p.covers(a_use("nginx")),
        (True, False),
    ),
    **selector_effects("namespaceSelector"),
    **selector_effects("objectSelector"),
    "spec.match.images": Effect(
        (["docker.io/library"], ["registry.example.com"]),
        lambda p: p.covers(a_use("nginx")),
        (True, False),
    ),
    "spec.rules": Effect(
        ({"pinnedTags": {"require": "digest"}}, {"pullSecrets": {"requireFor": ["a.example"]}}),
        rules_of,
        (["pinnedTags"], ["pullSecrets"]),
    ),
}

RULE_EFFECTS: dict[str, Effect] = {
    "allowedRegistries": with_rule("allowedRegistries", {"allow": ["registry.example.com"]}),
    "cosignSignatures": with_rule(
        "cosignSignatures", {"authorities": [{"name": "ci", "key": {"data": A_KEY}}]}
    ),
    "pinnedTags": with_rule("pinnedTags", {"require": "fixedTag"}),
    "pullSecrets": with_rule("pullSecrets", {"requireFor": ["registry.example.com"]}),
}
"""What the settings of a rule do is shown by the fixtures and tests of that rule."""


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Give every field with its path, down to the rules and not into them."""
    for field in model.model_fields.values():
        path = f"{prefix}{field.alias}"
        yield path, field
        below = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for each in below:
            if isinstance(each, type) and issubclass(each, BaseModel) and each is not RulesSettings:
                is_list = each is not field.annotation and "list" in str(field.annotation)
                yield from fields_of(each, f"{path}{'[]' if is_list else ''}.")


FIELDS = dict(fields_of(ClusterImagePolicy))


def document_with(path: str, value: object) -> dict[str, Any]:
    document = deepcopy(a_document())
    at: Any = document
    *way, last = path.partition("[]")[0].split(".")
    for step in way:
        at = at.setdefault(step, {})
    at[last] = value
    return document


def observed(path: str, effect: Effect, value: object) -> object:
    try:
        policy = ClusterImagePolicy.model_validate(document_with(path, value)).policy(Path())
    except ValidationError:
        return REFUSED
    return effect.observe(policy)


@pytest.mark.parametrize("path", EFFECTS)
def test_a_field_does_something(path: str) -> None:
    """Other values of the field alone give other decisions."""
    effect = EFFECTS[path]

    assert effect.observed == tuple(observed(path, effect, value) for value in effect.values)


@pytest.mark.parametrize("rule_id", RULE_EFFECTS)
def test_a_rule_that_is_given_is_applied(rule_id: str) -> None:
    """A rule joins the others of the policy, in the order of the ids."""
    effect = RULE_EFFECTS[rule_id]

    assert effect.observed == tuple(
        observed("spec.rules", effect, value) for value in effect.values
    )


def test_every_field_and_every_rule_has_such_a_test() -> None:
    """A field that is added without one fails here."""

    assert set(EFFECTS) == set(FIELDS)
    assert set(RULE_EFFECTS) == set(CATALOGUE) == set(RulesSettings.model_fields)


@pytest.mark.parametrize("path", sorted(EFFECTS))
def test_every_field_is_told_about(path: str) -> None:
    """docs/policies.md has a row for each field, with the text that stands at the field."""
    text = (ROOT / "docs" / "policies.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith(f"| `{path}` |")]
    meaning = " ".join((FIELDS[path].description or "").split())

    assert [meaning] == [row.rsplit(" | ", 1)[1].removesuffix(" |") for row in rows]


def test_defaults_are_the_safe_ones() -> None:
    """Undecided refuses, templates are treated as Pods, every image everywhere is meant."""
    policy = ClusterImagePolicy.model_validate(a_document()).policy(Path())
    use = ImageUse(ImagePlace("p", "c", "nginx"), ImageReference.parse("nginx"))

    assert ("Fail", None, True, True) == (
        policy.failure_policy,
        policy.templates,
        policy.covers(use),
        policy.applies_to(a_workload(), None, None),
    )
    assert ["pinnedTags"] == [
        rule.id for rule in policy.rules if rule.judge(use, NO_FACTS) is not None
    ]
