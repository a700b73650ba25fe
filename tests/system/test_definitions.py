"""
The real API server and the models agree about documents.

The API server never refuses what the models take, or a policy could not be written. What the models
refuse it refuses too, but for what no schema says: those rows are marked, and such a document is
told of in its status. So it is on every minor, though their expressions and formats differ.
"""

from collections.abc import Iterator
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
OURS = "landwaiter-system"
A_POLICY: dict[str, Any] = {
    "validationActions": ["Deny"],
    "rules": {"pinnedTags": {"require": "digest"}},
}
AN_EXCEPTION: dict[str, Any] = {
    "policies": [{"name": "p", "rules": ["pinnedTags"]}],
    "images": ["registry.example.com/team"],
    "namespaces": ["shop"],
    "requestedBy": "alice",
    "reason": "incident 7",
    "expires": "2026-11-25T12:00:00Z",
}


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


TENANT_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "as it is": ({}, NEITHER),
    "no actions": ({"validationActions": REMOVED}, BOTH),
    "deny and warn": ({"validationActions": ["Deny", "Warn"]}, BOTH),
    "an object selector": (match(objectSelector={"matchLabels": {"app": "web"}}), NEITHER),
    "another operation": (match(operations=["DELETE"]), BOTH),
    "an allow list": (rules(allowedRegistries={"allow": ["r.example.com/team"]}), NEITHER),
    "an empty allow list": (rules(allowedRegistries={"allow": []}), BOTH),
    "no rules": ({"rules": {}}, BOTH),
    "a key": (signed(), NEITHER),
    "a key in a Secret of its namespace": (
        signed(key={"secretRef": {"namespace": "default", "name": "ci", "key": "ci.pub"}}),
        NEITHER,
    ),
    "a key in a Secret of another namespace": (
        signed(key={"secretRef": {"namespace": "bank", "name": "ci", "key": "ci.pub"}}),
        MODELS_ONLY,
    ),
}
"""What a namespace can write; the fields that it has not are dropped before anybody sees them."""


def lifted(*policies: dict[str, Any]) -> dict[str, Any]:
    return {"policies": list(policies)}


EXCEPTION_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "as it is": ({}, NEITHER),
    "no policies": ({"policies": REMOVED}, BOTH),
    "an empty list of policies": (lifted(), BOTH),
    "a policy of a namespace": (lifted({"name": "shop/p", "rules": ["pinnedTags"]}), NEITHER),
    "unmatched images": (lifted({"name": "unmatchedImages", "rules": ["*"]}), NEITHER),
    "all rules": (lifted({"name": "p", "rules": ["*"]}), NEITHER),
    "all rules and another one": (lifted({"name": "p", "rules": ["*", "pinnedTags"]}), BOTH),
    "a policy without rules": (lifted({"name": "p"}), BOTH),
    "an empty list of rules": (lifted({"name": "p", "rules": []}), BOTH),
    "a rule that there is not": (lifted({"name": "p", "rules": ["nope"]}), BOTH),
    "a policy without name": (lifted({"rules": ["*"]}), BOTH),
    "a name that is none": (lifted({"name": "P p", "rules": ["*"]}), BOTH),
    "no images": ({"images": REMOVED}, BOTH),
    "an empty list of images": ({"images": []}, BOTH),
    "an image without host": ({"images": ["nginx"]}, MODELS_ONLY),
    "no namespaces": ({"namespaces": REMOVED}, BOTH),
    "an empty list of namespaces": ({"namespaces": []}, BOTH),
    "all namespaces": ({"namespaces": ["*"]}, BOTH),
    "workload names": ({"workloadNames": ["web-*"]}, NEITHER),
    "an empty list of workload names": ({"workloadNames": []}, BOTH),
    "a service account": ({"serviceAccounts": ["builder"]}, NEITHER),
    "labels": ({"objectSelector": {"matchLabels": {"app": "web"}}}, NEITHER),
    "nobody who asked": ({"requestedBy": REMOVED}, BOTH),
    "an empty name of who asked": ({"requestedBy": ""}, BOTH),
    "no reason": ({"reason": REMOVED}, BOTH),
    "a reason that is too long": ({"reason": "x" * 1025}, BOTH),
    "a reason of two lines": ({"reason": "a\nb"}, MODELS_ONLY),
    "no end": ({"expires": REMOVED}, BOTH),
    "a day as the end": ({"expires": "2026-11-25"}, BOTH),
    "an end without zone": ({"expires": "2026-11-25T12:00:00"}, BOTH),
    "an end in another zone": ({"expires": "2026-11-25T12:00:00+08:00"}, NEITHER),
    "an end too far ahead": ({"expires": "2027-11-25T12:00:00Z"}, MODELS_ONLY),
}

KINDS: dict[str, tuple[str, str, dict[str, Any], dict[str, tuple[dict[str, Any], str]]]] = {
    "ClusterImagePolicy": ("clusterimagepolicies", "", A_POLICY, ROWS),
    "ImagePolicy": ("imagepolicies", "default", A_POLICY, TENANT_ROWS),
    "ImagePolicyException": ("imagepolicyexceptions", OURS, AN_EXCEPTION, EXCEPTION_ROWS),
}
"""Of each kind: its plural, the namespace in which it is tried, a good spec, and what is tried."""


def document(kind: str, changes: dict[str, Any]) -> dict[str, Any]:
    _, namespace, good, _ = KINDS[kind]
    spec = good | changes
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "row", **({"namespace": namespace} if namespace else {})},
        "spec": {key: each for key, each in spec.items() if each is not REMOVED},
    }


@pytest.fixture(scope="module")
def cluster(minor: ControlPlane) -> Iterator[ControlPlane]:
    """Give a cluster that knows the kinds of documents, and forgets them again."""
    text = "---\n".join(yaml.safe_dump(definition_of(each)) for each in RESOURCE_KINDS)
    minor.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    for each in RESOURCE_KINDS:
        minor.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{each.name}")
    minor.kubectl("create", "namespace", OURS, check=False)  # Another test may have.
    yield minor
    minor.kubectl("delete", "crd", *(each.name for each in RESOURCE_KINDS))


@pytest.mark.parametrize(("kind", "row"), [(kind, row) for kind in KINDS for row in KINDS[kind][3]])
def test_the_api_server_and_the_models_agree(cluster: ControlPlane, kind: str, row: str) -> None:
    """Each document is taken or refused by both, but for what no schema can say."""
    plural, namespace, _, rows = KINDS[kind]
    changes, expected = rows[row]
    written = document(kind, changes)
    documents = ClusterDocuments(DEFAULTS, own_namespace=OURS)
    read = document_of(kind, written)
    (state,) = documents.update({read.name: read}, NOW)
    where = f"namespaces/{namespace}/" if namespace else ""
    answer = cluster.request("POST", f"{GROUP}/{where}{plural}?dryRun=All", written)
    found = {
        (True, True): NEITHER,
        (True, False): "only the API server refuses",
        (False, True): MODELS_ONLY,
        (False, False): BOTH,
    }[state.problem is None, answer.status == CREATED]

    assert expected == found, (state.problem, answer.body.get("message"))


def test_there_are_enough_documents() -> None:
    """A hundred at least, of each kind some of each outcome."""
    outcomes = {kind: [expected for _, expected in KINDS[kind][3].values()] for kind in KINDS}

    assert sum(map(len, outcomes.values())) >= 100
    assert {kind: {BOTH, MODELS_ONLY, NEITHER} for kind in KINDS} == {
        kind: set(found) for kind, found in outcomes.items()
    }
