"""
What an image name means: the container runtime's grammar, and Docker Hub's defaults.

A name is parsed once, at the edge; later code takes the value and never the text. The grammar
is that of github.com/distribution/reference v0.6.0 (regexp.go, normalize.go), with which
containerd reads the same text: `[registry/]repository[:tag][@digest]`.

* A first part without dot and colon that is not `localhost` and has no capital letter belongs
  to the repository, and the registry is `docker.io`; there a repository of one part is below
  `library/`. `index.docker.io` is written `docker.io`.
* The registry is otherwise kept as written, and compared without regard to ASCII case.
* A digest wins over a tag: the runtime pulls by the digest and ignores the tag.

Refused beyond the grammar: `sha256:<hex>` and 64 bare hexadecimal digits, which containerd takes
for the id of an image that is already on the node, and digests other than sha256 and sha512.
"""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from landwaiter.errors import InvalidReference

DOCKER_HUB: Final = "docker.io"

TEXT_MAX_CHARACTERS: Final = 1024
"""Registry (255), repository (255), tag (128) and a sha512 digest (135) together take 776."""
REPOSITORY_MAX_CHARACTERS: Final = 255
REGISTRY_MAX_CHARACTERS: Final = 261
"""A DNS name has at most 255 characters; a colon and five digits of a port follow."""

_SHOWN_CHARACTERS: Final = 120

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?")
_REPOSITORY = re.compile(
    r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
_LOCAL_ID = re.compile(r"(?:[a-z0-9]+:)?[a-fA-F0-9]{64}|sha512:[a-fA-F0-9]{128}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class ShortNames(StrEnum):
    """
    What a name without registry means.

    DOCKER_HUB: what containerd takes it for. REFUSE: nothing, since CRI-O looks such names up
    in a list of registries that each node may have of its own.
    """

    DOCKER_HUB = "DockerHub"
    REFUSE = "Refuse"


@dataclass(frozen=True, slots=True)
class ImageReference:
    """
    A parsed image name.

    `registry` is as written, `docker.io` where none was; `tag` and `digest` are None where none
    was written (a missing tag counts as `latest`). `str()` is the normal form and adds neither.
    """

    registry: str = field(compare=False)
    repository: str
    tag: str | None = None
    digest: str | None = None
    _folded_registry: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_folded_registry", self.registry.lower())

    @classmethod
    def parse(cls, text: str, *, short_names: ShortNames = ShortNames.DOCKER_HUB) -> Self:
        """Return the reference that a container runtime would read. Raises `InvalidReference`."""
        _refuse_what_is_no_name(text)
        rest, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            wanted = "sha256: and 64, or sha512: and 128, hexadecimal digits in lower case"
            raise _invalid("digest", digest, wanted)
        name, tag = _without_tag(rest)
        registry, repository = _split_registry(name, short_names)
        if tag is not None and not _TAG.fullmatch(tag):
            wanted = "at most 128 letters, digits, '_', '.' and '-', not first '.' or '-'"
            raise _invalid("tag", tag, wanted)
        return cls(registry, repository, tag, digest or None)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def at_digest(self) -> str:
        """Registry, repository and digest. Raises `ValueError` when there is no digest."""
        if self.digest is None:
            raise ValueError(f"{self} has no digest")
        return f"{self.name}@{self.digest}"

    def with_digest(self, digest: str) -> "ImageReference":
        """Return the same reference, tag included, with this digest."""
        if not _DIGEST.fullmatch(digest):
            raise _invalid("digest", digest, "a sha256 or sha512 digest")
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.name}{tag}{digest}"


def _refuse_what_is_no_name(text: str) -> None:
    if not text:
        raise _invalid("name", text, "registry/repository:tag@digest")
    if len(text) > TEXT_MAX_CHARACTERS:
        raise _invalid("name", text, f"at most {TEXT_MAX_CHARACTERS} characters")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _invalid("name", text, "printable ASCII characters without spaces")
    if scheme := _SCHEME.match(text):
        raise _invalid("name", text, f"no scheme: leave {scheme[0]!r} out")
    if _LOCAL_ID.fullmatch(text):
        raise _invalid("name", text, "a name before the digest, for this is a local image's id")


def _without_tag(rest: str) -> tuple[str, str | None]:
    """Split at the colon behind the last slash: an earlier one belongs to a port."""
    slash = rest.rfind("/")
    colon = rest.find(":", slash + 1)
    if slash < 0 and rest.startswith("["):
        raise _invalid("repository", rest, "a repository behind the registry")
    return (rest, None) if colon < 0 else (rest[:colon], rest[colon + 1 :])


def _split_registry(name: str, short_names: ShortNames) -> tuple[str, str]:
    first, slash, remainder = name.partition("/")
    if slash and _is_registry(first):
        registry, repository = first, remainder
    elif short_names is ShortNames.REFUSE:
        raise _invalid("registry", name, f"a registry, such as {DOCKER_HUB}/{_in_library(name)}")
    else:
        registry, repository = DOCKER_HUB, name
    if not _REGISTRY.fullmatch(registry) or len(registry) > REGISTRY_MAX_CHARACTERS:
        raise _invalid("registry", registry, "a host name or address, and perhaps :port")
    if registry == f"index.{DOCKER_HUB}":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB:
        repository = _in_library(repository)
    if len(repository) > REPOSITORY_MAX_CHARACTERS or not _REPOSITORY.fullmatch(repository):
        wanted = (
            f"at most {REPOSITORY_MAX_CHARACTERS} characters: parts of lower-case letters and "
            "digits, joined by '/', and within a part by '.', '_', '__' or '-'"
        )
        raise _invalid("repository", repository, wanted)
    return registry, repository


def _is_registry(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _in_library(repository: str) -> str:
    return repository if "/" in repository else f"library/{repository}"


def _invalid(part: str, seen: str, wanted: str) -> InvalidReference:
    shown = seen if len(seen) <= _SHOWN_CHARACTERS else f"{seen[:_SHOWN_CHARACTERS]}…"
    return InvalidReference(f"{part} {ascii(shown)} given, {wanted} wanted", part=part)
