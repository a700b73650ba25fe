"""
A CA and the one certificate that it ever signs.

The CA's private key is forgotten as soon as it has signed: nobody can take it, and nothing else
can be made with it. So each renewal brings a CA of its own, and one procedure renews both.

Limits:  valid for `LIFETIME` from now, and for `BACKDATED` before it, for clocks that are behind.
Source:  RFC 5280, 4.2; what Go's crypto/x509 and OpenSSL want of a chain (tried with both).
"""

import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=90)

BACKDATED: Final = timedelta(days=1)
"""Certificates begin this long ago, so that a clock in another time zone takes them too."""


@dataclass(frozen=True)
class Identity:
    """
    A serving certificate, its private key, and the CA that vouches for it, in PEM.

    No representation shows the key. The three fit each other.
    """

    ca: bytes
    chain: bytes
    key: bytes = field(repr=False)

    @cached_property
    def leaf(self) -> x509.Certificate:
        """The serving certificate."""
        return x509.load_pem_x509_certificates(self.chain)[0]

    @property
    def begins(self) -> datetime:
        """From when on it is valid."""
        return self.leaf.not_valid_before_utc

    @property
    def ends(self) -> datetime:
        """Until when it is valid."""
        return self.leaf.not_valid_after_utc

    @cached_property
    def names(self) -> frozenset[str]:
        """The DNS names and addresses that it may be served under."""
        try:
            found = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return frozenset()
        hosts = found.value.get_values_for_type(x509.DNSName)
        addresses = found.value.get_values_for_type(x509.IPAddress)
        return frozenset([*hosts, *(str(each) for each in addresses)])


def make_identity(
    names: Iterable[str], *, now: datetime, lifetime: timedelta = LIFETIME
) -> Identity:
    """Return a new CA and certificate for DNS names and addresses."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    # Chains are searched by the name of the issuer: no two CAs of ours have the same one.
    ca_name = _name(f"landwaiter CA {secrets.token_hex(8)}")
    ends = now + lifetime
    ca = (
        _certificate(ca_name, ca_name, ca_key.public_key(), ca_key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([_general(name) for name in sorted(set(names))])
    chain = (
        _certificate(_name("landwaiter"), ca_name, key.public_key(), ca_key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternatives, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return Identity(
        ca.public_bytes(Encoding.PEM),
        chain.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(issuer_id, critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
