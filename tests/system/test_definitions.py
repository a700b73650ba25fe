"""
The real API server and the models agree about documents.

The API server never refuses what the models take, or a policy could not be written. What the models
refuse it refuses too, but for what no schema says: those rows are marked, and such a document is
told of in its status. So it is on every minor, though their expressions and formats differ.
"""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from landwaiter.policy.cluster_documents import ClusterDocuments, document_of
from landwaiter.policy.crd import RESOURCE_KINDS, definition_of
from landwaiter.policy.install import DEFAULTS
from realparts.control_plane import ControlPlane

GROUP = "/apis/landwaiter.dev/v1alpha1"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
CREATED = 201
BOTH, MODELS_ONLY, NEITHER = "both refuse", "only the models refuse", "both take it"
KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8nXRh950IZbRj8Ra/N9sbqOPZrfM
5/KAQN0/KjHcorm/J5yctVd7iEcnessRQjU917hmKO6JWVGHpDguIyakZA==
-----END PUBLIC KEY-----
"""
REMOVED = object()


def rules(**given: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"rules": given}


def signed(**authority: Any) -> dict[str, Any]:  # noqa: ANN401
    return rules(
        cosignSignatures={"authorities": [{"name": "ci", "key": {"data": KEY}, **authority}]}
    )


def match(**given: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"match": given}


ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "as it is": ({}, NEITHER),
    "no actions": ({"validationActions": REMOVED}, BOTH),
    "an empty list of actions": ({"validationActions": []}, BOTH),
    "another action": ({"validationActions": ["Block"]}, BOTH),
    "actions that are no list": ({"validationActions": "Deny"}, BOTH),
    "warn": ({"validationActions": ["Warn"]}, NEITHER),
    "audit": ({"validationActions": ["Audit"]}, NEITHER),
    "deny and audit": ({"validationActions": ["Deny", "Audit"]}, NEITHER),
    "warn and audit": ({"validationActions": ["Warn", "Audit"]}, NEITHER),
    "deny and warn": ({"validationActions": ["Deny", "Warn"]}, BOTH),
    "an action twice": ({"validationActions": ["Deny", "Deny"]}, BOTH),
    "ignore": ({"failurePolicy": "Ignore"}, NEITHER),
    "another failure policy": ({"failurePolicy": "Open"}, BOTH),
    "templates that warn": ({"templates": "Warn"}, NEITHER),
    "templates that are skipped": ({"templates": "Skip"}, NEITHER),
    "other templates": ({"templates": "Audit"}, BOTH),
    "templates that deny where nothing does": (
        {"validationActions": ["Warn"], "templates": "Deny"},
        BOTH,
    ),
    "templates that warn where all audits": (
        {"validationActions": ["Audit"], "templates": "Warn"},
        BOTH,
    ),
    "no rules": ({"rules": REMOVED}, BOTH),
    "rules without a rule": ({"rules": {}}, BOTH),
    "rules that are a list": ({"rules": []}, BOTH),
    "fixed tags": (rules(pinnedTags={"require": "fixedTag"}), NEITHER),
    "fixed tags with floating ones": (
        rules(pinnedTags={"require": "fixedTag", "floating": ["*-snapshot"]}),
        NEITHER,
    ),
    "tags of another kind": (rules(pinnedTags={"require": "digests"}), BOTH),
    "tags without a requirement": (rules(pinnedTags={}), BOTH),
    "an empty list of floating tags": (
        rules(pinnedTags={"require": "fixedTag", "floating": []}),
        BOTH,
    ),
    "a floating tag that is empty": (
        rules(pinnedTags={"require": "fixedTag", "floating": [""]}),
        BOTH,
    ),
    "a floating tag that is too long": (
        rules(pinnedTags={"require": "fixedTag", "floating": ["x" * 200]}),
        BOTH,
    ),
    "floating tags that nothing reads": (
        rules(pinnedTags={"require": "digest", "floating": ["edge"]}),
        BOTH,
    ),
    "a floating tag that is none": (
        rules(pinnedTags={"require": "fixedTag", "floating": ["a b"]}),
        MODELS_ONLY,
    ),
    "allowed registries": (rules(allowedRegistries={"allow": ["r.example.com/team"]}), NEITHER),
    "denied registries": (rules(allowedRegistries={"deny": ["docker.io"]}), NEITHER),
    "registries without a list": (rules(allowedRegistries={}), BOTH),
    "an empty list of registries": (rules(allowedRegistries={"allow": []}), BOTH),
    "a pattern without host": (rules(allowedRegistries={"allow": ["nginx"]}), MODELS_ONLY),
    "an empty pattern": (rules(allowedRegistries={"allow": [""]}), BOTH),
    "a pattern that is too long": (rules(allowedRegistries={"allow": ["x" * 2000]}), BOTH),
    "a pattern that is a number": (rules(allowedRegistries={"allow": [1]}), BOTH),
    "a thousand and one patterns": (
        rules(allowedRegistries={"allow": ["r.example.com"] * 1001}),
        BOTH,
    ),
    "pull secrets": (rules(pullSecrets={"requireFor": ["r.example.com"]}), NEITHER),
    "pull secrets of nothing": (rules(pullSecrets={"requireFor": []}), BOTH),
    "pull secrets without a list": (rules(pullSecrets={}), BOTH),
    "a key": (signed(), NEITHER),
    "no authorities": (rules(cosignSignatures={"authorities": []}), BOTH),
    "an authority without name": (signed(name=""), BOTH),
    "an authority with capitals": (signed(name="CI"), BOTH),
    "a key that is none": (signed(key={"data": "nonsense"}), MODELS_ONLY),
    "a key without source": (signed(key={}), BOTH),
    "a key with two sources": (
        signed(key={"data": KEY, "secretRef": {"namespace": "a", "name": "b"}}),
        BOTH,
    ),
    "a key in a secret": (signed(key={"secretRef": {"namespace": "a", "name": "b"}}), NEITHER),
    "a secret without name": (signed(key={"secretRef": {"namespace": "a"}}), BOTH),
    "a key in a file": (signed(key={"file": "ci.pub"}), MODELS_ONLY),
    "unpinned images that are warned of": (
        rules(
            cosignSignatures={
                "authorities": [{"name": "ci", "key": {"data": KEY}}],
                "unpinned": "Warn",
            }
        ),
        NEITHER,
    ),
    "unpinned images that are allowed": (
        rules(
            cosignSignatures={
                "authorities": [{"name": "ci", "key": {"data": KEY}}],
                "unpinned": "Allow",
            }
        ),
        BOTH,
    ),
    "all images": (match(images=["**"]), NEITHER),
    "some images": (match(images=["r.example.com/team"]), NEITHER),
    "no images": (match(images=[]), BOTH),
    "images with a tag": (match(images=["r.example.com/team:1"]), MODELS_ONLY),
    "excluded images": (match(excludeImages=["r.example.com/team"]), NEITHER),
    "a namespace selector": (
        match(namespaceSelector={"matchLabels": {"env": "production"}}),
        NEITHER,
    ),
    "an expression": (
        match(
            namespaceSelector={
                "matchExpressions": [{"key": "env", "operator": "In", "values": ["a"]}]
            }
        ),
        NEITHER,
    ),
    "another operator": (
        match(namespaceSelector={"matchExpressions": [{"key": "env", "operator": "Is"}]}),
        BOTH,
    ),
    "an operator without values": (
        match(namespaceSelector={"matchExpressions": [{"key": "env", "operator": "In"}]}),
        BOTH,
    ),
    "an operator with values": (
        match(
            namespaceSelector={
                "matchExpressions": [{"key": "env", "operator": "Exists", "values": ["a"]}]
            }
        ),
        BOTH,
    ),
    "a label that is none": (match(objectSelector={"matchLabels": {"a b": "c"}}), MODELS_ONLY),
    "an operation": (match(operations=["CREATE"]), NEITHER),
    "another operation": (match(operations=["DELETE"]), BOTH),
}


def document(changes: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "validationActions": ["Deny"],
        "rules": {"pinnedTags": {"require": "digest"}},
    }
    spec |= {key: deepcopy(value) for key, value in changes.items() if value is not REMOVED}
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "row"},
        "spec": {key: each for key, each in spec.items() if changes.get(key) is not REMOVED},
    }


@pytest.fixture(scope="module")
def cluster(minor: ControlPlane) -> Iterator[ControlPlane]:
    """Give a cluster that knows the kinds of documents, and forgets them again."""
    text = "---\n".join(yaml.safe_dump(definition_of(each)) for each in RESOURCE_KINDS)
    minor.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    for each in RESOURCE_KINDS:
        minor.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{each.name}")
    yield minor
    minor.kubectl("delete", "crd", *(each.name for each in RESOURCE_KINDS))


@pytest.mark.parametrize("row", ROWS)
def test_the_api_server_and_the_models_agree(cluster: ControlPlane, row: str) -> None:
    """Each document is taken or refused by both, but for what no schema can say."""
    changes, expected = ROWS[row]
    written = document(changes)
    documents = ClusterDocuments(DEFAULTS, own_namespace="landwaiter-system")
    read = document_of("ClusterImagePolicy", written)
    (state,) = documents.update({read.name: read}, NOW)
    answer = cluster.request("POST", f"{GROUP}/clusterimagepolicies?dryRun=All", written)
    found = {
        (True, True): NEITHER,
        (True, False): "only the API server refuses",
        (False, True): MODELS_ONLY,
        (False, False): BOTH,
    }[state.problem is None, answer.status == CREATED]

    assert expected == found, (state.problem, answer.body.get("message"))


def test_there_are_enough_documents() -> None:
    """Sixty at least, of each kind some."""
    outcomes = [expected for _, expected in ROWS.values()]

    assert len(ROWS) >= 60
    assert {BOTH, MODELS_ONLY, NEITHER} == set(outcomes)
