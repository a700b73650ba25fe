"""
Reads what a registry serves: manifests, and the lists of what refers to one.

Everything here is untrusted. A document is strict JSON in UTF-8 without constants that JSON does
not have; a manifest says what it is once (its own `mediaType` and the `Content-Type` agree) and
is either an image or an index, never both at once, since other readers would pick the other one
(CVE-2021-41190). Failing any of it is `ContentMalformed`.

Source: OCI image specification 1.1.1 (manifest, index, descriptor), Docker's schema 2 of
distribution; schema 1 is refused as containerd 2 refuses it.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from landwaiter.errors import ContentMalformed
from landwaiter.images.content import Descriptor, Manifest

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    OCI_INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""All that a reference can point to; they are also the `Accept` header."""

INDEX_TYPES: Final = frozenset(kind for kind in MANIFEST_TYPES if "index" in kind or "list" in kind)
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]{0,254}", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)
_MAX_ANNOTATIONS: Final = 256
"""Of one descriptor; registries and tools write a handful."""


def is_supported_digest(text: str) -> bool:
    """Say whether a text is a sha256 or sha512 digest."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of the content; the algorithm is sha256 or sha512."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def check_digest(content: bytes, wanted: str, what: str) -> None:
    """Raise `ContentMalformed` where the content has another digest than the one wanted."""
    actual = digest_of(content, wanted.partition(":")[0])
    if not hmac.compare_digest(actual, wanted):
        raise ContentMalformed(f"{what} has the digest {actual}, wanted is {wanted}")


def read_manifest(content: bytes, digest: str, content_type: str, what: str) -> Manifest:
    """Return a manifest whose content has been checked against the digest."""
    document = _object(content, what)
    claimed = document.get("mediaType")
    if content_type in MANIFEST_TYPES and claimed is not None and claimed != content_type:
        raise ContentMalformed(f"{what} was sent as {content_type!r} and calls itself another type")
    media_type = content_type if content_type in MANIFEST_TYPES else claimed
    if media_type not in MANIFEST_TYPES:
        raise ContentMalformed(
            f"{what} was sent as {content_type!r:.100}; an image manifest or an index of version 2"
            " is wanted (schema 1 is not accepted)"
        )
    foreign = ("config", "layers") if media_type in INDEX_TYPES else ("manifests",)
    if any(member in document for member in foreign) or "fsLayers" in document:
        raise ContentMalformed(f"{what} is more than one kind of manifest at once")
    return Manifest(media_type, digest, content)


def read_referrers(content: bytes, what: str) -> tuple[Descriptor, ...]:
    """
    Return the descriptors of an index of referrers, in order.

    `artifact_type` is None also where the registry only repeats the type of an empty config
    (GHCR does that), because then nobody has said what the referrer is.
    """
    document = _object(content, what)
    entries = document.get("manifests")
    if document.get("mediaType", OCI_INDEX) != OCI_INDEX or not isinstance(entries, list):
        raise ContentMalformed(f"{what} is no image index with a list of manifests")
    return tuple(
        read_descriptor(entry, f"entry {number} of {what}")
        for number, entry in enumerate(entries, start=1)
    )


def read_descriptor(entry: object, what: str) -> Descriptor:
    """Return a pointer to content, whose digest is of a supported algorithm."""
    if not isinstance(entry, dict):
        raise ContentMalformed(f"{what} is no descriptor")
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not is_supported_digest(digest):
        raise ContentMalformed(f"{what} has no digest of sha256 or sha512")
    if type(size) is not int or size < 0:
        raise ContentMalformed(f"{what} has no size in bytes")
    artifact_type = entry.get("artifactType") or None
    if artifact_type is not None:
        artifact_type = _media_type(artifact_type, what)
    return Descriptor(
        media_type=_media_type(entry.get("mediaType"), what),
        digest=digest,
        size=size,
        artifact_type=None if artifact_type == _EMPTY_TYPE else artifact_type,
        annotations=dict(_annotations(entry.get("annotations"), what)),
    )


def _media_type(value: object, what: str) -> str:
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise ContentMalformed(f"{what} has no proper media type")
    return value


def _annotations(value: object, what: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if not isinstance(value, dict) or len(value) > _MAX_ANNOTATIONS:
        raise ContentMalformed(f"{what} has no proper annotations")
    for name, text in value.items():
        if not isinstance(text, str) or not is_unicode(name + text):
            raise ContentMalformed(f"{what} has an annotation that is no text")
        yield name, text


def is_unicode(text: str) -> bool:
    """Say whether a text can be written out; JSON escapes can make halves of characters."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(content.decode("utf-8"), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ContentMalformed(f"{what} is not JSON") from error
    if not isinstance(document, dict):
        raise ContentMalformed(f"{what} is no JSON object")
    return document


def refuse_constant(name: str) -> NoReturn:
    """Raise `ValueError`, for JSON has neither NaN nor infinities."""
    raise ValueError(name)
