"""A policy of a namespace adds restrictions there, and reaches nowhere else."""

from pathlib import Path
from typing import Any

import pytest

from landwaiter.errors import InvalidPolicy
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.documents import schema_of
from landwaiter.policy.matching import Policy
from landwaiter.policy.models import ClusterImagePolicy, ImagePolicy
from landwaiter.policy.sources import load_policies
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import CurrentDigest
from landwaiter.rules.settings import ClusterOnly, OwnNamespace
from landwaiter.rules.verdict import Decision
from landwaiter.wiring.registries import named_by
from policy.builders import A_KEY, a_policy, a_tenants_document
from policy.judging import Answers, a_workload, digests, judged, named, told
from policy.model_fields import models_in

HOST = "r.example.com"
A_POLICY = """\
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicy
metadata: {name: web, namespace: shop}
spec:
  validationActions: [Deny]
  rules:
    pinnedTags: {require: digest}
"""
ONLY = "given in an ImagePolicy, only a ClusterImagePolicy may give it"
A_ROOT = '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'

AUTHORITY_FIELDS = {
    "name",
    "key",
    "key.data",
    "key.secretRef",
    "key.secretRef.key",
    "key.secretRef.name",
    "keyless",
    "keyless.identities",
    "keyless.identities[].issuer",
    "keyless.identities[].issuerRegExp",
    "keyless.identities[].subject",
    "keyless.identities[].subjectRegExp",
    "keyless.unsafeIgnoreCertificateTransparency",
    "keyless.unsafeIgnoreTransparencyLog",
    "certificate",
    "certificate.authorities",
    "certificate.subject",
    "certificate.subjectRegExp",
    "transparencyLog",
    "timestamps",
    "trustedRoot",
    *(
        f"{source}.{field}"
        for source in ("certificate.authorities", "trustedRoot")
        for field in (
            "data",
            "configMapRef",
            "configMapRef.name",
            "configMapRef.key",
            "secretRef",
            "secretRef.name",
            "secretRef.key",
        )
    ),
}
"""An `ImagePolicy` only adds to what is asked for, so what leaves a log out harms nobody."""

FREE_FIELDS = {
    "allowedRegistries.allow",
    "allowedRegistries.deny",
    "attestations.required",
    "attestations.required[].allOf",
    "attestations.required[].anyOf",
    "attestations.required[].atLeast",
    "attestations.required[].authorities",
    *(f"attestations.required[].authorities[].{field}" for field in AUTHORITY_FIELDS),
    "attestations.required[].maxAgeHours",
    "attestations.required[].predicateType",
    "attestations.required[].threshold",
    "attestations.unpinned",
    "cosignSignatures.allOf",
    "cosignSignatures.anyOf",
    "cosignSignatures.multiPlatform",
    "cosignSignatures.threshold",
    "cosignSignatures.authorities",
    *(f"cosignSignatures.authorities[].{field}" for field in AUTHORITY_FIELDS),
    "cosignSignatures.authorities[].annotations",
    "cosignSignatures.unpinned",
    "deniedImages.entries",
    "deniedImages.entries[].expires",
    "deniedImages.entries[].images",
    "deniedImages.entries[].reason",
    "imageLimits.forbiddenLabels",
    "imageLimits.maxAgeDays",
    "imageLimits.maxCompressedSize",
    "imageLimits.maxLayers",
    "imageLimits.platforms",
    "imageLimits.requiredLabels",
    "imageLimits.unpinned",
    "nonRootUser.namedUsers",
    "nonRootUser.platforms",
    "nonRootUser.unpinned",
    "pinnedTags.floating",
    "pinnedTags.require",
    "platforms.followNodeSelection",
    "platforms.require",
    "platforms.unpinned",
    "pullPolicy.floating",
    "pullPolicy.preloaded",
    "pullSecrets.allowNodeCredentials",
    "pullSecrets.checkAccess",
    "pullSecrets.forbidIn",
    "pullSecrets.requireFor",
    "pullSecrets.unknownSecret",
    "pullSecrets.unknownServiceAccount",
    "readOnlyRootFilesystem.ephemeralContainers",
}
"""
What anybody may be asked to decide in a namespace of theirs.

A new field of a rule belongs here when it reaches nothing outside the namespace but the images
that Pods name. What names a file, a service or another namespace is marked in its model.
"""


def rule_fields(model: type[Any], prefix: str) -> dict[str, list[object]]:
    """Return all fields of a rule's settings, with what their models say of tenants."""
    found: dict[str, list[object]] = {}
    for field in model.model_fields.values():
        path = f"{prefix}.{field.alias}"
        found[path] = [m for m in field.metadata if isinstance(m, ClusterOnly | OwnNamespace)]
        if any(isinstance(mark, ClusterOnly) for mark in found[path]):
            continue  # What is below is not given without it.
        for below, step in models_in(field.annotation):
            found |= rule_fields(below, f"{path}{step}")
    return found


def test_every_field_of_a_rule_is_marked_or_known_to_be_harmless() -> None:
    """A field that is added to a rule fails here until somebody has thought of tenants."""
    fields: dict[str, list[object]] = {}
    for rule_id, settings in CATALOGUE.items():
        fields |= rule_fields(settings, rule_id)

    assert {path for path, marks in fields.items() if not marks} == FREE_FIELDS


def attested(more: str) -> str:
    entry = (
        "{predicateType: https://example.com/review/v1, "
        f"authorities: [{{name: ci, key: {{secretRef: {{namespace: shop, name: key}}}}}}], {more}}}"
    )
    return A_POLICY.replace(
        "pinnedTags: {require: digest}", f"attestations: {{required: [{entry}]}}"
    )


def cosign(authority: str) -> str:
    return A_POLICY.replace(
        "pinnedTags: {require: digest}", f"cosignSignatures: {{authorities: [{authority}]}}"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            A_POLICY.replace(", namespace: shop", ""),
            "3: field metadata.namespace: nothing given, text wanted",
        ),
        (
            A_POLICY.replace("namespace: shop", "namespace: Shop"),
            '3: field metadata.namespace: "Shop" given, the name of a namespace is wanted',
        ),
        (
            A_POLICY.replace("spec:", "spec:\n  match: {namespaceSelector: {}}"),
            (
                "5: field spec.match.namespaceSelector: no such field; "
                'did you mean "objectSelector"?'
            ),
        ),
        (
            A_POLICY.replace("spec:", "spec:\n  actionOverrides: []"),
            (
                "5: field spec.actionOverrides: no such field; there are "
                "validationActions, failurePolicy, templates, match, matchConditions, rules"
            ),
        ),
        (
            A_POLICY.replace(
                "spec:", "spec:\n  match: {excludeUsers: [{kind: Group, name: system:nodes}]}"
            ),
            (
                '5: field spec.match.excludeUsers[0]: Group "system:nodes" given, one that is no '
                "controller of Kubernetes and has none among its members is wanted: controllers "
                "act for whoever writes what they work on, so everybody would be exempt"
            ),
        ),
        (
            cosign("{name: ci, key: {file: ci.pub}}"),
            (
                "7: field spec.rules.cosignSignatures.authorities[0].key.file: "
                f"{ONLY}: it is a file where Landwaiter runs"
            ),
        ),
        (
            cosign("{name: ci, key: {secretRef: {namespace: bank, name: key}}}"),
            (
                "7: field spec.rules.cosignSignatures.authorities[0].key.secretRef.namespace: "
                '"bank" given, the policy\'s own namespace "shop" is wanted'
            ),
        ),
        (
            cosign(
                "{name: ci, transparencyLog: Required, trustedRoot: {file: root}, "
                "key: {secretRef: {namespace: shop, name: key}}}"
            ),
            (
                "7: field spec.rules.cosignSignatures.authorities[0].trustedRoot.file: "
                f"{ONLY}: it is a file where Landwaiter runs"
            ),
        ),
        (
            cosign(
                "{name: ci, repository: r.example.com/signatures, "
                "key: {secretRef: {namespace: shop, name: key}}}"
            ),
            (
                "7: field spec.rules.cosignSignatures.authorities[0].repository: "
                f"{ONLY}: it is a repository that Landwaiter would read"
            ),
        ),
        (
            cosign("{name: ci, key: {kms: 'awskms:///alias/signing'}}"),
            (
                "7: field spec.rules.cosignSignatures.authorities[0].key.kms: "
                f"{ONLY}: it is a service that Landwaiter would call"
            ),
        ),
        (
            attested("conditions: [{name: clean, expression: predicate.clean}]"),
            (
                "7: field spec.rules.attestations.required[0].conditions: "
                f"{ONLY}: all expressions about attestations share one process"
            ),
        ),
    ],
)
def test_what_reaches_beyond_the_namespace_does_not_load(
    tmp_path: Path, text: str, problem: str
) -> None:
    """The field, and why only an admin may give it, stand in the message."""
    (tmp_path / "ci.pub").write_text(A_KEY)
    (tmp_path / "root").write_text(A_ROOT)
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InvalidPolicy) as refused:
        load_policies(tmp_path)

    assert f"{tmp_path}/p.yaml:{problem}" == str(refused.value)


def test_a_secret_of_the_own_namespace_may_be_named(tmp_path: Path) -> None:
    """It is read for a Pod of that namespace, by a policy of that namespace."""
    text = cosign("{name: ci, key: {secretRef: {namespace: shop, name: key}}}")
    (tmp_path / "p.yaml").write_text(text)

    assert ["shop/web"] == [policy.name for policy in load_policies(tmp_path)]


def test_policies_of_the_same_name_live_in_several_namespaces(tmp_path: Path) -> None:
    """A name is one's own within a kind and a namespace, as in Kubernetes."""
    cluster = A_POLICY.replace("ImagePolicy", "ClusterImagePolicy").replace(", namespace: shop", "")
    bank = A_POLICY.replace("namespace: shop", "namespace: bank")
    (tmp_path / "p.yaml").write_text(f"{A_POLICY}---\n{cluster}---\n{bank}")

    assert ["shop/web", "web", "bank/web"] == [each.name for each in load_policies(tmp_path)]


def test_a_name_is_given_once_in_a_namespace(tmp_path: Path) -> None:
    """The second of two is refused, as two of the cluster would be."""
    (tmp_path / "p.yaml").write_text(f"{A_POLICY}---\n{A_POLICY}")
    with pytest.raises(InvalidPolicy) as refused:
        load_policies(tmp_path)

    assert (
        f'{tmp_path}/p.yaml:11: field metadata.name: "shop/web" given, '
        f"but {tmp_path}/p.yaml:3 has it too; a name of its own wanted"
    ) == str(refused.value)


def test_the_schema_leaves_out_what_only_an_admin_may_give() -> None:
    """An API server that knows the schema refuses those fields by itself."""
    keys = {
        model: sorted(schema_of(model)["$defs"]["KeySettings"]["properties"])
        for model in (ClusterImagePolicy, ImagePolicy)
    }

    assert {
        ClusterImagePolicy: ["data", "file", "kms", "secretRef"],
        ImagePolicy: ["data", "secretRef"],
    } == keys
    assert "x-cluster-only" not in str([schema_of(model) for model in keys])


@pytest.mark.parametrize(("namespace", "findings"), [("shop", 1), ("bank", 0)])
async def test_a_policy_of_a_namespace_applies_there_alone(namespace: str, findings: int) -> None:
    """Another namespace never meets it."""
    policy = digests("shop/p", namespace="shop")

    verdict = await judged(a_workload(namespace=namespace), policy)

    assert [("shop/p", "pinnedTags", "Deny")] * findings == told(verdict)


async def test_a_policy_of_a_namespace_lifts_nothing() -> None:
    """Whatever it allows, what the cluster's policies refuse is refused."""
    allows = named("shop/p", AllowedRegistries((ImagePattern.parse("**"),)), namespace="shop")

    verdict = await judged(a_workload(), digests(), allows)

    assert [("p", "pinnedTags", "Deny")] == told(verdict)


async def test_semantics_10_no_registry_is_asked_for_a_namespaces_sake() -> None:
    """A registry that no admin has admitted is not asked for a digest to offer."""
    admits = AllowedRegistries((ImagePattern.parse(HOST),))
    found = []
    for policy in (named("a", admits), named("shop/a", admits, namespace="shop")):
        source = Answers("sha256:" + "a" * 64)
        verdict = await judged(a_workload(), digests(), policy, source=source)
        assert Decision.DENY == verdict.decision
        found.append([type(question) for question in source.asked])

    assert [[CurrentDigest], []] == found


@pytest.mark.parametrize(("namespace", "is_named"), [(None, True), ("shop", False)])
def test_semantics_11_a_policy_of_a_namespace_opens_no_private_address(
    namespace: str | None,
    is_named: bool,  # noqa: FBT001
) -> None:
    """Only admins say which hosts may have addresses that are not public."""
    policy: Policy = a_policy(images=(HOST,), namespace=namespace)

    assert is_named == named_by(lambda: [policy])(HOST)


def test_the_document_that_all_others_were_made_from_loads() -> None:
    """Every refusal above comes from its change alone."""

    assert "shop/p" == ImagePolicy.model_validate(a_tenants_document()).policy(Path()).name
