"""The real registries and both versions of cosign do what the other system tests rely on."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from realparts.certificates import Authority
from realparts.images import ImageMaker
from realparts.processes import http_status
from realparts.registries import (
    OTHER,
    CraneRegistry,
    DistributionRegistry,
    ReferrersRegistry,
    Registry,
)
from realparts.signing import Format, Signer, SigningKey
from realparts.sigstore import PrivateSigstore

A_DIGEST = f"sha256:{'0' * 64}"
VULNERABILITIES = {"scanner": {"uri": "https://scanner.example.com"}, "metadata": {}}


def test_plain_registries_know_no_referrers(plain_registry: CraneRegistry, tmp_path: Path) -> None:
    """The lightest registry answers 404 to the referrers API."""
    ImageMaker(tmp_path, plain_registry).make_image("team/app:1.0")

    assert 404 == referrers(plain_registry, "team/app", A_DIGEST)[0]


def test_private_registries_want_a_password(
    private_registry: DistributionRegistry, authority: Authority
) -> None:
    """Nobody gets in without a login."""
    context = ssl.create_default_context(cafile=str(authority.certificate))

    assert 401 == http_status(f"{private_registry.url}/v2/", context=context)


def test_private_registries_take_every_login(
    private_registry: DistributionRegistry, private_images: ImageMaker, tmp_path: Path
) -> None:
    """What one user pushes, the other may read."""
    reference = private_images.make_image("shared/app:1.0")

    others = ImageMaker(tmp_path / "other", private_registry, login=OTHER)

    assert reference == f"{others.full('shared/app')}@{others.digest('shared/app:1.0')}"


def test_images_keep_what_they_are_made_with(private_images: ImageMaker) -> None:
    """An index lists its images with their platforms."""
    images = [
        private_images.make_image(f"platforms/app:{each}", platform=f"linux/{each}")
        for each in ("amd64", "arm64")
    ]

    private_images.make_index("platforms/app:1.0", images)

    listed = private_images.manifest("platforms/app:1.0")["manifests"]
    assert [
        ("amd64", images[0].partition("@")[2]),
        ("arm64", images[1].partition("@")[2]),
    ] == [(each["platform"]["architecture"], each["digest"]) for each in listed]


@pytest.mark.parametrize("form", ["bundle", "old"])
def test_signatures_of_both_formats_verify(
    private_images: ImageMaker, private_signer: Signer, form: Format
) -> None:
    """Cosign accepts what was signed and attested in each format, and only by that key."""
    reference = private_images.make_image(f"signed/{form}:1.0")
    key, stranger = (private_signer.generate_key_pair(name) for name in ("key", "stranger"))
    sign_and_attest(private_signer, reference, key, form)

    verdicts = [
        private_signer.verify(reference, key, form=form),
        private_signer.verify_attestation(reference, key, predicate_type="vuln", form=form),
        private_signer.verify(reference, stranger, form=form, check=False),
    ]

    assert [True, True, False] == [verdict.returncode == 0 for verdict in verdicts]


def sign_and_attest(signer: Signer, reference: str, key: SigningKey, form: Format) -> None:
    if form == "bundle":
        signer.sign_with_cosign3(reference, key)
        signer.attest_with_cosign3(reference, key, predicate_type="vuln", predicate=VULNERABILITIES)
    else:
        signer.sign_with_cosign2(reference, key)
        signer.attest_with_cosign2(reference, key, predicate_type="vuln", predicate=VULNERABILITIES)


def test_old_signatures_are_tags(private_images: ImageMaker, private_signer: Signer) -> None:
    """Each format leaves its own tag in a registry without referrers."""
    reference = private_images.make_image("tagged/app:1.0")
    key = private_signer.generate_key_pair()
    for form in ("bundle", "old"):
        sign_and_attest(private_signer, reference, key, form)

    stem = reference.partition("@")[2].replace(":", "-")
    assert ["1.0", stem, f"{stem}.att", f"{stem}.sig"] == private_images.tags("tagged/app")


def test_bundles_are_referrers(
    referrers_registry: ReferrersRegistry,
    referrers_images: ImageMaker,
    referrers_signer: Signer,
) -> None:
    """Where the registry knows referrers, a bundle is one, named by its artifact type."""
    reference = referrers_images.make_image("team/app:1.0")
    referrers_signer.sign_with_cosign3(reference, referrers_signer.generate_key_pair())

    status, _, found = referrers(referrers_registry, "team/app", reference.partition("@")[2])

    kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert (200, [kind]) == (status, [each["artifactType"] for each in found])
    assert ["1.0"] == referrers_images.tags("team/app")


def test_keyless_signatures_verify(
    referrers_images: ImageMaker, referrers_signer: Signer, sigstore: PrivateSigstore
) -> None:
    """Cosign accepts what was signed with an identity, and only for that identity."""
    reference = referrers_images.make_image("keyless/app:1.0")
    referrers_signer.sign_keyless(reference, sigstore, email="ci@example.com")

    verdicts = [
        referrers_signer.verify_keyless(reference, sigstore, email=email, check=False)
        for email in ("ci@example.com", "stranger@example.com")
    ]

    assert [True, False] == [verdict.returncode == 0 for verdict in verdicts]


def test_referrers_come_in_pages(tmp_path: Path) -> None:
    """A registry with pages gives a link to the next one, until there is none."""
    with ReferrersRegistry(tmp_path / "registry", page=1) as registry:
        reference = ImageMaker(tmp_path / "images", registry).make_image("team/app:1.0")
        signer = Signer(tmp_path / "signer", registry)
        for name in ("first", "second"):
            signer.sign_with_cosign3(reference, signer.generate_key_pair(name))
        digest = reference.partition("@")[2]
        _, link, first = referrers(registry, "team/app", digest)
        _, end, second = referrers(registry, "team/app", digest, f"?last={first[0]['digest']}")

    following = f"</v2/team/app/referrers/{digest}?last={quote(first[0]['digest'], safe='')}>"
    assert (f'{following}; rel="next"', "", 2) == (
        link,
        end,
        len({each["digest"] for each in (*first, *second)}),
    )


def referrers(
    registry: Registry, repository: str, digest: str, query: str = ""
) -> tuple[int, str, list[dict[str, Any]]]:
    """Return the status, the link to the next page and the list of what refers to a digest."""
    host, _, port = registry.host.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    if registry.ca is not None:
        context = ssl.create_default_context(cafile=str(registry.ca))
        connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
    connection.request("GET", f"/v2/{repository}/referrers/{digest}{query}")
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, response.headers.get("Link", ""), body.get("manifests", [])
