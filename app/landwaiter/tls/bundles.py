"""
CA certificates in PEM: what is in a bundle, and what one bundle has that another lacks.

Certificates are told apart by what they are and not by how they are written, for files have
comments, line ends and orders of their own.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from landwaiter.errors import InvalidCertificate

BUNDLE_MAX_BYTES: Final = 512 * 1024
"""All that is in one Secret, and in one webhook object twice, has to stay below 1.5 MiB."""

Fingerprint: TypeAlias = bytes
"""The SHA-256 of a certificate."""


def certificates_in(bundle: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a bundle, at least one. Raises `InvalidCertificate`."""
    if len(bundle) > BUNDLE_MAX_BYTES:
        raise InvalidCertificate(f"a bundle of {len(bundle)} bytes, wanted {BUNDLE_MAX_BYTES}")
    try:
        return tuple(x509.load_pem_x509_certificates(bundle))
    except ValueError as cause:
        raise InvalidCertificate("no certificates in PEM") from cause


def fingerprint_of(certificate: x509.Certificate) -> Fingerprint:
    """Return what tells a certificate from every other one."""
    return certificate.fingerprint(hashes.SHA256())


def fingerprints_in(bundle: bytes) -> frozenset[Fingerprint]:
    """Return which certificates a bundle has; none where it cannot be read."""
    try:
        return frozenset(fingerprint_of(each) for each in certificates_in(bundle))
    except InvalidCertificate:
        return frozenset()


def joined(bundles: Iterable[bytes]) -> bytes:
    """Return one bundle of all certificates, each of them once. Raises `InvalidCertificate`."""
    found = {fingerprint_of(each): each for bundle in bundles for each in certificates_in(bundle)}
    return b"".join(each.public_bytes(Encoding.PEM) for each in found.values())
