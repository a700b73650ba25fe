"""
The public keys that signatures may be verified with.

Accepted are the kinds whose signatures cosign verifies: ECDSA on P-256, P-384 and P-521, Ed25519,
and RSA of at least 2,048 bits, as one PEM block of a SubjectPublicKeyInfo (what `cosign
generate-key-pair` and `openssl pkey -pubout` write). Everything else is refused when it is
loaded, so that a mistake is found then and not at the first Pod.

With Ed25519 cosign verifies what signs the payload itself (RFC 8032, without a hash before), as
other programs do. What cosign 2.6.5 and 3.1.3 sign themselves with such a key is Ed25519ph, which
neither of them verifies (ADR 1).

A key that a KMS holds has a name, by which its public half can be asked for.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from landwaiter.errors import InvalidPublicKey

RSA_MIN_BITS = 2048
PEM_MAX_CHARACTERS = 8_192
"""An RSA key of 16,384 bits, the largest that anybody uses, takes 2,900."""

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


_KMS_REFERENCE = re.compile(r"([a-z][a-z0-9-]{0,62})://([A-Za-z0-9._~:/@+=,%-]{1,1024})")
_NO_KMS = frozenset(
    {"env", "file", "ftp", "git", "github", "gitlab", "http", "https", "k8s", "pkcs11"}
)
"""Schemes by which cosign takes keys from elsewhere than a KMS, or might be thought to."""


@dataclass(frozen=True, slots=True)
class KMSReference:
    """The name of a key that a key management service holds, as cosign's `--key` takes it."""

    scheme: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference in a text. Raises `InvalidPublicKey`."""
        if (found := _KMS_REFERENCE.fullmatch(text)) is None:
            raise InvalidPublicKey(
                f'"{text:.100}" given, a key of a KMS is wanted, such as awskms:///alias/signing'
            )
        return cls(check_scheme(found[1]), text)


def check_scheme(scheme: str) -> str:
    """Return the scheme of a KMS. Raises `InvalidPublicKey` for one that is none."""
    if scheme in _NO_KMS or not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", scheme):
        raise InvalidPublicKey(f'"{scheme:.100}" given, the scheme of a KMS is wanted')
    return scheme


@dataclass(frozen=True, slots=True)
class PublicKey:
    """
    One public key; equal keys are equal however their PEM was wrapped.

    `pem` is the normal form of the SubjectPublicKeyInfo, `fingerprint` the SHA-256 of its DER in
    hex, `algorithm` its kind for people, such as "ECDSA P-256".
    """

    pem: str
    fingerprint: str
    algorithm: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the one public key in a PEM text. Raises `InvalidPublicKey`."""
        if "PRIVATE KEY" in text:
            raise InvalidPublicKey("a private key is given; the public key is wanted")
        if (blocks := text.count("-----BEGIN")) != 1 or len(text) > PEM_MAX_CHARACTERS:
            raise InvalidPublicKey(
                f"{len(text)} characters with {blocks} PEM blocks are given; "
                "one block that begins with -----BEGIN PUBLIC KEY----- is wanted"
            )
        try:
            key = load_pem_public_key(text.strip().encode())
        except (ValueError, UnsupportedAlgorithm) as cause:
            raise InvalidPublicKey("the PEM block does not hold a public key") from cause
        algorithm = _algorithm(key)
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return cls(pem.decode(), hashlib.sha256(der).hexdigest(), algorithm)


def _algorithm(key: PublicKeyTypes) -> str:
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return f"ECDSA {_CURVES[key.curve.name]}"
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_MIN_BITS:
        return f"RSA {key.key_size}"
    if isinstance(key, Ed25519PublicKey):
        return "Ed25519"
    raise InvalidPublicKey(
        f"{_kind(key)} is given; ECDSA on P-256, P-384 or P-521, Ed25519, "
        f"or RSA of at least {RSA_MIN_BITS} bits is wanted"
    )


def _kind(key: PublicKeyTypes) -> str:
    if isinstance(key, RSAPublicKey):
        return f"an RSA key of {key.key_size} bits"
    if isinstance(key, EllipticCurvePublicKey):
        return f"an ECDSA key on {key.curve.name}"
    return f"a key of type {type(key).__name__}"
