"""Documents of the cluster: loaded one by one, each with its own last good state."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from landwaiter.policy import cluster_documents as module
from landwaiter.policy.cluster_documents import (
    ClusterDocument,
    ClusterDocuments,
    DocumentName,
    document_of,
)
from landwaiter.policy.install import DEFAULTS
from landwaiter.policy.snapshot import FolderSnapshot

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KIND = "ClusterImagePolicy"
RULES: dict[str, Any] = {"pinnedTags": {"require": "digest"}}
EXCEPTION = {
    "policies": [{"name": "p", "rules": ["pinnedTags"]}],
    "images": ["registry.example.com/team"],
    "namespaces": ["shop"],
    "requestedBy": "alice",
    "reason": "incident 7",
    "expires": "2026-11-24T18:00:00Z",
}


def an_object(
    name: str = "p",
    *,
    namespace: str | None = None,
    spec: dict[str, Any] | None = None,
    generation: int = 1,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "generation": generation,
        "uid": "u",
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    if namespace is not None:
        metadata["namespace"] = namespace
    given = {"validationActions": ["Deny"], "rules": RULES} if spec is None else spec
    return {"metadata": metadata, "spec": deepcopy(given), "status": {"x": 1}}


def documents(*given: ClusterDocument) -> dict[DocumentName, ClusterDocument]:
    return {each.name: each for each in given}


def in_the_cluster() -> ClusterDocuments:
    return ClusterDocuments(DEFAULTS, own_namespace="landwaiter-system")


def broken(name: str = "p", generation: int = 2) -> ClusterDocument:
    spec = {"validationActions": ["Deny"], "rules": {"allowedRegistries": {"allow": ["nginx"]}}}
    return document_of(KIND, an_object(name, spec=spec, generation=generation))


def names(loaded: ClusterDocuments) -> list[str]:
    return [policy.name for policy in loaded.policy_set]


def test_an_object_is_read_without_what_the_cluster_adds() -> None:
    """Name and spec are the document; uid, managers, annotations and status are not."""
    document = document_of("ImagePolicy", an_object(namespace="shop", generation=7))

    assert DocumentName("ImagePolicy", "shop", "p") == document.name
    assert 7 == document.generation
    assert {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"validationActions": ["Deny"], "rules": RULES},
    } == document.value


@pytest.mark.parametrize("content", [{}, {"metadata": 1}, {"metadata": {"name": 1}}])
def test_what_has_no_name_is_no_document(content: dict[str, Any]) -> None:
    """The watch leaves it out."""
    with pytest.raises(ValueError, match="a name is wanted"):
        document_of(KIND, content)


def test_semantics_22_a_document_that_does_not_load_leaves_its_last_good_one() -> None:
    """And no other document suffers; mending it ends that, deleting it takes it away."""
    loaded = in_the_cluster()
    good, other = document_of(KIND, an_object()), document_of(KIND, an_object("other"))
    first = loaded.update(documents(good, other), NOW)
    then = loaded.update(documents(broken(), other), NOW)
    kept = names(loaded)
    mended = document_of(KIND, an_object(generation=3))
    at_last = loaded.update(documents(mended, other), NOW)
    loaded.update(documents(other), NOW)

    assert [(None, True), (None, True)] == [(s.problem, s.loaded is not None) for s in first]
    (of_other, of_broken) = then
    assert (None, True) == (of_other.problem, of_broken.loaded is not None)
    assert str(of_broken.problem).startswith("field spec.rules.allowedRegistries.allow[0]: ")
    assert ["other", "p"] == kept
    assert [None, None] == [state.problem for state in at_last]
    assert ["other"] == names(loaded)


def test_a_document_that_never_loaded_is_not_in_force() -> None:
    """Its state says so, with the field and what is wanted."""
    loaded = in_the_cluster()
    (state,) = loaded.update(documents(broken()), NOW)

    assert ([], False) == (names(loaded), state.loaded is not None)
    assert "a host is wanted first; for Docker Hub write docker.io/library/nginx" in str(
        state.problem
    )


def test_semantics_22_what_was_kept_is_the_last_good_document_of_a_new_process() -> None:
    """A broken document judges by what was good before the restart; one that is gone does not."""
    before = in_the_cluster()
    before.update(
        documents(document_of(KIND, an_object()), document_of(KIND, an_object("gone"))), NOW
    )
    after = in_the_cluster()
    after.restore(before.snapshot(), NOW)
    (state,) = after.update(documents(broken()), NOW)

    assert (["p"], True) == (names(after), state.loaded is not None)


def test_a_kept_document_that_does_not_load_any_more_is_left() -> None:
    """What another version kept cannot stop a start."""
    before = in_the_cluster()
    before.update(documents(document_of(KIND, an_object())), NOW)
    snapshot = before.snapshot()
    files = {
        name: content.replace(b"digest", b"digests") for name, content in snapshot.files.items()
    }
    after = in_the_cluster()
    after.restore(FolderSnapshot({**files, "x.json": b"[", "y.json": b"{}"}), NOW)

    assert [] == names(after)


def test_a_document_of_the_cluster_names_no_file() -> None:
    """Whoever may write it need not be one who may read files where Landwaiter runs."""
    authority = {"name": "ci", "key": {"file": "/etc/shadow"}}
    spec = {
        "validationActions": ["Deny"],
        "rules": {"cosignSignatures": {"authorities": [authority]}},
    }
    (state,) = in_the_cluster().update(documents(document_of(KIND, an_object(spec=spec))), NOW)

    assert (
        "field spec.rules.cosignSignatures.authorities[0].key.file: "
        "a file given, none is wanted here" == state.problem
    )


def test_a_key_of_a_service_that_the_install_does_not_name_does_not_load() -> None:
    """The state says which services there are."""
    key = {"name": "ci", "key": {"kms": "awskms:///alias/ci"}}
    content = an_object()
    content["spec"]["rules"] = {"cosignSignatures": {"authorities": [key]}}
    problems = []
    for schemes in (frozenset[str](), frozenset({"awskms"})):
        install = replace(DEFAULTS, kms_schemes=schemes)
        loaded = ClusterDocuments(install, own_namespace="landwaiter-system")
        (state,) = loaded.update(documents(document_of(KIND, content)), NOW)
        problems.append(state.problem)

    refused = (
        'field spec.rules.cosignSignatures.authorities[0].key.kms: "awskms" given, one of the '
        "services of this install wanted, by its file of --kms: none"
    )
    assert [refused, None] == problems


@pytest.mark.parametrize(
    ("namespace", "is_lifted"), [("landwaiter-system", True), ("shop", False), ("bank", False)]
)
def test_an_exception_is_the_cluster_s_in_our_own_namespace_alone(
    namespace: str,
    is_lifted: bool,  # noqa: FBT001
) -> None:
    """Elsewhere it needs the admin's switch, which is off."""
    loaded = in_the_cluster()
    content = an_object(namespace=namespace, spec=EXCEPTION)
    loaded.update(documents(document_of("ImagePolicyException", content)), NOW)

    assert is_lifted == bool(loaded.policy_set.exceptions)


def test_whoever_runs_a_namespace_cannot_slow_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many documents of a kind count in a namespace, in the order of their names."""
    monkeypatch.setattr(module, "PER_NAMESPACE_MAX", 2)
    given = [
        document_of("ImagePolicy", an_object(name, namespace="shop")) for name in ("c", "a", "b")
    ]
    cluster = [document_of(KIND, an_object(name)) for name in ("x", "y", "z")]
    loaded = in_the_cluster()
    states = loaded.update(documents(*given, *cluster), NOW)

    assert ["x", "y", "z", "shop/a", "shop/b"] == names(loaded)
    assert ["c"] == [state.document.name.name for state in states if state.problem]
