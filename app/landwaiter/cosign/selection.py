"""
Which of an image's signatures are judged by one criterion; pure.

A signature by a key says nothing about somebody's identity, and one by a certificate nothing
about a key, so each is given only to runs that could find it good: they are fewer, and what they
refuse is told rightly. Leaving out can only refuse.

In the old format two things are seen to here that cosign lets pass. A signature without timestamp
is judged by another time where timestamps are to be verified. And of a certificate that names
several, one name is enough: it would be the signature of each of them. It is then replaced by
its own encoding, so that cosign reads the certificate that was looked at here.

Source: github.com/sigstore/cosign v3.1.3, pkg/cosign/verify.go (VerifyRFC3161Timestamp,
CheckCertificatePolicy) and pkg/oci/internal/signature/layer.go.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from landwaiter.cosign.annotations import CERTIFICATE, TIMESTAMP
from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.vetting import UnusableError
from landwaiter.identities import Identity

_Piece = TypeVar("_Piece")
_CERTIFICATES = frozenset({"certificate", "x509CertificateChain"})
_KEYS = frozenset({"publicKey"})


def selected(material: SignatureMaterial, criterion: Criterion) -> SignatureMaterial:
    """Return what of the material can be a signature by the criterion, and why the rest cannot."""
    left_out = list(material.left_out)
    bundles = _usable(_bundle, material.bundles, criterion, left_out)
    simple = _usable(_simple, material.simple, criterion, left_out)
    return replace(material, bundles=bundles, simple=simple, left_out=tuple(left_out))


def _usable(
    check: Callable[[_Piece, Criterion], _Piece],
    pieces: Iterable[_Piece],
    criterion: Criterion,
    left_out: list[str],
) -> tuple[_Piece, ...]:
    usable = []
    for piece in pieces:
        try:
            usable.append(check(piece, criterion))
        except UnusableError as problem:
            left_out.append(str(problem))
    return tuple(usable)


def _bundle(content: bytes, criterion: Criterion) -> bytes:
    proof = _keys_in(content)
    if isinstance(criterion.signer, Identity):
        if proof & _KEYS and not proof & _CERTIFICATES:
            raise UnusableError("a signature by a key")
    elif proof & _CERTIFICATES and not proof & _KEYS:
        raise UnusableError("a signature by a certificate")
    return content


def _keys_in(bundle: bytes) -> frozenset[str]:
    """Return what a bundle says by which it is to be verified; nothing where that is unknown."""
    try:
        value = json.loads(bundle)
    except (ValueError, RecursionError):
        return frozenset()
    match value:
        case {"verificationMaterial": dict(proof)}:
            return frozenset(proof) & (_KEYS | _CERTIFICATES)
    return frozenset()


def _simple(signature: SimpleSignature, criterion: Criterion) -> SimpleSignature:
    annotations = signature.annotations
    if criterion.checks.timestamps and not annotations.get(TIMESTAMP):
        raise UnusableError("a signature without timestamp")
    if not isinstance(criterion.signer, Identity):
        return signature
    if not (certificate := annotations.get(CERTIFICATE)):
        raise UnusableError("a signature by a key")
    named = {**annotations, CERTIFICATE: _of_one_name(certificate)}
    return replace(signature, annotations=named)


def _of_one_name(text: str) -> str:
    """Return the certificate in a PEM text, as it encodes itself, if it names one subject."""
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as cause:
        raise UnusableError("a signature whose certificate cannot be read") from cause
    if len(names.value) != 1:
        raise UnusableError("a signature whose certificate names several")
    return certificate.public_bytes(Encoding.PEM).decode()
