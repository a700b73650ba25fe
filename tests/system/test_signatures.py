"""Really signed images in real registries, judged by the real cosign for the real API server."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest

from realparts.api_client import Answer
from realparts.registries import TESTER, Login
from realparts.sigstore import PrivateSigstore
from system.installation import Installation
from system.objects import a_pod, refusal_of
from system.workshop import Bench, Workshop

REFUSED = (403, [("spec.containers[0].image", "cosignSignatures")])
ADMITTED: tuple[int, list[tuple[str, str]]] = (201, [])
VULNERABILITIES: dict[str, Any] = {"invocation": {}, "scanner": {}, "metadata": {}}


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image by digest, and what its repository is called."""

    reference: str
    repository: str

    @property
    def digest(self) -> str:
        return self.reference.partition("@")[2]

    @property
    def tag_stem(self) -> str:
        """What cosign calls the tags beside the image, without their ending."""
        return self.digest.replace(":", "-")


def pushed(bench: Bench, repository: str, tag: str = "1.0") -> Pushed:
    return Pushed(bench.images.make_image(f"{repository}:{tag}"), repository)


def verdict_on(
    installation: Installation, image: str, *, policy: str = "signed"
) -> tuple[int, list[tuple[str, str]]]:
    return refusal_of(installation.create(installation.namespace(policy), a_pod(image)))


def test_semantics_13_a_bundle_found_by_the_referrers_api_admits(
    installation: Installation, workshop: Workshop
) -> None:
    """Cosign 3's signature is found where the registry lists referrers."""
    image = pushed(workshop.referrers, "signed/bundle").reference
    workshop.referrers.signer.sign_with_cosign3(image, workshop.ci)

    assert ADMITTED == verdict_on(installation, image)


def test_semantics_13_a_bundle_under_the_fallback_tag_admits(
    installation: Installation, workshop: Workshop
) -> None:
    """Cosign 3's signature is found where the registry knows no referrers."""
    image = pushed(workshop.plain, "signed/fallback").reference
    workshop.plain.signer.sign_with_cosign3(image, workshop.ci)

    assert ADMITTED == verdict_on(installation, image)


@pytest.mark.parametrize("bench", ["referrers", "plain"])
def test_semantics_13_an_old_signature_admits(
    installation: Installation, workshop: Workshop, bench: str
) -> None:
    """Cosign 2's signature is found under its `.sig` tag in either registry."""
    at: Bench = getattr(workshop, bench)
    image = pushed(at, "signed/old").reference
    at.signer.sign_with_cosign2(image, workshop.ci)

    assert ADMITTED == verdict_on(installation, image)


def test_the_key_may_stand_in_a_file(installation: Installation, workshop: Workshop) -> None:
    """A key beside the policy decides like one inside it, both ways."""
    good, bad = (pushed(workshop.plain, f"file/{name}").reference for name in ("good", "bad"))
    workshop.plain.signer.sign_with_cosign3(good, workshop.ci)
    workshop.plain.signer.sign_with_cosign3(bad, workshop.stranger)

    assert (ADMITTED, REFUSED) == (
        verdict_on(installation, good, policy="signed-by-file"),
        verdict_on(installation, bad, policy="signed-by-file"),
    )


def test_the_key_may_stand_in_a_secret(installation: Installation, workshop: Workshop) -> None:
    """Without the Secret nobody knows; once it is there its key decides, both ways."""
    good, bad = (pushed(workshop.plain, f"secret/{name}").reference for name in ("good", "bad"))
    workshop.plain.signer.sign_with_cosign3(good, workshop.ci)
    workshop.plain.signer.sign_with_cosign3(bad, workshop.stranger)
    undecided = verdict_on(installation, good, policy="signed-by-secret")

    installation.cluster.kubectl("create", "namespace", "signing-keys")
    installation.cluster.kubectl(
        *("create", "secret", "generic", "ci", "--namespace=signing-keys"),
        f"--from-file=cosign.pub={workshop.ci.public}",
    )

    finding = ("spec.containers[0].image", "cosignSignatures")
    assert ((503, [finding]), ADMITTED, REFUSED) == (
        undecided,
        verdict_on(installation, good, policy="signed-by-secret"),
        verdict_on(installation, bad, policy="signed-by-secret"),
    )


POLICIES_OF_INDEXES = ("signed", "signed-platforms", "signed-both")


def test_an_index_is_signed_as_the_policy_wants_it(
    installation: Installation, workshop: Workshop
) -> None:
    """The index, each image in it, or both; what `--recursive` signs is good for all of them."""
    bench = workshop.referrers
    indexes = {}
    for name in ("index", "each", "recursive"):
        arm, amd = (
            bench.images.make_image(f"multi/{name}:{each}", platform=f"linux/{each}")
            for each in ("arm64", "amd64")
        )
        indexes[name] = bench.images.make_index(f"multi/{name}:1", [arm, amd])
        for each in (arm, amd) if name == "each" else ():
            bench.signer.sign_with_cosign3(each, workshop.ci)
    bench.signer.sign_with_cosign3(indexes["index"], workshop.ci)
    bench.signer.sign_with_cosign3(indexes["recursive"], workshop.ci, recursive=True)

    assert {
        "index": [ADMITTED, REFUSED, REFUSED],
        "each": [REFUSED, ADMITTED, REFUSED],
        "recursive": [ADMITTED, ADMITTED, ADMITTED],
    } == {
        name: [verdict_on(installation, each, policy=policy) for policy in POLICIES_OF_INDEXES]
        for name, each in indexes.items()
    }


def test_attack_an_index_whose_image_is_replaced_is_refused(
    installation: Installation, workshop: Workshop
) -> None:
    """Whoever pushes the index anew with an image of their own has none that is signed."""
    bench = workshop.plain
    arm, amd, evil = (
        bench.images.make_image(f"replaced/app:{each}", platform=f"linux/{each.partition('-')[0]}")
        for each in ("arm64", "amd64", "amd64-evil")
    )
    signed = bench.images.make_index("replaced/app:1", [arm, amd])
    bench.signer.sign_with_cosign2(signed, workshop.ci, recursive=True)
    replaced = bench.images.make_index("replaced/app:1", [arm, evil])

    assert {signed: [ADMITTED] * 3, replaced: [REFUSED] * 3} == {
        index: [verdict_on(installation, index, policy=policy) for policy in POLICIES_OF_INDEXES]
        for index in (signed, replaced)
    }


def test_identities_are_judged_with_a_root_in_the_cluster(
    installation: Installation, workshop: Workshop, sigstore: PrivateSigstore
) -> None:
    """Without the root nobody knows; with it Ann may sign, and `.*@example.com.evil` may not."""
    images = {
        name: pushed(workshop.referrers, f"keyless/{name}").reference for name in ("ann", "eve")
    }
    for name, email in (("ann", "ann@example.com"), ("eve", "eve@example.com.evil")):
        workshop.referrers.signer.sign_keyless(images[name], sigstore, email=email)
    undecided = verdict_on(installation, images["ann"], policy="signed-keyless")

    installation.cluster.kubectl("create", "namespace", "sigstore")
    installation.cluster.kubectl(
        *("create", "configmap", "trusted-root", "--namespace=sigstore"),
        f"--from-file=root.json={sigstore.trusted_root}",
    )

    finding = ("spec.containers[0].image", "cosignSignatures")
    assert ((503, [finding]), ADMITTED, REFUSED) == (
        undecided,
        *(verdict_on(installation, each, policy="signed-keyless") for each in images.values()),
    )


@pytest.mark.parametrize("bench", ["referrers", "plain"])
def test_an_unsigned_image_is_refused(
    installation: Installation, workshop: Workshop, bench: str
) -> None:
    """Without any signature there is a refusal, and it is said how to sign."""
    image = pushed(getattr(workshop, bench), "bare/app")

    answer = installation.create(installation.namespace("signed"), a_pod(image.reference))

    message = str(answer.body["message"])
    told = 'ci: it carries no cosign signature; a cosign signature by "ci" is wanted'
    fix = f"      cosign sign --key KEY {image.reference}"
    assert (REFUSED, True, True) == (
        refusal_of(answer),
        told in " ".join(message.split()),
        fix in message.splitlines(),
    )


@pytest.mark.parametrize("form", ["bundle", "old"])
def test_another_key_is_refused(installation: Installation, workshop: Workshop, form: str) -> None:
    """A good signature by somebody whom no policy trusts is worth nothing, in either format."""
    image = pushed(workshop.referrers, f"stranger/{form}").reference
    signer = workshop.referrers.signer
    sign = signer.sign_with_cosign3 if form == "bundle" else signer.sign_with_cosign2
    sign(image, workshop.stranger)

    assert REFUSED == verdict_on(installation, image)


@pytest.mark.parametrize("form", ["bundle", "old"])
@pytest.mark.parametrize("bench", ["referrers", "plain"])
def test_semantics_13_cve_2022_35930_an_attestation_is_no_signature(
    installation: Installation, workshop: Workshop, bench: str, form: str
) -> None:
    """A signed vulnerability report by the trusted key does not say that the image may run."""
    at: Bench = getattr(workshop, bench)
    image = pushed(at, f"attested/{form}").reference
    attest = at.signer.attest_with_cosign3 if form == "bundle" else at.signer.attest_with_cosign2
    attest(image, workshop.ci, predicate_type="vuln", predicate=VULNERABILITIES)

    assert REFUSED == verdict_on(installation, image)


def test_semantics_13_an_attestation_under_the_signature_tag_is_no_signature(
    installation: Installation, workshop: Workshop
) -> None:
    """Whoever may push can name cosign 2's attestation a signature, which makes it none."""
    image = pushed(workshop.plain, "attested/renamed")
    workshop.plain.signer.attest_with_cosign2(
        image.reference, workshop.ci, predicate_type="vuln", predicate=VULNERABILITIES
    )
    stem = image.tag_stem
    workshop.plain.images.tag(f"{image.repository}:{stem}.att", f"{stem}.sig")

    assert REFUSED == verdict_on(installation, image.reference)


def test_semantics_13_a_signature_copied_from_another_image_is_refused(
    installation: Installation, workshop: Workshop
) -> None:
    """A `.sig` tag that is moved to another image signs its own image only."""
    signed, bare = (pushed(workshop.plain, "copied/old", tag) for tag in ("1.0", "2.0"))
    workshop.plain.signer.sign_with_cosign2(signed.reference, workshop.ci)
    workshop.plain.images.tag(f"copied/old:{signed.tag_stem}.sig", f"{bare.tag_stem}.sig")

    assert (ADMITTED, REFUSED) == (
        verdict_on(installation, signed.reference),
        verdict_on(installation, bare.reference),
    )


def test_semantics_13_a_bundle_copied_from_another_image_is_refused(
    installation: Installation, workshop: Workshop
) -> None:
    """A fallback tag that is moved to another image brings bundles about its own image only."""
    signed, bare = (pushed(workshop.plain, "copied/bundle", tag) for tag in ("1.0", "2.0"))
    workshop.plain.signer.sign_with_cosign3(signed.reference, workshop.ci)
    workshop.plain.images.tag(f"copied/bundle:{signed.tag_stem}", bare.tag_stem)

    assert (ADMITTED, REFUSED) == (
        verdict_on(installation, signed.reference),
        verdict_on(installation, bare.reference),
    )


def test_semantics_13_an_old_signature_for_another_name_is_refused(
    installation: Installation, workshop: Workshop
) -> None:
    """In the old format the signed name has to be the one that is to run."""
    image = pushed(workshop.plain, "renamed/app").reference
    workshop.plain.signer.sign_with_cosign2(
        image, workshop.ci, identity=f"{workshop.plain.host}/other/app"
    )

    assert REFUSED == verdict_on(installation, image)


@pytest.mark.parametrize("bench", ["referrers", "plain"])
def test_semantics_13_a_strangers_bundle_takes_nothing_away(
    installation: Installation, workshop: Workshop, bench: str
) -> None:
    """A good old signature still counts after somebody has attached a bundle of their own."""
    at: Bench = getattr(workshop, bench)
    image = pushed(at, "crowded/app").reference
    at.signer.sign_with_cosign2(image, workshop.ci)
    at.signer.sign_with_cosign3(image, workshop.stranger)

    assert ADMITTED == verdict_on(installation, image)


def test_a_missing_image_is_refused(installation: Installation, workshop: Workshop) -> None:
    """What is not in the registry cannot have been signed."""
    image = f"{workshop.plain.host}/nobody/app@sha256:{'d' * 64}"

    assert REFUSED == verdict_on(installation, image)


def test_semantics_01_a_sha512_digest_is_refused_with_its_reason(
    installation: Installation, workshop: Workshop
) -> None:
    """Cosign signs sha256 digests; another one parses, and no signature can name it."""
    image = f"{workshop.plain.host}/signed/fallback@sha512:{'e' * 128}"

    answer = installation.create(installation.namespace("signed"), a_pod(image))

    said = "cosign signs sha256 digests, this is another one" in " ".join(
        str(answer.body["message"]).split()
    )
    assert (REFUSED, True) == (refusal_of(answer), said)


def test_semantics_09_a_good_image_without_digest_is_refused_with_its_digest(
    installation: Installation, workshop: Workshop
) -> None:
    """The tag is good now, but will be resolved again: the message gives what was found good."""
    image = pushed(workshop.referrers, "tagged/app")
    workshop.referrers.signer.sign_with_cosign3(image.reference, workshop.ci)
    by_tag = f"{workshop.referrers.host}/tagged/app:1.0"

    answer = installation.create(installation.namespace("signed"), a_pod(by_tag))

    offered = f"{by_tag}@{image.digest}" in str(answer.body["message"]).split()
    assert (REFUSED, True) == (refusal_of(answer), offered)


def test_semantics_09_cve_2022_47633_a_moved_tag_is_judged_anew(
    installation: Installation, workshop: Workshop
) -> None:
    """With `unpinned: Warn` a tag passes with a warning, until it points to an unsigned image."""
    signed = pushed(workshop.plain, "moving/app")
    workshop.plain.signer.sign_with_cosign3(signed.reference, workshop.ci)
    by_tag = f"{workshop.plain.host}/moving/app:1.0"
    namespace = installation.namespace("signed-unpinned")

    before = installation.create(namespace, a_pod(by_tag, name="before"))
    pushed(workshop.plain, "moving/app", "2.0")
    workshop.plain.images.tag("moving/app:2.0", "1.0")
    after = installation.create(namespace, a_pod(by_tag, name="after"))

    warning = (
        "spec.containers[0].image: no digest, so cosignSignatures judged what the tag is now: "
        f"{signed.digest}"
    )
    assert (ADMITTED, (warning,), REFUSED) == (
        refusal_of(before),
        before.warnings,
        refusal_of(after),
    )


def a_pull_secret(host: str, login: Login) -> dict[str, Any]:
    config = {"auths": {host: {"username": login.user, "password": login.password}}}
    data = base64.b64encode(json.dumps(config).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "registry"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": data},
    }


def create_with_secret(installation: Installation, workshop: Workshop, *images: str) -> Answer:
    """Create a Pod in a namespace that has the private registry's pull secret, and names it."""
    namespace = installation.namespace("signed")
    secret = a_pull_secret(workshop.private.host, TESTER)
    installation.cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    pod = a_pod(*images, imagePullSecrets=[{"name": "registry"}])
    return installation.create(namespace, pod)


def test_semantics_20_a_private_registry_is_read_with_the_pods_own_pull_secret(
    installation: Installation, workshop: Workshop
) -> None:
    """Signature and image behind a password are found with what the kubelet would use."""
    image = pushed(workshop.private, "vault/app").reference
    workshop.private.signer.sign_with_cosign3(image, workshop.ci)

    without = verdict_on(installation, image)
    with_secret = create_with_secret(installation, workshop, image)

    assert (REFUSED, ADMITTED) == (without, refusal_of(with_secret))


def test_no_secret_gets_into_a_message_the_log_or_the_metrics(
    installation: Installation, workshop: Workshop
) -> None:
    """A password that the registry refuses is sent there, and shown nowhere."""
    image = pushed(workshop.private, "vault/closed").reference
    namespace = installation.namespace("signed")
    password = "not-the-password-8c1f"
    secret = a_pull_secret(workshop.private.host, Login("somebody-else", password, ""))
    installation.cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)

    answer = installation.create(namespace, a_pod(image, imagePullSecrets=[{"name": "registry"}]))

    landwaiter = installation.landwaiter
    shown = str(answer.body) + landwaiter.log.read_text("utf-8") + landwaiter.metrics()
    pair = base64.b64encode(f"somebody-else:{password}".encode()).decode()
    assert (REFUSED, True, []) == (
        refusal_of(answer),
        "does not show" in " ".join(str(answer.body["message"]).split()),
        [secret for secret in (password, pair, "somebody-else") if secret in shown],
    )
