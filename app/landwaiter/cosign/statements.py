"""
What envelopes hold whose signatures cosign has verified; pure.

cosign prints each envelope that it has verified as it was signed, and nothing of what proves when
that was. So an envelope is found again among those that were served by what is signed in it, and
its statement is read here once more: it has to be about our digest and of the type that is wanted.
Nothing is read of a statement whose signature cosign has not verified.

Source: github.com/secure-systems-lab/dsse, envelope.md (1.0); in-toto Statement v0.1 and v1.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from landwaiter.cosign.quoting import quoted_value

STATEMENT_TYPES = frozenset(
    {"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"}
)
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class MalformedError(ValueError):
    """This is no envelope, or no statement."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A statement as it was signed, and its signatures."""

    payload: bytes = field(repr=False)
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Attestation:
    """
    A statement about our digest, of the type that was asked for, whose signature is verified.

    `digest` is the SHA-256 of the statement in hex, by which two can be told apart. `signed_at` is
    the time, in seconds of Unix, that a log or a timestamp authority vouches for at the latest,
    None where nobody does.
    """

    digest: str
    statement: bytes = field(repr=False)
    signed_at: float | None = None


def envelope_in(text: bytes) -> Envelope:
    """Return the envelope in a JSON text. Raises `MalformedError`."""
    return _envelope(_object(text))


def envelope_in_bundle(bundle: bytes) -> Envelope:
    """Return the envelope in a bundle. Raises `MalformedError`."""
    return _envelope(_object(bundle).get("dsseEnvelope"))


def attested(
    envelope: Envelope, digest: str, predicate_type: str, signed_at: float | None
) -> Attestation:
    """Return the attestation in an envelope. Raises `MalformedError`, which says what it is."""
    statement = _object(envelope.payload)
    match statement:
        case {
            "_type": str(type_),
            "predicateType": str(seen),
            "subject": list(subjects),
            "predicate": _,
        }:
            pass
        case _:
            raise MalformedError("what it signs is no statement")
    if type_ not in STATEMENT_TYPES:
        raise MalformedError(f"what it signs is a {quoted_value(type_)}")
    if seen != predicate_type:
        raise MalformedError(f"it is of the type {quoted_value(seen)}")
    algorithm, _, value = digest.partition(":")
    if not any(_is_about(subject, algorithm, value) for subject in subjects):
        raise MalformedError("it is about another image")
    return Attestation(hashlib.sha256(envelope.payload).hexdigest(), envelope.payload, signed_at)


def _is_about(subject: object, algorithm: str, value: str) -> bool:
    match subject:
        case {"digest": dict(digests)}:
            return digests.get(algorithm) == value
    return False


def _envelope(value: object) -> Envelope:
    match value:
        case {
            "payloadType": str(payload_type),
            "payload": str(payload),
            "signatures": [*signatures],
        } if payload_type == PAYLOAD_TYPE:
            return Envelope(_bytes(payload), tuple(map(_signature, signatures)))
    raise MalformedError("it is no envelope of a statement")


def _signature(value: object) -> bytes:
    match value:
        case {"sig": str(signature)}:
            return _bytes(signature)
    raise MalformedError("a signature in it cannot be read")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise MalformedError("it holds text that is not base64") from cause


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as cause:
        raise MalformedError("it is not JSON that can be read in one way only") from cause
    if not isinstance(value, dict):
        raise MalformedError("it is not a JSON object")
    return value


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: two readers could take different values."""
    if len(values := dict(pairs)) != len(pairs):
        raise MalformedError("a key is given twice")
    return values
