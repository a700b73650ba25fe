"""What the linter says about policies, and what it does not say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landwaiter.policy.lint import LintCode, LintWarning, lint, lint_expressions
from landwaiter.policy.lint_warnings import Comparer
from landwaiter.policy.matching import Policy
from landwaiter.policy.models import ClusterImagePolicy, ImagePolicy
from policy.builders import A_KEY, a_document

TEAM = "r.example.com/team"
SIGNED = {"cosignSignatures": {"authorities": [{"name": "ci", "key": {"data": A_KEY}}]}}


def a_policy(name: str = "p", **spec: Any) -> Policy:  # noqa: ANN401  # Any field of a document.
    document = {**a_document(**spec), "metadata": {"name": name}}
    return ClusterImagePolicy.model_validate(document).policy(Path())


def registries(*allow: str, deny: tuple[str, ...] = ()) -> dict[str, Any]:
    lists = {"allow": list(allow), "deny": list(deny)}
    return {"allowedRegistries": {key: each for key, each in lists.items() if each}}


def signed(**settings: str) -> dict[str, Any]:
    return {"cosignSignatures": {**SIGNED["cosignSignatures"], **settings}}


STALE = "p: field spec.staleIfUndecided"
TOO_LONG = (
    f"{STALE}: whoever can keep the registry from answering has 169 h in which a signature that "
    "was taken away still counts; 168h outlasts an outage [overBroad]"
)
NOT_FOR_TAGS = (
    f"{STALE}: an image that is written without digest is not admitted by what was verified "
    "before, and the policy lets such images in; unpinned: Deny has all of them written with one "
    "[pointless]"
)


def denied(*images: str, expires: str | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"images": list(images), "reason": "an incident"}
    return {
        "deniedImages": {"entries": [entry if expires is None else {**entry, "expires": expires}]}
    }


def in_namespaces(**labels: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": labels}}


def said(*policies: Policy) -> list[str]:
    """Return the warnings, each with the policy that it is about."""
    return [f"{warning.policy}: {warning}" for warning in lint(policies)]


ALLOW = "p: field spec.rules.allowedRegistries.allow"
DENY = "p: field spec.rules.allowedRegistries.deny"


@pytest.mark.parametrize(
    ("spec", "warnings"),
    [
        ({}, []),
        ({"rules": registries(TEAM, "docker.io/library", "*.example.org")}, []),
        ({"rules": SIGNED, "staleIfUndecided": "168h"}, []),
        ({"rules": SIGNED, "staleIfUndecided": "169h"}, [TOO_LONG]),
        ({"rules": signed(unpinned="Warn"), "staleIfUndecided": "24h"}, [NOT_FOR_TAGS]),
        (
            {
                "rules": {**signed(unpinned="Warn"), "pinnedTags": {"require": "digest"}},
                "staleIfUndecided": "24h",
            },
            [],
        ),
        (
            {"rules": registries(TEAM, "**")},
            [
                f'{ALLOW}[1]: "**" allows every image; name what is yours [overBroad]',
                f'{ALLOW}[0]: "{TEAM}" changes nothing: "**" covers it [shadowed]',
            ],
        ),
        *(
            (
                {"rules": registries(host)},
                [
                    (
                        f'{ALLOW}[0]: "{host}" allows a whole registry on which everybody can '
                        "have an "
                        "account; name what is yours [overBroad]"
                    )
                ],
            )
            for host in ("docker.io", "index.docker.io/**", "registry.cn-hangzhou.aliyuncs.com")
        ),
        *(
            (
                {"rules": registries(host)},
                [
                    (
                        f'{ALLOW}[0]: "{host}" allows hosts that anybody can own; name what is '
                        "yours "
                        "[overBroad]"
                    )
                ],
            )
            for host in ("*.com", "*.*", "*:5000")
        ),
        ({"rules": registries("*.com/team", "10.0.*.*:5000")}, []),
        (
            {"rules": registries(TEAM, f"{TEAM}/app", TEAM)},
            [
                f'{ALLOW}[1]: "{TEAM}/app" changes nothing: "{TEAM}" covers it [shadowed]',
                f'{ALLOW}[2]: "{TEAM}" changes nothing: "{TEAM}" covers it [shadowed]',
            ],
        ),
        (
            {"rules": registries(TEAM, deny=(TEAM, f"{TEAM}/*"))},
            [
                f'{DENY}[1]: "{TEAM}/*" changes nothing: "{TEAM}" covers it [shadowed]',
                (
                    f'{ALLOW}[0]: "{TEAM}" allows nothing: "{TEAM}" is denied, and deny wins over '
                    "allow [contradiction]"
                ),
            ],
        ),
        ({"rules": registries(TEAM, deny=(f"{TEAM}/old",))}, []),
        (
            {"rules": {**registries(TEAM), **denied("r.example.com", TEAM)}},
            [
                (
                    f'{ALLOW}[0]: "{TEAM}" allows nothing: "r.example.com" is denied, and deny '
                    "wins over allow [contradiction]"
                ),
                (
                    f'p: field spec.rules.deniedImages.entries[0].images[1]: "{TEAM}" changes '
                    'nothing: "r.example.com" covers it [shadowed]'
                ),
            ],
        ),
        ({"rules": {**registries(TEAM), **denied(TEAM, expires="2027-01-01T00:00:00Z")}}, []),
        (
            {"match": {"users": [{"kind": "Group", "name": "developers"}]}},
            [
                (
                    "p: field spec.match.users: the policy refuses only what these users ask for "
                    "themselves, and having a controller make the Pod is enough to avoid it; "
                    "select by namespace [optIn]"
                )
            ],
        ),
        (
            {"rules": registries(TEAM), "match": {"images": ["other.example.com"]}},
            [
                (
                    f"{ALLOW}: none of the images that the policy is about is allowed, so all "
                    "of them "
                    "are refused [contradiction]"
                )
            ],
        ),
        (
            {
                "rules": registries(TEAM, "other.example.com", deny=("old.example.com",)),
                "match": {"images": ["r.example.com"]},
            },
            [
                (
                    f'{ALLOW}[1]: "other.example.com" changes nothing: match.images has none of it '
                    "[shadowed]"
                ),
                (
                    f'{DENY}[0]: "old.example.com" changes nothing: match.images has none of it '
                    "[shadowed]"
                ),
            ],
        ),
        (
            {"rules": registries("r.example.com"), "match": {"images": [TEAM]}},
            [
                (
                    "p: field spec.rules.allowedRegistries: every image that the policy is "
                    "about is "
                    "allowed, so the rule refuses none [pointless]"
                )
            ],
        ),
        (
            {"match": {"images": ["**", TEAM]}},
            [
                (
                    f'p: field spec.match.images[1]: "{TEAM}" changes nothing: "**" covers it '
                    "[shadowed]"
                )
            ],
        ),
        (
            {"match": {"objectSelector": {"matchLabels": {"guard": "on"}}}},
            [
                (
                    "p: field spec.match.objectSelector: the policy refuses, and leaving a "
                    "label out "
                    "is enough to avoid it, for whoever writes a Pod chooses its labels; select by "
                    "namespace [optIn]"
                )
            ],
        ),
        (
            {
                "match": {
                    "objectSelector": {
                        "matchExpressions": [{"key": "free", "operator": "DoesNotExist"}]
                    }
                }
            },
            [
                (
                    "p: field spec.match.objectSelector: the policy refuses, and a label is "
                    "enough to "
                    "avoid it, for whoever writes a Pod chooses its labels; select by "
                    "namespace [optIn]"
                )
            ],
        ),
        (
            {
                "validationActions": ["Warn"],
                "match": {"objectSelector": {"matchLabels": {"guard": "on"}}},
            },
            [],
        ),
        (
            {"rules": {"pinnedTags": {"require": "fixedTag", "floating": ["1-dev", "*-dev"]}}},
            [
                (
                    'p: field spec.rules.pinnedTags.floating: "1-dev" changes nothing: "*-dev" '
                    "covers "
                    "it [shadowed]"
                )
            ],
        ),
        (
            {
                "rules": {"pullSecrets": {"requireFor": [TEAM, f"{TEAM}/app", "o.example.com"]}},
                "match": {"images": [TEAM]},
            },
            [
                (
                    f'p: field spec.rules.pullSecrets.requireFor[1]: "{TEAM}/app" changes nothing: '
                    f'"{TEAM}" covers it [shadowed]'
                ),
                (
                    'p: field spec.rules.pullSecrets.requireFor[2]: "o.example.com" changes '
                    "nothing: "
                    "match.images has none of it [shadowed]"
                ),
            ],
        ),
    ],
)
def test_one_policy(spec: dict[str, Any], warnings: list[str]) -> None:
    """What in a single policy changes nothing, allows too much or can be avoided is told."""

    assert warnings == said(a_policy(**spec))


def again(policy: str, other: str, what: str = "policy", field: str = "metadata.name") -> str:
    return (
        f"{policy}: field {field}: the {what} changes nothing: policy {other} asks for at least "
        "as much wherever this one applies [pointless]"
    )


SOMETIMES = [{"namespaceSelector": {"matchLabels": {"env": "t"}}, "validationActions": ["Warn"]}]
FIXED = {"pinnedTags": {"require": "fixedTag", "floating": ["dev"]}}
DIGEST = {"pinnedTags": {"require": "digest"}}


@pytest.mark.parametrize(
    ("first", "second", "warnings"),
    [
        ({}, {}, [again("b", "a")]),
        ({"rules": FIXED}, {"rules": DIGEST}, [again("a", "b")]),
        ({"rules": DIGEST}, {"rules": FIXED}, [again("b", "a")]),
        (
            {"rules": FIXED},
            {"rules": {"pinnedTags": {"require": "fixedTag", "floating": ["*", "d*"]}}},
            [
                (
                    'b: field spec.rules.pinnedTags.floating: "d*" changes nothing: "*" covers it '
                    "[shadowed]"
                ),
                again("a", "b"),
            ],
        ),
        ({"validationActions": ["Deny"]}, {"validationActions": ["Warn"]}, [again("b", "a")]),
        ({"validationActions": ["Audit"]}, {"validationActions": ["Warn"]}, []),
        (
            {"validationActions": ["Audit"]},
            {"validationActions": ["Warn", "Audit"]},
            [again("a", "b")],
        ),
        ({"failurePolicy": "Ignore"}, {"failurePolicy": "Fail"}, [again("a", "b")]),
        ({}, {"match": in_namespaces(env="p")}, [again("b", "a")]),
        (
            {"match": in_namespaces(env="p")},
            {"match": in_namespaces(env="p", team="x")},
            [again("b", "a")],
        ),
        ({"match": in_namespaces(env="p")}, {"match": in_namespaces(env="t")}, []),
        ({"match": {"images": [TEAM]}}, {"match": {"images": [f"{TEAM}/app"]}}, [again("b", "a")]),
        ({"match": {"images": [TEAM]}}, {}, [again("a", "b")]),
        ({"templates": "Skip"}, {}, [again("a", "b")]),
        ({"match": {"excludeImages": [TEAM]}}, {}, [again("a", "b")]),
        (
            {"match": {"excludeImages": [f"{TEAM}/x"]}},
            {"match": {"excludeImages": [TEAM]}},
            [again("b", "a")],
        ),
        ({"match": {"operations": ["CREATE"]}}, {}, [again("a", "b")]),
        (
            {"match": {"users": [{"kind": "User", "name": "u"}]}, "validationActions": ["Warn"]},
            {},
            [],
        ),
        ({"actionOverrides": SOMETIMES}, {}, []),
        (
            {
                "rules": registries(TEAM),
                "match": in_namespaces(env="p"),
                "actionOverrides": SOMETIMES,
            },
            {"rules": registries("o.example.com"), "actionOverrides": SOMETIMES},
            [],
        ),
        (
            {"rules": registries(TEAM), "match": in_namespaces(env="p")},
            {"rules": denied("r.example.com")},
            [
                (
                    f'a: field spec.rules.allowedRegistries.allow[0]: "{TEAM}" allows nothing: '
                    'policy b denies "r.example.com" [contradiction]'
                )
            ],
        ),
        ({"templates": "Warn"}, {"validationActions": ["Warn", "Audit"], "templates": "Warn"}, []),
        (
            {"rules": {**DIGEST, **registries(TEAM)}},
            {"rules": {**DIGEST, **SIGNED}},
            [again("b", "a", "rule", "spec.rules.pinnedTags")],
        ),
        ({"rules": SIGNED}, {"rules": SIGNED}, [again("b", "a")]),
        (
            {"rules": {"pullSecrets": {"requireFor": ["r.example.com"]}}},
            {"rules": {"pullSecrets": {"requireFor": [TEAM]}}},
            [again("b", "a")],
        ),
        ({"rules": registries(TEAM)}, {"rules": registries("r.example.com")}, [again("b", "a")]),
        (
            {"rules": registries(deny=(TEAM,))},
            {"rules": registries(deny=(f"{TEAM}/old",))},
            [again("b", "a")],
        ),
        ({"rules": registries(TEAM)}, {"rules": registries(deny=(f"{TEAM}/old",))}, []),
        (
            {"rules": registries(TEAM), "match": in_namespaces(env="p")},
            {"rules": registries("o.example.com")},
            [
                (
                    "a: field spec.rules.allowedRegistries.allow: policy b allows none of "
                    "this, so no "
                    "image can satisfy both [contradiction]"
                )
            ],
        ),
        (
            {"rules": registries(TEAM, "o.example.com"), "match": in_namespaces(env="p")},
            {"rules": registries("r.example.com", deny=(f"{TEAM}",))},
            [
                (
                    f'a: field spec.rules.allowedRegistries.allow[0]: "{TEAM}" allows nothing: '
                    "policy "
                    f'b denies "{TEAM}" [contradiction]'
                ),
                (
                    'a: field spec.rules.allowedRegistries.allow[1]: "o.example.com" allows '
                    "nothing: "
                    "policy b does not allow it [contradiction]"
                ),
            ],
        ),
        (
            {"rules": registries(TEAM), "match": in_namespaces(env="p")},
            {"rules": registries("o.example.com"), "validationActions": ["Warn"]},
            [],
        ),
    ],
)
def test_two_policies(first: dict[str, Any], second: dict[str, Any], warnings: list[str]) -> None:
    """A policy is told when the other one makes it pointless or takes back what it allows."""

    assert warnings == said(a_policy("a", **first), a_policy("b", **second))


def test_a_policy_of_a_namespace_is_told_when_the_cluster_asks_already() -> None:
    """A policy of the cluster applies there too, and that of another namespace does not."""
    document = {
        **a_document(),
        "kind": "ImagePolicy",
        "metadata": {"name": "p", "namespace": "shop"},
    }
    tenants = ImagePolicy.model_validate(document).policy(Path())
    other = replace(tenants, name="other/p", namespace="other")

    assert ([again("shop/p", "a")], []) == (said(a_policy("a"), tenants), said(other, tenants))
    assert [] == said(tenants, a_policy("a", rules={"pinnedTags": {"require": "fixedTag"}}))


def test_several_policies_that_say_the_same_leave_one() -> None:
    """Whoever follows the warnings is left with the first."""
    warnings = said(a_policy("a"), a_policy("b"), a_policy("c"))

    assert [again("b", "a"), again("c", "a")] == warnings


def test_the_linter_ends_and_says_that_it_did_not_look_at_everything() -> None:
    """What is not compared is not claimed, and the reader knows."""
    policy = a_policy(rules=registries(*(f"{TEAM}/{n}" for n in range(20)), f"{TEAM}/19"))

    assert (
        LintWarning(
            "p",
            LintCode.UNFINISHED,
            ("metadata", "name"),
            "there are more patterns than are compared, so other warnings may be missing",
        ),
    ) == lint([policy], compare=Comparer(50))


def test_nothing_to_lint_is_fine() -> None:
    """No policies, no warnings."""

    assert () == lint([])


def test_expressions_without_anchors_are_told() -> None:
    """Wherever in a document a field holds a regular expression."""
    whole = {"subjectRegExp": "^https://ci\\.example\\.com/.*$", "issuer": "https://x"}
    part = {"subjectRegExp": "https://ci.example.com/", "issuerRegExp": "^https://x"}
    document = {"spec": {"rules": {"r": {"identities": [whole, part]}}}}
    text = (
        "the expression has no anchors; write ^ before and $ behind what has to match [overBroad]"
    )
    path = "spec.rules.r.identities[1]"

    assert [f"field {path}.subjectRegExp: {text}", f"field {path}.issuerRegExp: {text}"] == [
        str(warning) for warning in lint_expressions("p", document)
    ]
