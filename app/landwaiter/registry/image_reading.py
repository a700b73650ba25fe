"""Fetches what an image says of itself: its index, or its manifest and config blob, by digest."""

from typing import Protocol

from landwaiter.deadline import Deadline
from landwaiter.images.configuration import ImageConfiguration, ImageIndex
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.reference import ImageReference
from landwaiter.registry.image_documents import (
    CONFIG_MAX_BYTES,
    is_index,
    read_configuration,
    read_image_manifest,
    read_index,
)
from landwaiter.registry.keychain import Keychain

Content = ImageIndex | ImageConfiguration


class ContentSource(Protocol):
    """Where manifests and blobs are fetched; what is returned has been checked by its digest."""

    async def manifest(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> Manifest:
        """Return the manifest or index that the digest names."""
        ...

    async def blob(
        self,
        reference: ImageReference,
        descriptor: Descriptor,
        limit_bytes: int,
        *,
        keychain: Keychain,
        deadline: Deadline,
    ) -> bytes:
        """Return content of the reference's repository."""
        ...


async def read_content(
    source: ContentSource, subject: ImageReference, *, keychain: Keychain, deadline: Deadline
) -> Content:
    """
    Return what stands behind a reference with a digest.

    An artifact, whose config is no image's, is an image that says nothing of itself. Raises
    `ImageProblem`, or `Unavailable`.
    """
    manifest = await source.manifest(subject, keychain=keychain, deadline=deadline)
    what = f"{subject}"
    if is_index(manifest):
        return read_index(manifest, what)
    parts = read_image_manifest(manifest, what)
    if parts.config is None:
        return ImageConfiguration(manifest.digest, None, layer_sizes=parts.layer_sizes)
    blob = await source.blob(
        subject, parts.config, CONFIG_MAX_BYTES, keychain=keychain, deadline=deadline
    )
    what = f"the config blob of {subject}"
    return read_configuration(blob, manifest.digest, parts.layer_sizes, what)
