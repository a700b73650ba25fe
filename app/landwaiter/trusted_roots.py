"""
What signatures are judged with besides keys: the authorities and logs that are trusted.

A trusted root is Sigstore's own document, which cosign reads whole. It is looked at when it is
loaded, so that a root without the log that a policy asks for is found then and not at the first
Pod. Certificates of an authority of one's own are put into such a document too, for the flags
that take them otherwise are to be dropped from cosign.

Source: github.com/sigstore/protobuf-specs, protos/sigstore_trustroot.proto (0.5); sigstore-go
v1.2.2, pkg/root/trusted_root.go and certificate_authority.go.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from landwaiter.errors import InvalidTrust

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"

ROOT_MAX_BYTES = 1_048_576
"""Sigstore's public trusted root has 7 kB; a Secret or ConfigMap cannot hold more than 1 MiB."""

CERTIFICATES_MAX = 20
"""Root and intermediate authorities of a company; each is tried for each signature."""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_LISTS = ("tlogs", "ctlogs", "timestampAuthorities", "certificateAuthorities")


@dataclass(frozen=True, slots=True)
class TUFTarget:
    """
    A trusted root that is distributed with The Update Framework.

    `mirror` is the address of the repository, `root` the content of its root.json of any version,
    which everything else is trusted by, and `name` that of the target.
    """

    mirror: str
    root: bytes = field(repr=False)
    name: str

    def __str__(self) -> str:
        return f"{self.name} of the TUF repository {self.mirror}"


@dataclass(frozen=True, slots=True)
class Checks:
    """What has to be proven of a signature besides who made it; each needs a trusted root."""

    transparency_log: bool = False
    """It has an entry in a log, which makes each use of a key or an identity public."""
    certificate_transparency: bool = False
    """Its certificate has one in a log of certificates; nothing for a key."""
    timestamps: bool = False
    """An authority has signed when it was made."""


NO_CHECKS = Checks()


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """
    A Sigstore trusted root as JSON text, and what is in it.

    Built by `parse` or `of_certificates`, which check its form; whether its keys and certificates
    are good is for cosign to say. `fingerprint` is the SHA-256 of the text, in hex.
    """

    content: bytes = field(repr=False)
    fingerprint: str
    lists: frozenset[str]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return the trusted root in a JSON text. Raises `InvalidTrust`."""
        document = _document(content)
        for name in _LISTS:
            if not isinstance(document.get(name, []), list):
                raise InvalidTrust(f"a trusted root is given whose {name} are not a list")
        present = frozenset(name for name in _LISTS if document.get(name))
        return cls(content, hashlib.sha256(content).hexdigest(), present)

    def lacks(self, checks: Checks, *, certificates: bool) -> tuple[str, ...]:
        """Return what would have to be in it, where signatures by certificates are judged too."""
        needed = {
            "tlogs": checks.transparency_log,
            "ctlogs": checks.certificate_transparency,
            "timestampAuthorities": checks.timestamps,
            "certificateAuthorities": certificates,
        }
        return tuple(name for name in _LISTS if needed[name] and name not in self.lists)

    def with_authorities(self, certificates: "AuthorityCertificates") -> Self:
        """Return this root with these certificates as the only authorities that may issue any."""
        document = {**_document(self.content), **_authorities(certificates)}
        return self.parse(_written(document))

    @classmethod
    def of_certificates(cls, certificates: "AuthorityCertificates") -> Self:
        """Return a root in which there is nothing but these certificates."""
        return cls.parse(_written({"mediaType": MEDIA_TYPE, **_authorities(certificates)}))


@dataclass(frozen=True, slots=True)
class AuthorityCertificates:
    """
    The certificates of authorities of one's own: `roots`, and what stands between.

    All are in DER. A certificate that is its own issuer is a root, and anything else that may
    issue certificates is an intermediate one.
    """

    roots: tuple[bytes, ...] = field(repr=False)
    intermediates: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the certificates in a PEM text, at least one root. Raises `InvalidTrust`."""
        if "PRIVATE KEY" in text:
            raise InvalidTrust("a private key is given; certificates are wanted")
        blocks = _PEM.findall(text)
        if not 1 <= len(blocks) <= CERTIFICATES_MAX or text.count("-----BEGIN") != len(blocks):
            raise InvalidTrust(
                f"{len(blocks)} certificates are given among {text.count('-----BEGIN')} PEM "
                f"blocks; 1 to {CERTIFICATES_MAX}, and nothing else, are wanted"
            )
        certificates = [_certificate(block) for block in blocks]
        roots = [each for each in certificates if each.issuer == each.subject]
        if not roots:
            raise InvalidTrust("no root is among the certificates given; one at least is wanted")
        between = [each for each in certificates if each.issuer != each.subject]
        return cls(_encoded(roots), _encoded(between))


def _certificate(block: str) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(block.encode())
        may_issue = any(
            each.value.ca
            for each in certificate.extensions
            if isinstance(each.value, x509.BasicConstraints)
        )
    except (ValueError, x509.DuplicateExtension) as cause:
        raise InvalidTrust("a certificate is given that cannot be read") from cause
    if not may_issue:
        raise InvalidTrust(
            f'the certificate of "{certificate.subject.rfc4514_string():.200}" is given, which '
            "may issue none; certificates of authorities are wanted"
        )
    return certificate


def _encoded(certificates: Iterable[x509.Certificate]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(each.public_bytes(Encoding.DER) for each in certificates))


def _authorities(certificates: AuthorityCertificates) -> Mapping[str, Any]:
    """Return an authority for each root; all may stand behind all that is between."""
    return {
        "certificateAuthorities": [
            {
                "certChain": {
                    "certificates": [
                        {"rawBytes": base64.b64encode(each).decode()}
                        for each in (*certificates.intermediates, root)
                    ]
                },
                "validFor": {"start": "1970-01-01T00:00:00Z"},
            }
            for root in certificates.roots
        ]
    }


def _document(content: bytes) -> dict[str, Any]:
    """Return what a trusted root says, each thing once and as its schema spells it."""
    try:
        document = json.loads(content, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("mediaType") != MEDIA_TYPE:
        raise InvalidTrust(
            f'something else than a trusted root is given; JSON with the mediaType "{MEDIA_TYPE}" '
            "is wanted"
        )
    if unknown := sorted(document.keys() - {"mediaType", *_LISTS}):
        raise InvalidTrust(f'a trusted root with "{unknown[0]:.100}" is given, which it has not')
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: two readers could take different values."""
    if len(values := dict(pairs)) != len(pairs):
        raise ValueError("a key is given twice")
    return values


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
