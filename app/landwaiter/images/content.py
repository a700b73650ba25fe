"""Plain values for what a registry holds, shared by the rooms that fetch and that verify."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Descriptor:
    """
    A pointer to content: its media type, digest (`sha256:...`) and size in bytes.

    `artifact_type` and `annotations` are what the pointing document claims; nothing has been
    verified about them.
    """

    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index as it was received; `content` has been checked against `digest`."""

    media_type: str
    digest: str
    content: bytes = field(repr=False)
