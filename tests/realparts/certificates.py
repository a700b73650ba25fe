"""
Certificate authorities and keys for tests, all of them valid for a day unless told otherwise.

This module and `oidc_issuer` alone need a third-party package, `cryptography`. Keys are on P-256:
making one takes under a millisecond. The certificates carry the key identifiers and usages that
Python 3.13 insists on.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

A_DAY = timedelta(days=1)
BACKDATED = timedelta(hours=1)
"""Certificates begin this long ago: programs with a slow clock accept them too."""
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The files of a certificate and its private key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority made anew in a folder."""

    def __init__(self, folder: Path, name: str = "landwaiter test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key, self._key, A_DAY)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        certificate = builder.sign(self._key, hashes.SHA256())
        self.pair = _written(folder, "ca", certificate, self._key)

    @property
    def certificate(self) -> Path:
        """Return the file that clients trust."""
        return self.pair.certificate

    def issue_server(
        self,
        name: str = "server",
        *,
        hosts: Sequence[str] = LOOPBACK,
        valid_for: timedelta = A_DAY,
    ) -> KeyPair:
        """Return a serving certificate for DNS names and addresses, in files named after `name`."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        purpose = ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(name, subject, purpose, valid_for, names)

    def issue_client(
        self,
        common_name: str,
        *,
        organizations: Sequence[str] = (),
        valid_for: timedelta = A_DAY,
    ) -> KeyPair:
        """Return a client certificate; Kubernetes reads user and groups from its subject."""
        groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
        common = x509.NameAttribute(NameOID.COMMON_NAME, common_name)
        subject = x509.Name([*groups, common])
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(f"client-{common_name}", subject, purpose, valid_for, None)

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        purpose: ObjectIdentifier,
        valid_for: timedelta,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key, self._key, valid_for)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return _written(self._folder, name, builder.sign(self._key, hashes.SHA256()), key)


def write_signing_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a bare P-256 key pair; return the files of the private and of the public key."""
    return _written_keys(folder, name, ec.generate_private_key(ec.SECP256R1()))


def write_log_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a bare Ed25519 key pair, as transparency logs sign with."""
    return _written_keys(folder, name, ed25519.Ed25519PrivateKey.generate())


def _written_keys(folder: Path, name: str, key: PrivateKey) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    _write_key(private, key)
    spki = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, spki))
    return private, public


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    valid_for: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + valid_for)
        .add_extension(key_id, critical=False)
        .add_extension(issuer_id, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _written(
    folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> KeyPair:
    stem = name.replace("/", "_").replace(":", "_")
    pair = KeyPair(certificate=folder / f"{stem}.crt", key=folder / f"{stem}.key")
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    _write_key(pair.key, key)
    return pair


def _write_key(file: Path, key: PrivateKey) -> None:
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
