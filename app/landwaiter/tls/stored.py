"""
What the Secret holds that all replicas share: the certificate in use, the next one, old CAs.

    tls.crt, tls.key    what is served with
    next.crt, next.key  what will be, once every API server trusts its CA; absent otherwise
    ca.crt              every CA that an API server has to trust meanwhile

Whoever may write the Secret is trusted with all of it; what is checked here is that the parts fit
each other, for a half of one certificate served with a half of another is an outage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from landwaiter.errors import InvalidCertificate
from landwaiter.tls.bundles import certificates_in, joined
from landwaiter.tls.making import Identity

ENTRY_MAX_BYTES: Final = 64 * 1024
OLD_MAX: Final = 8
"""Old CAs that are still trusted; each Secret that is deleted on purpose adds one for an hour."""


@dataclass(frozen=True, slots=True)
class Stored:
    """
    The state of renewal.

    `old` are CAs in PEM of certificates that somebody may still serve with, newest first.
    """

    current: Identity
    following: Identity | None = None
    old: tuple[bytes, ...] = ()

    @property
    def bundle(self) -> bytes:
        """Every CA that has to be trusted, in PEM."""
        coming = () if self.following is None else (self.following.ca,)
        return joined((self.current.ca, *coming, *self.old))


def encode(stored: Stored) -> dict[str, bytes]:
    """Return the entries of the Secret."""
    entries = {
        "tls.crt": stored.current.chain,
        "tls.key": stored.current.key,
        "ca.crt": stored.bundle,
    }
    if stored.following is not None:
        entries["next.crt"] = stored.following.chain
        entries["next.key"] = stored.following.key
    return entries


def decode(entries: Mapping[str, bytes]) -> Stored:
    """
    Return what the entries of the Secret say.

    Raises `InvalidCertificate` where something is missing or does not fit; its message names the
    entry and quotes nothing.
    """
    authorities = _certificates(entries, "ca.crt")
    current = _identity(entries, "tls", authorities)
    following = None
    if {"next.crt", "next.key"} & set(entries):
        following = _identity(entries, "next", authorities)
    known = {current.ca, following.ca if following is not None else b""}
    old = (pem for each in authorities if (pem := _pem(each)) not in known)
    return Stored(current, following, tuple(old)[:OLD_MAX])


def _identity(
    entries: Mapping[str, bytes], name: str, authorities: tuple[x509.Certificate, ...]
) -> Identity:
    leaf = _certificates(entries, f"{name}.crt")[0]
    key = _entry(entries, f"{name}.key")
    try:
        public = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError) as cause:
        raise InvalidCertificate(f"{name}.key is no private key in PEM") from cause
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*spki) != leaf.public_key().public_bytes(*spki):
        raise InvalidCertificate(f"{name}.key is the key of another certificate")
    for authority in authorities:
        if _vouches(authority, leaf):
            identity = Identity(_pem(authority), _entry(entries, f"{name}.crt"), key)
            _check_names(identity, f"{name}.crt")
            return identity
    raise InvalidCertificate(f"no CA in ca.crt vouches for {name}.crt")


def _vouches(authority: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_names(identity: Identity, entry: str) -> None:
    try:
        _ = identity.names
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as cause:
        raise InvalidCertificate(f"the names in {entry} cannot be read") from cause


def _certificates(entries: Mapping[str, bytes], name: str) -> tuple[x509.Certificate, ...]:
    content = _entry(entries, name)
    try:
        return certificates_in(content)
    except InvalidCertificate as cause:
        raise InvalidCertificate(f"{name}: {cause}") from cause


def _entry(entries: Mapping[str, bytes], name: str) -> bytes:
    content = entries.get(name)
    if content is None:
        raise InvalidCertificate(f"{name} is missing")
    if len(content) > ENTRY_MAX_BYTES:
        raise InvalidCertificate(f"{name} has more than {ENTRY_MAX_BYTES} bytes")
    return content


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
