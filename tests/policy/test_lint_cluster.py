"""What the linter says about the policies of a cluster, which many hands write."""

from typing import Any

import pytest

from landwaiter.policy import lint_cluster as module
from landwaiter.policy.cluster_documents import DocumentName, DocumentState
from landwaiter.policy.lint import lint
from landwaiter.policy.lint_cluster import ClusterLinter
from policy.test_document_report import BROKEN, PINNED, states_of

EVERYTHING: dict[str, Any] = {
    "validationActions": ["Deny"],
    "rules": {"allowedRegistries": {"allow": ["**"]}},
}
ALLOWS_ALL = (
    'field spec.rules.allowedRegistries.allow[0]: "**" allows every image; name what is yours '
    "[overBroad]"
)


def tenants(namespace: str, name: str = "p", **spec: Any) -> tuple[str, str, str, dict[str, Any]]:  # noqa: ANN401
    return ("ImagePolicy", namespace, name, {**PINNED, **spec})


def clusters(name: str = "c", **spec: Any) -> tuple[str, str, str, dict[str, Any]]:  # noqa: ANN401
    return ("ClusterImagePolicy", "", name, {**PINNED, **spec})


def said(linter: ClusterLinter, states: tuple[DocumentState, ...]) -> dict[str, list[str]]:
    return {str(name): list(each.warnings) for name, each in linter.lint(states).items()}


def changes_nothing(by: str) -> str:
    return (
        f"field metadata.name: the policy changes nothing: policy {by} asks for at least as much "
        "wherever this one applies [pointless]"
    )


def test_a_policy_of_a_namespace_is_compared_with_its_own_and_with_the_clusters() -> None:
    """Nothing is said to one namespace about another, nor to the cluster about a namespace."""
    allowed = {"allowedRegistries": {"allow": ["r.example.com"]}}
    states = states_of(
        clusters(),
        tenants("bank", rules=allowed),
        tenants("bank", "q", rules=allowed),
        tenants("mint", rules=allowed),
        tenants("shop"),
    )

    assert {
        "ClusterImagePolicy c": [],
        "ImagePolicy bank/p": [],
        "ImagePolicy bank/q": [changes_nothing("bank/p")],
        "ImagePolicy mint/p": [],
        "ImagePolicy shop/p": [changes_nothing("c")],
    } == said(ClusterLinter(), states)


def test_what_is_written_in_a_document_is_looked_at_too() -> None:
    """Expressions without anchors are found in its text."""
    identity = {
        "issuer": "https://issuer.example.com",
        "subjectRegExp": "https://ci.example.com/",
    }
    root = {"configMapRef": {"namespace": "landwaiter-system", "name": "root", "key": "root.json"}}
    authority = {"name": "ci", "keyless": {"identities": [identity]}, "trustedRoot": root}
    rules = {"cosignSignatures": {"authorities": [authority]}}
    states = states_of(clusters(**EVERYTHING), clusters("d", rules=rules))

    assert [[ALLOWS_ALL], ["overBroad]"]] == [
        warnings if name.endswith(" c") else [each.rpartition("[")[2] for each in warnings]
        for name, warnings in said(ClusterLinter(), states).items()
    ]


def test_what_does_not_load_is_not_looked_at() -> None:
    """Neither is it compared with: what it will say nobody knows."""
    states = states_of(clusters(), ("ClusterImagePolicy", "", "d", BROKEN))

    assert {"ClusterImagePolicy c": []} == said(ClusterLinter(), states)


def test_a_namespace_is_looked_at_again_when_something_has_changed_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own policies or the cluster's: another namespace's are none of its business."""
    looked_at: list[list[str]] = []

    def counted(policies: Any, **more: Any) -> Any:  # noqa: ANN401
        looked_at.append([policy.name for policy in policies])
        return lint(policies, **more)

    monkeypatch.setattr(module, "lint", counted)
    linter = ClusterLinter()
    names = ("shop", "bank")
    first = states_of(clusters(), *map(tenants, names))
    # The policies of both states are the same objects, as they are while nothing changes.
    changed = tuple(
        each
        if each.document.name != DocumentName("ImagePolicy", "shop", "p")
        else states_of(tenants("shop", validationActions=["Warn"]), generation=2)[0]
        for each in first
    )
    other_cluster = (*states_of(clusters(validationActions=["Warn"])), *first[1:])
    for states in (first, first, changed, other_cluster):
        linter.lint(states)
        looked_at.append([])

    assert [
        *(["c"], ["bank/p"], ["shop/p"], []),
        [],
        *(["shop/p"], []),
        *(["c"], ["bank/p"], ["shop/p"], []),
    ] == looked_at


def test_a_namespace_cannot_keep_the_linter_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its share of comparisons is used up by itself alone, and it is told so."""
    monkeypatch.setattr(module, "NAMESPACE_COMPARISONS_MAX", 50)
    many = {"allowedRegistries": {"allow": [f"r.example.com/{n}" for n in range(20)]}}
    states = states_of(
        clusters(), tenants("bank", rules=many), tenants("shop"), tenants("shop", "q")
    )
    found = said(ClusterLinter(), states)

    assert [True, False, False] == [
        any(each.endswith("[unfinished]") for each in found[f"ImagePolicy {name}"])
        for name in ("bank/p", "shop/p", "shop/q")
    ]
