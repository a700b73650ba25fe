"""Trusted roots, and certificates that are put into one."""

import base64
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from landwaiter.errors import InvalidTrust
from landwaiter.trusted_roots import (
    MEDIA_TYPE,
    NO_CHECKS,
    AuthorityCertificates,
    Checks,
    TrustedRoot,
)
from realparts.certificates import Authority

ALL_CHECKS = Checks(transparency_log=True, certificate_transparency=True, timestamps=True)
LISTS = ("tlogs", "ctlogs", "timestampAuthorities", "certificateAuthorities")


def a_document(*lists: str, **more: object) -> bytes:
    return json.dumps({"mediaType": MEDIA_TYPE, **{name: [{}] for name in lists}, **more}).encode()


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("checks", "certificates", "needed"),
    [
        (NO_CHECKS, False, ()),
        (Checks(transparency_log=True), False, ("tlogs",)),
        (Checks(certificate_transparency=True), False, ("ctlogs",)),
        (Checks(timestamps=True), False, ("timestampAuthorities",)),
        (NO_CHECKS, True, ("certificateAuthorities",)),
        (ALL_CHECKS, True, LISTS),
    ],
)
def test_a_root_says_what_it_lacks(
    checks: Checks, certificates: object, needed: tuple[str, ...]
) -> None:
    """What is checked needs keys or certificates to check it with; nothing else is needed."""
    empty, full = TrustedRoot.parse(a_document()), TrustedRoot.parse(a_document(*LISTS))

    assert (needed, ()) == (
        empty.lacks(checks, certificates=bool(certificates)),
        full.lacks(checks, certificates=bool(certificates)),
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b"{}",
        b'{"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}',
        b'{"mediaType": "%s", "mediaType": "%s"}' % (MEDIA_TYPE.encode(), MEDIA_TYPE.encode()),
        a_document(tlogs={}),
        a_document(certificate_authorities=[{}]),
        "\udcff".encode(errors="surrogatepass"),
    ],
)
def test_what_is_no_trusted_root_is_refused(content: bytes) -> None:
    """Cosign would say so only at the first Pod, or read another list than we look at."""
    with pytest.raises(InvalidTrust):
        TrustedRoot.parse(content)


def test_certificates_of_ones_own_make_a_root(tmp_path: Path) -> None:
    """Each root stands behind all that is between, as cosign's own command would write it."""
    pems = [
        Authority(tmp_path / name, name).certificate.read_text("utf-8") for name in ("one", "two")
    ]
    root = TrustedRoot.of_certificates(AuthorityCertificates.parse("\n".join(pems)))
    authorities = [
        {
            "certChain": {"certificates": [{"rawBytes": base64.b64encode(der(pem)).decode()}]},
            "validFor": {"start": "1970-01-01T00:00:00Z"},
        }
        for pem in pems
    ]

    assert {"mediaType": MEDIA_TYPE, "certificateAuthorities": authorities} == json.loads(
        root.content
    )
    assert frozenset({"certificateAuthorities"}) == root.lists


def test_certificates_of_ones_own_take_the_place_of_those_in_a_root(tmp_path: Path) -> None:
    """Whoever trusts a public log does not thereby trust the authorities that it stands beside."""
    certificates = AuthorityCertificates.parse(Authority(tmp_path).certificate.read_text("utf-8"))
    public = TrustedRoot.parse(a_document("tlogs", "certificateAuthorities"))
    merged = json.loads(public.with_authorities(certificates).content)
    own = json.loads(TrustedRoot.of_certificates(certificates).content)

    assert {**own, "tlogs": [{}]} == merged


def test_the_fingerprint_is_that_of_the_content() -> None:
    """Another blank is another root, as it is to whoever compares files."""
    one, same, other = (TrustedRoot.parse(a_document() + end) for end in (b"", b"", b" "))

    assert (True, False) == (
        one.fingerprint == same.fingerprint,
        one.fingerprint == other.fingerprint,
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 certificates are given among 0 PEM blocks"),
        ("{pem}" * 21, "21 certificates are given among 21 PEM blocks"),
        ("{pem}-----BEGIN X509 CRL-----", "1 certificates are given among 2 PEM blocks"),
        ("{key}", "a private key is given; certificates are wanted"),
        ("{server}", 'the certificate of "CN=server" is given, which may issue none'),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "a certificate is given that cannot be read",
        ),
    ],
)
def test_what_is_no_certificate_of_an_authority_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    """The message says what is there and quotes no content."""
    authority = Authority(tmp_path)
    server = authority.issue_server()
    pem = authority.certificate.read_text("utf-8")
    given = text.format(
        pem=pem, key=server.key.read_text("utf-8"), server=server.certificate.read_text("utf-8")
    )

    with pytest.raises(InvalidTrust, match=problem):
        AuthorityCertificates.parse(given)
