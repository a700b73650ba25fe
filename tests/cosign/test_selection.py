"""Which signatures a criterion is asked about."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cosign.fakes import a_criterion, a_key, a_root, a_simple_signature, an_identity, an_image
from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.selection import selected
from landwaiter.trusted_roots import Checks

IMAGE = an_image()
CERTIFICATE = "dev.sigstore.cosign/certificate"
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
BY_KEY = a_criterion()
BY_IDENTITY = Criterion(an_identity(), Checks(transparency_log=True), a_root())


def a_bundle_by(*proof: str) -> bytes:
    return json.dumps({"verificationMaterial": {each: {} for each in proof}}).encode()


def a_certificate(*names: str) -> str:
    """Return a certificate in PEM that names these e-mail addresses."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    nobody, now = x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(minutes=10))
    if names:
        alternatives = x509.SubjectAlternativeName([x509.RFC822Name(name) for name in names])
        builder = builder.add_extension(alternatives, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def old(**annotations: str) -> SimpleSignature:
    return a_simple_signature(IMAGE, annotations=annotations)


@pytest.mark.parametrize(
    ("proof", "by_key", "by_identity"),
    [
        (["publicKey"], True, False),
        (["certificate"], False, True),
        (["x509CertificateChain"], False, True),
        (["publicKey", "certificate"], True, True),
        ([], True, True),
        (["tlogEntries"], True, True),
    ],
)
def test_a_bundle_is_judged_by_what_it_is_signed_with(
    proof: list[str], by_key: object, by_identity: object
) -> None:
    """What a bundle does not say, or says twice, is left to cosign."""
    material = SignatureMaterial(IMAGE, bundles=(a_bundle_by(*proof),))
    chosen = [selected(material, criterion).bundles for criterion in (BY_KEY, BY_IDENTITY)]

    assert [by_key, by_identity] == [bool(each) for each in chosen]


def test_what_is_left_out_is_told() -> None:
    """A refusal can say that there are signatures, and why they do not count."""
    material = SignatureMaterial(
        IMAGE,
        bundles=(a_bundle_by("publicKey"), a_bundle_by("certificate")),
        simple=(old(),),
        left_out=("an attestation",),
    )

    assert [
        replace(
            material,
            bundles=material.bundles[:1],
            left_out=("an attestation", "a signature by a certificate"),
        ),
        replace(
            material,
            bundles=material.bundles[1:],
            simple=(),
            left_out=("an attestation", "a signature by a key", "a signature by a key"),
        ),
    ] == [selected(material, criterion) for criterion in (BY_KEY, BY_IDENTITY)]


@pytest.mark.parametrize(
    "bundle", [b"", b"[", b"[]", b"[" * 100_000, b'{"verificationMaterial": 1}']
)
def test_a_bundle_that_cannot_be_read_is_left_to_cosign(bundle: bytes) -> None:
    """It is junk, and cosign passes over it."""
    material = SignatureMaterial(IMAGE, bundles=(bundle,))

    assert [material, material] == [selected(material, each) for each in (BY_KEY, BY_IDENTITY)]


@pytest.mark.parametrize("criterion", [BY_KEY, BY_IDENTITY])
@pytest.mark.parametrize("stamp", [{}, {TIMESTAMP: ""}])
def test_attack_an_old_signature_without_timestamp_does_not_count_where_one_is_wanted(
    criterion: Criterion, stamp: dict[str, str]
) -> None:
    """Cosign judges such a one by the present time, whatever it is told of timestamps."""
    stamped = Criterion(criterion.signer, Checks(timestamps=True), a_root())
    good = old(**{TIMESTAMP: "{}", CERTIFICATE: a_certificate("ann@example.com")})
    without = old(**{CERTIFICATE: a_certificate("ann@example.com"), **stamp})
    material = SignatureMaterial(IMAGE, simple=(without, good))

    assert replace(
        material, simple=(good,), left_out=("a signature without timestamp",)
    ) == selected(material, stamped)


@pytest.mark.parametrize(
    ("certificate", "told"),
    [
        ("", "a signature by a key"),
        (a_certificate("ann@example.com", "bob@example.com"), "whose certificate names several"),
        (a_certificate(), "whose certificate cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
        ("PEM", "cannot be read"),
    ],
)
def test_attack_an_old_signature_is_that_of_one_who_is_named(certificate: str, told: str) -> None:
    """Were a certificate good for two names, one signature would count as theirs both."""
    material = SignatureMaterial(IMAGE, simple=(old(**{CERTIFICATE: certificate}),))
    chosen = selected(material, BY_IDENTITY)

    assert ((), True) == (chosen.simple, chosen.left_out[0].endswith(told))


def test_attack_a_second_certificate_is_not_read() -> None:
    """What stands around the certificate that was looked at is not handed on."""
    certificate = a_certificate("ann@example.com")
    signature = old(**{CERTIFICATE: f"noise\n{certificate}{a_certificate('bob@example.com')}"})
    material = SignatureMaterial(IMAGE, simple=(signature,))

    assert replace(material, simple=(old(**{CERTIFICATE: certificate}),)) == selected(
        material, BY_IDENTITY
    )


def test_a_certificate_beside_the_signature_of_a_key_is_not_looked_at() -> None:
    """It is not signed and so says nothing; the log compares it where there is one."""
    material = SignatureMaterial(IMAGE, simple=(old(**{CERTIFICATE: "PEM"}),))

    assert material == selected(material, Criterion(a_key()))
