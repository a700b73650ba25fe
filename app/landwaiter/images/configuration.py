"""Plain values for what images say of themselves, shared by the rooms that fetch and that judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from landwaiter.images.platforms import Platform


@dataclass(frozen=True, slots=True)
class ImageConfiguration:
    """
    One image for one platform: what its manifest and its config blob say, checked by digest.

    `user`, `labels` and `created` are claims of whoever built it. `platform` is the one that an
    index gives it, else its own, and None where neither says. `layer_sizes` are the compressed
    sizes of its layers in bytes, to which the runtime holds what it downloads.
    """

    digest: str
    platform: Platform | None
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    created: datetime | None = None
    layer_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An image that an index lists; `platform` is None where the index does not say."""

    digest: str
    platform: Platform | None


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The images of an index, in its order, without attestations and the like."""

    digest: str
    entries: tuple[IndexEntry, ...]
