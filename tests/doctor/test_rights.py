"""The rights that an install needs are those that it has in the tests, and no more."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from doctor.pictures import INSTALL
from landwaiter.cluster.access import Right
from landwaiter.doctor.rights import rights_needed
from landwaiter.wiring.cluster_policies import LEASE
from landwaiter.wiring.verified_images import LEASE as VERIFIED_LEASE
from realparts.guard import NAME, SECRET, rights
from realparts.landwaiter import NAMESPACE, account_and_rights


def granted() -> Iterator[Right]:
    """Yield every right of the tests' roles, one for each verb, resource and name."""
    for role in (*account_and_rights(keeps_verified_images=True), *rights()):
        namespace = role["metadata"].get("namespace", "") if role["kind"] == "Role" else ""
        for rule in role.get("rules", ()):
            yield from _of(rule, namespace)


def _of(rule: dict[str, Any], namespace: str) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames", [""]):
                    yield Right(verb, group, resource, namespace, name)


def test_the_tests_install_has_just_the_rights_that_are_needed() -> None:
    """So every system test proves that they are enough."""
    install = replace(
        INSTALL,
        webhook_name=NAME,
        own_namespace=NAMESPACE,
        tls_secret=SECRET,
        last_good=(NAMESPACE, "last-good"),
        policies_from_cluster=True,
        verified_images="verified-images",
    )

    assert without_names(rights_needed(install)) == without_names(granted())


def without_names(rights: Iterable[Right]) -> set[Right]:
    """Leave the names of objects away, which the tests do not say of all of them."""
    return {replace(right, name="") for right in rights}


def test_what_the_install_makes_is_named_where_it_can_be() -> None:
    """A right to one object is enough for whatever is not made anew."""
    install = replace(
        INSTALL, last_good=("lw", "last-good"), policies_from_cluster=True, verified_images="seal"
    )
    named = {"leases", "configmaps", "roles", "clusterroles", "validatingwebhookconfigurations"}

    assert {("create", "leases"), ("create", "configmaps")} | {
        ("create", "validatingwebhookconfigurations"),
        ("get", "configmaps"),  # Those that policies name, wherever they are.
    } == {
        (right.verb, right.resource)
        for right in rights_needed(install)
        if right.resource in named and not right.name
    }
    assert {LEASE, VERIFIED_LEASE} <= {right.name for right in rights_needed(install)}


def test_what_is_not_used_needs_no_right() -> None:
    """Somebody else's certificate is a file."""
    install = replace(INSTALL, tls_secret="")

    assert [Right("get", "", "secrets")] == [
        right for right in rights_needed(install) if right.resource == "secrets"
    ]
    assert [Right("get", "", "configmaps")] == [
        right for right in rights_needed(install) if right.resource == "configmaps"
    ]


def test_the_documents_name_every_right() -> None:
    """With the verbs, and the place."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text("utf-8")
    table = text[text.index("## Rights") : text.index("## Answers")]
    rows = [row for row in table.splitlines() if row.startswith("|")]
    install = replace(
        INSTALL, last_good=("lw", "last-good"), policies_from_cluster=True, verified_images="seal"
    )
    missing = [
        str(right)
        for right in rights_needed(install)
        if not any(
            f"`{right.verb}`" in row
            and f"`{right.resource}`" in row
            and row.startswith("| cluster") == (not right.namespace)
            for row in rows
        )
    ]

    assert [] == missing
