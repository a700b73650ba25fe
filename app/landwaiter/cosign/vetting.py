"""
Which content of a repository may be a cosign signature of one image; pure.

This sorts out, it never admits: what passes is still only material for cosign. Three reasons
make it worth doing. cosign unpacks a layer that is compressed, so what is not plain JSON must
not reach it. One signed statement that it cannot summarise makes it print no summary of all
the others. And an image can carry attestations by the dozen, which need no verification here.

Source: github.com/sigstore/cosign v3.1.3, specs/BUNDLE_SPEC.md, specs/SIGNATURE_SPEC.md and
`transformOutput` in cmd/cosign/cli/verify/verify.go; in-toto Statement v1.
"""

import base64
import json
import re
from typing import Any

from landwaiter.cosign.annotations import PREDICATE_TYPE, SIGNATURE
from landwaiter.cosign.outcome import SIGNATURE_TYPE, SignatureFormat
from landwaiter.cosign.quoting import quoted_value
from landwaiter.images.content import Descriptor, Manifest

BUNDLE_TYPE_PREFIX = "application/vnd.dev.sigstore.bundle"
"""cosign takes every version of the bundle whose media type begins like this."""

SIMPLE_SIGNING_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
PARTS_MAX = 20_000
"""A bundle with twenty log entries has some thousand."""

PREDICATE_ANNOTATION = "dev.sigstore.bundle.predicateType"

_UNTOLD_TYPES = frozenset({None, "", "application/vnd.oci.empty.v1+json"})
"""
What registries say of a bundle whose manifest they have not read for its artifact type.

GHCR and go-containerregistry's registry give the media type of its empty configuration.
"""

_STATEMENT_TYPE = "application/vnd.in-toto+json"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class UnusableError(ValueError):
    """This piece is no signature of the image; the message is half a sentence for people."""


def check_referrer(
    descriptor: Descriptor, wanted: str = SIGNATURE_TYPE[SignatureFormat.BUNDLE]
) -> None:
    """Raise `UnusableError` for a referrer that says of itself that it is of another type."""
    artifact_type = descriptor.artifact_type
    if artifact_type not in _UNTOLD_TYPES and not str(artifact_type).startswith(BUNDLE_TYPE_PREFIX):
        raise UnusableError(f"an artifact of type {quoted_value(str(artifact_type))}")
    predicate_type = descriptor.annotations.get(PREDICATE_ANNOTATION, wanted)
    if predicate_type != wanted:
        raise UnusableError(f"an attestation ({quoted_value(predicate_type)})")


def only_layer(manifest: Manifest) -> Descriptor:
    """Return where the bundle of a referrer's manifest is. Raises `UnusableError`."""
    layers = _layers(manifest)
    if len(layers) != 1 or not layers[0].media_type.startswith(BUNDLE_TYPE_PREFIX):
        raise UnusableError("a referrer that holds no bundle")
    return layers[0]


def annotations_of(manifest: Manifest) -> dict[str, str]:
    """Return what a referrer's manifest says of itself. Raises `UnusableError`."""
    return _annotations(_object(manifest.content, "a manifest").get("annotations"))


def check_bundle(content: bytes, digest: str) -> None:
    """Raise `UnusableError` for a bundle that does not say it is a signature of the digest."""
    match _object(content, "a bundle"):
        case {"dsseEnvelope": {"payloadType": str(payload_type), "payload": str(payload)}}:
            pass
        case _:
            raise UnusableError("a bundle without a signed statement")
    if payload_type != _STATEMENT_TYPE:
        raise UnusableError(f"a bundle of a {quoted_value(payload_type)}")
    try:
        statement = base64.b64decode(payload, validate=True)
    except ValueError as cause:
        raise UnusableError("a bundle whose statement is not base64") from cause
    match _object(statement, "a statement"):
        case {"predicateType": str(predicate_type), "subject": [{"digest": dict(digests)}, *_]}:
            pass
        case _:
            raise UnusableError("a statement without type or subject")
    if predicate_type != SIGNATURE_TYPE[SignatureFormat.BUNDLE]:
        raise UnusableError(f"an attestation ({quoted_value(predicate_type)})")
    algorithm, _, value = digest.partition(":")
    if digests != {algorithm: value}:
        raise UnusableError("a signature of another digest")


def attestation_layers(manifest: Manifest, predicate_type: str) -> tuple[Descriptor, ...]:
    """
    Return where the envelopes of an `.att` manifest are, in its order. Raises `UnusableError`.

    What says of itself that it is of another type is not among them.
    """
    return tuple(
        layer
        for layer in signature_layers(manifest)
        if layer.annotations.get(PREDICATE_TYPE, predicate_type) == predicate_type
    )


def check_form(content: bytes) -> None:
    """
    Raise `UnusableError` for a piece that takes longer to read than its size says.

    What is signed stands in a bundle or an envelope as one text; all else in it has some hundred
    parts. Millions of empty lists take seconds to read.
    """
    if sum(content.count(each) for each in b"{[,") > PARTS_MAX:
        raise UnusableError(f"a piece of more than {PARTS_MAX} parts")


def signature_layers(manifest: Manifest) -> tuple[Descriptor, ...]:
    """Return where the payloads of a `.sig` manifest are. Raises `UnusableError`."""
    return tuple(layer for layer in _layers(manifest) if SIGNATURE in layer.annotations)


def _layers(manifest: Manifest) -> list[Descriptor]:
    match _object(manifest.content, "a manifest"):
        case {"layers": list(layers)}:
            return [_descriptor(layer) for layer in layers]
    raise UnusableError("a manifest without layers")


def _descriptor(value: object) -> Descriptor:
    match value:
        case {"mediaType": str(media_type), "digest": str(digest), "size": int(size), **rest} if (
            _DIGEST.fullmatch(digest) and size >= 0
        ):
            annotations = _annotations(rest.get("annotations"))
            return Descriptor(media_type, digest, size, annotations=annotations)
    raise UnusableError("a manifest with a malformed layer")


def _annotations(value: object) -> dict[str, str]:
    match value:
        case None:
            return {}
        case dict():
            return {name: text for name, text in value.items() if isinstance(text, str)}
    raise UnusableError("a manifest with malformed annotations")


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise UnusableError(f"{what} that is not JSON") from cause
    if not isinstance(value, dict):
        raise UnusableError(f"{what} that is not a JSON object")
    return value
