"""The policies of the Landwaiter that most system tests share, each for namespaces of its own."""

from typing import Any

from realparts.sigstore import PrivateSigstore
from system.installation import a_policy, documents
from system.workshop import Workshop

DIGEST = {"pinnedTags": {"require": "digest"}}
TEAM = "registry.example.com/team"
PRIVATE = "private.example.com"
BOTH = ["linux/amd64", "linux/arm64"]
OF_NODES = "*.dkr.ecr.*.amazonaws.com"
LATER = {
    "requireFor": [PRIVATE, OF_NODES],
    "forbidIn": [f"{PRIVATE}/public"],
    "unknownSecret": "Warn",
    "unknownServiceAccount": "Warn",
    "allowNodeCredentials": False,
}
LIMITS = {
    "maxCompressedSize": "1Ki",
    "maxLayers": 2,
    "maxAgeDays": 30,
    "requiredLabels": {"org.opencontainers.image.source": "https://git.example.com/*"},
    "forbiddenLabels": {"stage": "dev*"},
}


def signed_by(key: dict[str, Any], **settings: object) -> dict[str, Any]:
    """Return a rule that wants signatures by one key."""
    return {"cosignSignatures": {"authorities": [{"name": "ci", "key": key}], **settings}}


def checking_access(host: str) -> dict[str, Any]:
    """Return a rule that has credentials for a registry tried each time."""
    return {"pullSecrets": {"requireFor": [host], "checkAccess": "Always"}}


def an_incident(workshop: Workshop) -> dict[str, Any]:
    """Return an entry for an image by its digest, and for another one by its tag."""
    leaked = workshop.plain.images.make_image("incident/app:1.0")
    images = [leaked, f"{workshop.plain.host}/incident/gone:1.*"]
    return {"images": images, "reason": "a leaked key"}


def signed_keyless(sigstore: PrivateSigstore) -> dict[str, Any]:
    """Return a rule that wants a signature by anybody of example.com, by a root in the cluster."""
    identity = {"issuer": sigstore.issuer.url, "subjectRegExp": r".*@example\.com"}
    root = {"namespace": "sigstore", "name": "trusted-root", "key": "root.json"}
    authority = {
        "name": "people",
        "keyless": {"identities": [identity]},
        "trustedRoot": {"configMapRef": root},
    }
    return {"cosignSignatures": {"authorities": [authority]}}


REVIEW = "https://example.com/review/v1"


def attested(workshop: Workshop) -> dict[str, Any]:
    """Return a rule that wants a report of vulnerabilities by one key and a review by the other."""
    vulnerabilities = "https://cosign.sigstore.dev/attestation/vuln/v1"
    required = [
        {
            "predicateType": type_,
            "conditions": [{"name": "good", "expression": condition}],
            "authorities": [{"name": name, "key": {"data": by.public.read_text("utf-8")}}],
        }
        for name, type_, by, condition in (
            ("scanner", vulnerabilities, workshop.ci, "predicate.scanner.result.size() == 0"),
            ("reviewer", REVIEW, workshop.stranger, 'predicate.by in ["ann", "bob"]'),
        )
    ]
    return {"attestations": {"required": required}}


def policies_in_force(workshop: Workshop, sigstore: PrivateSigstore) -> str:
    """Return all policies as documents."""
    inline = {"data": workshop.ci.public.read_text("utf-8")}
    in_secret = {"secretRef": {"namespace": "signing-keys", "name": "ci", "key": "cosign.pub"}}
    fixed_tag = {"require": "fixedTag", "floating": ["*-snapshot"]}
    host = workshop.referrers.host
    return documents(
        a_policy("digest", DIGEST),
        a_policy("templates-warn", DIGEST, templates="Warn"),
        a_policy("templates-skip", DIGEST, templates="Skip"),
        a_policy("fixed-tag", {"pinnedTags": fixed_tag}),
        a_policy("digest-of-team", {**DIGEST, "allowedRegistries": {"allow": [f"{host}/team"]}}),
        a_policy("allowed", {"allowedRegistries": {"allow": [TEAM, "docker.io/library"]}}),
        a_policy("denied", {"allowedRegistries": {"deny": [f"{TEAM}/old"]}}),
        a_policy("signed", signed_by(inline)),
        a_policy("signed-by-file", signed_by({"file": "ci.pub"})),
        a_policy("signed-by-secret", signed_by(in_secret)),
        a_policy("signed-keyless", signed_keyless(sigstore)),
        a_policy("signed-platforms", signed_by(inline, multiPlatform="Platforms")),
        a_policy("signed-both", signed_by(inline, multiPlatform="Both")),
        a_policy("signed-unpinned", signed_by(inline, unpinned="Warn")),
        a_policy("signed-ignore", signed_by(inline), failurePolicy="Ignore"),
        a_policy("attested", attested(workshop)),
        a_policy("pull-secrets", {"pullSecrets": {"requireFor": [PRIVATE]}}),
        a_policy("pull-access", checking_access(workshop.private.host)),
        a_policy("pull-later", {"pullSecrets": LATER}),
        a_policy("pull-nodes", {"pullSecrets": {"requireFor": [OF_NODES]}}),
        a_policy("pull-policy", {"pullPolicy": {"floating": ["main"]}}),
        a_policy("incident", {"deniedImages": {"entries": [an_incident(workshop)]}}),
        a_policy("read-only", {"readOnlyRootFilesystem": {}}),
        a_policy("platforms", {"platforms": {"require": BOTH, "followNodeSelection": True}}),
        a_policy("non-root", {"nonRootUser": {}}),
        a_policy("non-root-nodes", {"nonRootUser": {"platforms": ["linux/amd64"]}}),
        a_policy("limits", {"imageLimits": LIMITS}),
        a_policy("warned", DIGEST, actions=["Warn"]),
        a_policy("audited", DIGEST, actions=["Audit"]),
        a_policy("denied-and-audited", DIGEST, actions=["Deny", "Audit"]),
        a_policy("warned-and-audited", DIGEST, actions=["Warn", "Audit"]),
    )
