"""
Reads what an image says of itself: an index, an image's manifest, a config blob.

A container runtime decides by these documents what runs and as whom, and it reads them with Go's
encoding/json, which takes `user` for `User`, and of a name that is given twice the last, or both
merged. What could be read in two ways is refused, as is anything else that is not of its form:
whoever may push could otherwise show one image to us and another one to the node. All of it is
`ContentMalformed`; nothing here is believed but what the digests already hold.

Source: OCI image specification 1.1.1 (image-index.md, manifest.md, config.md); Manifest in
core/images/image.go of containerd 2.1; docs.docker.com/build/metadata/attestations (BuildKit 0.23).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from landwaiter.errors import ContentMalformed
from landwaiter.images.configuration import ImageConfiguration, ImageIndex, IndexEntry
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.platforms import Platform
from landwaiter.registry.documents import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    is_unicode,
    read_descriptor,
    refuse_constant,
)

MANIFEST_MAX_BYTES: Final = 524_288
"""Three thousand layers, or a thousand platforms; containerd mounts far fewer."""

CONFIG_MAX_BYTES: Final = 1_048_576
"""A config blob has some kilobytes, with a long history some hundred."""

ENTRIES_MAX: Final = 256
"""What an index may list; images for all of Docker's platforms, each attested, come to 30."""

LABELS_MAX: Final = 1000
"""Of one image; builders write a dozen."""

CONFIG_TYPES: Final = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)
"""The config blobs that containerd runs images by; an artifact of another type has none for it."""

DOCKER_IMAGE: Final = "application/vnd.docker.distribution.manifest.v2+json"
"""Manifests of which CRI-O takes a config of any type."""

_UNKNOWN: Final = "unknown"
_NEVER: Final = datetime(1, 1, 2, tzinfo=UTC)
"""Go writes a time that is not known as the first instant of the year 1."""


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """The parts of an image for one platform; `config` is None where it is no image's."""

    config: Descriptor | None
    layer_sizes: tuple[int, ...]


def is_index(manifest: Manifest) -> bool:
    """Whether a manifest lists others."""
    return manifest.media_type in INDEX_TYPES


def read_index(manifest: Manifest, what: str) -> ImageIndex:
    """
    Return the images that an index lists.

    What has the platform `unknown/unknown` is left out: no node has it, and builders put
    attestations there. Everything else has to be an image; an index inside of an index is none.
    """
    document = _document(manifest.content, MANIFEST_MAX_BYTES, what)
    entries = _members(document, ("manifests", "mediaType"), what)["manifests"]
    if not isinstance(entries, list):
        raise ContentMalformed(f"{what} is no image index with a list of manifests")
    if len(entries) > ENTRIES_MAX:
        raise ContentMalformed(
            f"{what} lists {len(entries)} manifests, at most {ENTRIES_MAX} are looked at"
        )
    found = tuple(_entries(entries, what))
    if not found:
        raise ContentMalformed(f"{what} lists no image for any platform")
    return ImageIndex(manifest.digest, found)


def read_image_manifest(manifest: Manifest, what: str) -> ImageManifest:
    """Return the parts of an image."""
    document = _document(manifest.content, MANIFEST_MAX_BYTES, what)
    members = _members(document, ("config", "layers", "mediaType"), what)
    config = _pointer(members["config"], f"the config of {what}")
    layers = members["layers"]
    if layers is None:
        layers = []
    if not isinstance(layers, list):
        raise ContentMalformed(f"{what} has no list of layers")
    sizes = tuple(
        _pointer(layer, f"layer {number} of {what}").size
        for number, layer in enumerate(layers, start=1)
    )
    is_image = config.media_type in CONFIG_TYPES or manifest.media_type == DOCKER_IMAGE
    return ImageManifest(config if is_image else None, sizes)


def read_configuration(
    content: bytes, digest: str, layer_sizes: tuple[int, ...], what: str
) -> ImageConfiguration:
    """Return what a config blob says of the image with a digest."""
    document = _document(content, CONFIG_MAX_BYTES, what)
    members = _members(document, ("os", "architecture", "variant", "created", "config"), what)
    inner = members["config"]
    if inner is None:
        inner = {}
    if not isinstance(inner, dict):
        raise ContentMalformed(f"{what} has a config that is no object")
    config = _members(inner, ("User", "Labels"), what)
    return ImageConfiguration(
        digest=digest,
        platform=_platform(members, what),
        user=_text(config["User"], f"the user of {what}"),
        labels=dict(_labels(config["Labels"], what)),
        created=_instant(_text(members["created"], f"the time of {what}"), what),
        layer_sizes=layer_sizes,
    )


def _entries(entries: Iterable[object], what: str) -> Iterator[IndexEntry]:
    for number, entry in enumerate(entries, start=1):
        where = f"entry {number} of {what}"
        descriptor = _pointer(entry, where)
        platform = entry.get("platform") if isinstance(entry, dict) else None
        if platform is not None:
            if not isinstance(platform, dict):
                raise ContentMalformed(f"{where} has a platform that is no object")
            members = _members(platform, ("os", "architecture", "variant"), where)
            if members["os"] == members["architecture"] == _UNKNOWN:
                continue
            platform = _platform(members, where)
            if platform is None:
                raise ContentMalformed(f"{where} has a platform without names")
        if descriptor.media_type not in MANIFEST_TYPES or descriptor.media_type in INDEX_TYPES:
            raise ContentMalformed(
                f"{where} is of the type {descriptor.media_type}; an image is wanted"
            )
        yield IndexEntry(descriptor.digest, platform)


def _platform(members: Mapping[str, Any], what: str) -> Platform | None:
    """Return the platform that is written, None where neither system nor architecture is."""
    os, architecture, variant = (
        _text(members[name], f"the platform of {what}")
        for name in ("os", "architecture", "variant")
    )
    if not os and not architecture:
        return None
    try:
        return Platform.of(os, architecture, variant)
    except ValueError as problem:
        raise ContentMalformed(f"the platform of {what} is none: {problem} is written") from problem


def _labels(labels: object, what: str) -> Iterator[tuple[str, str]]:
    if labels is None:
        return
    if not isinstance(labels, dict):
        raise ContentMalformed(f"{what} has labels that are no object")
    if len(labels) > LABELS_MAX:
        raise ContentMalformed(
            f"{what} has {len(labels)} labels, at most {LABELS_MAX} are looked at"
        )
    for name, value in labels.items():
        yield _text(name, f"a label of {what}"), _text(value, f"a label of {what}")


def _instant(text: str, what: str) -> datetime | None:
    """Return the time that is written, None where none is."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as problem:
        raise ContentMalformed(f"{what} has a time of creation that is none") from problem
    if instant.tzinfo is None:
        raise ContentMalformed(f"{what} has a time of creation without offset")
    return instant if instant > _NEVER else None


def _text(value: object, what: str) -> str:
    """Return a text; `null` is an empty one, as for Go."""
    if value is None:
        return ""
    if not isinstance(value, str) or not is_unicode(value):
        raise ContentMalformed(f"{what} is no text")
    return value


def _pointer(value: object, what: str) -> Descriptor:
    if isinstance(value, dict):
        _members(value, ("mediaType", "digest", "size", "platform"), what)
    return read_descriptor(value, what)


def _document(content: bytes, limit_bytes: int, what: str) -> dict[str, Any]:
    if len(content) > limit_bytes:
        raise ContentMalformed(
            f"{what} has {len(content)} bytes, at most {limit_bytes} are looked at"
        )
    try:
        document = json.loads(
            content.decode("utf-8"), parse_constant=refuse_constant, object_pairs_hook=_distinct
        )
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _TwiceError) else "is not JSON"
        raise ContentMalformed(f"{what} {why}") from error
    if not isinstance(document, dict):
        raise ContentMalformed(f"{what} is no JSON object")
    return document


class _TwiceError(ValueError):
    """A name is given twice in one object."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _TwiceError("gives a name twice in one object")
    return members


def _members(document: Mapping[str, Any], names: Iterable[str], what: str) -> dict[str, Any]:
    """
    Return the members of these names, each None where it is missing.

    A member that Go would take for one of them, because it ignores case, is refused.
    """
    wanted = {name.casefold(): name for name in names}
    for written in document:
        name = wanted.get(written.casefold())
        if name is not None and name != written:
            raise ContentMalformed(f'{what} has "{name}" in another spelling')
    return {name: document.get(name) for name in wanted.values()}
