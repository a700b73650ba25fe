"""
What cosign prints of the payloads whose signatures it has verified; pure.

A document in which two readers could take different values is malformed.

Source: github.com/sigstore/cosign v3.1.3, cmd/cosign/cli/verify/common.go (PrintVerification).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from landwaiter.errors import InvalidReference
from landwaiter.images.reference import ImageReference

SignedName = Callable[[ImageReference], ImageReference]
"""Gives the name under which an image is signed that has several, the same for each of them."""


def as_written(reference: ImageReference) -> ImageReference:
    """Return the reference: nothing is known of other names."""
    return reference


@dataclass(frozen=True, slots=True)
class Payload:
    """What cosign prints of a payload once its signature is verified."""

    type: str
    digest: str
    reference: str
    annotations: Mapping[str, object] = field(hash=False)


class MalformedPayloadError(ValueError):
    """Not an array of payloads as cosign prints it."""


def is_name_of(text: str, subject: ImageReference, signed_name: SignedName) -> bool:
    """Whether a docker-reference names the repository of the subject, in whatever spelling."""
    try:
        signed = signed_name(ImageReference.parse(text))
    except InvalidReference:
        return False
    wanted = signed_name(subject)
    return (signed.registry.lower(), signed.repository) == (
        wanted.registry.lower(),
        wanted.repository,
    )


def payloads_in(line: bytes) -> list[Payload]:
    """Return the payloads of one image. Raises `MalformedPayloadError`."""
    try:
        entries = json.loads(line, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as cause:
        raise MalformedPayloadError from cause
    if not isinstance(entries, list):
        raise MalformedPayloadError
    return [_payload(entry) for entry in entries]


def _payload(entry: object) -> Payload:
    match entry:
        case {
            "critical": {
                "identity": {"docker-reference": str(reference)},
                "image": {"docker-manifest-digest": str(digest)},
                "type": str(type_),
            },
            **rest,
        }:
            optional = rest.get("optional")
            annotations = optional if isinstance(optional, dict) else {}
            return Payload(type_, digest, reference, annotations)
    raise MalformedPayloadError


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: two readers could take different values."""
    if len(values := dict(pairs)) != len(pairs):
        raise MalformedPayloadError
    return values
