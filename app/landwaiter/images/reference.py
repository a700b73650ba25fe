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

Refused beyond the grammar: `sha256:<hex>` of any length and 64 bare hexadecimal digits, which
containerd takes for the id (or the beginning of the id) of an image that is already on the node;
digests other than sha256 and sha512; and Docker Hub's own host name as a repository.
"""

import json
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final, Self

from landwaiter.errors import InvalidReference

DOCKER_HUB: Final = "docker.io"
DOCKER_HUB_NAMES: Final = (
    DOCKER_HUB,
    f"index.{DOCKER_HUB}",
    f"registry-1.{DOCKER_HUB}",
    "registry.hub.docker.com",
)
"""Every host name under which Docker Hub serves images."""

TEXT_MAX_CHARACTERS: Final = 1024
"""Registry (255), repository (255), tag (128) and a sha512 digest (135) together take 776."""
REPOSITORY_MAX_CHARACTERS: Final = 255
REGISTRY_MAX_CHARACTERS: Final = 261
"""A DNS name has at most 255 characters; a colon and five digits of a port follow."""

_SHOWN_CHARACTERS: Final = 80

# Possessive quantifiers (`++`, `*+`) never give back what they took: no input is read twice.
_LABEL = r"[a-zA-Z0-9]++(?:-++[a-zA-Z0-9]++)*+"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*+|\[[a-fA-F0-9:]++\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]++(?:(?:\.|__?+|-++)[a-z0-9]++)*+"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*+")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
_LOCAL_ID = re.compile(r"[a-fA-F0-9]{64}|(?:sha(?:1|224|256|384|512)|md5|blake3):[a-fA-F0-9]++")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*+://", re.IGNORECASE)


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
    The constructor checks every part and raises `InvalidReference`; it defaults nothing.
    """

    registry: str = field(compare=False)
    repository: str
    tag: str | None = None
    digest: str | None = None
    _folded_registry: str = field(init=False, repr=False)
    _text: str = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_registry(self.registry):
            wanted = f"at most {REGISTRY_MAX_CHARACTERS} characters: a host, and perhaps :port"
            raise _invalid("registry", self.registry, wanted)
        _check_repository(self.repository)
        if self.tag is not None and not _TAG.fullmatch(self.tag):
            wanted = "at most 128 letters, digits, '_', '.' and '-', not first '.' or '-'"
            raise _invalid("tag", self.tag, wanted)
        if self.digest is not None and not is_digest(self.digest):
            wanted = "sha256: and 64, or sha512: and 128, hexadecimal digits in lower case"
            raise _invalid("digest", self.digest, wanted)
        object.__setattr__(self, "_folded_registry", self.registry.lower())
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        object.__setattr__(self, "_text", f"{self.name}{tag}{digest}")
        parts = (self.repository, self.tag, self.digest, self._folded_registry)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        # Every answer about an image is looked up by it, dozens of times in a decision.
        return self._hash

    @classmethod
    def parse(cls, text: str, *, short_names: ShortNames = ShortNames.DOCKER_HUB) -> Self:
        """Return the reference that a container runtime would read. Raises `InvalidReference`."""
        _refuse_what_is_no_name(text)
        rest, at, digest = text.partition("@")
        name, tag = _without_tag(rest)
        registry, repository = _with_defaults(name, short_names)
        return cls(registry, repository, tag, digest if at else None)

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

    def without_tag(self) -> "ImageReference":
        """Return the same reference without its tag."""
        return self if self.tag is None else _untagged(self.registry, self)

    def with_digest(self, digest: str) -> "ImageReference":
        """Return the same reference, tag included, with this digest. Raises `InvalidReference`."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return self._text


@lru_cache(maxsize=4096)
def _untagged(registry: str, reference: ImageReference) -> ImageReference:  # noqa: ARG001
    """Return a reference without its tag; the registry as written tells equal ones apart."""
    return replace(reference, tag=None)


def _refuse_what_is_no_name(text: str) -> None:
    if not text:
        raise _invalid("name", text, "registry/repository:tag@digest")
    if len(text) > TEXT_MAX_CHARACTERS:
        raise _invalid("name", text, f"at most {TEXT_MAX_CHARACTERS} characters")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _invalid("name", text, "printable ASCII characters without spaces")
    if scheme := _SCHEME.match(text):
        raise _invalid("name", text, f"no scheme: leave {quoted(scheme[0])} out")
    if _LOCAL_ID.fullmatch(text):
        raise _invalid("name", text, "a name before the digest, for this is a local image's id")


def _without_tag(rest: str) -> tuple[str, str | None]:
    """Split at the colon behind the last slash: an earlier one belongs to a port."""
    slash = rest.rfind("/")
    colon = rest.find(":", slash + 1)
    if slash < 0 and rest.startswith("["):
        raise _invalid("repository", rest, "a repository behind the registry")
    return (rest, None) if colon < 0 else (rest[:colon], rest[colon + 1 :])


def _with_defaults(name: str, short_names: ShortNames) -> tuple[str, str]:
    """Return registry and repository, Docker Hub and its `library/` filled in."""
    if name.lower() in DOCKER_HUB_NAMES:
        raise _invalid("repository", name, f"a repository as well, such as {name}/library/nginx")
    first, slash, remainder = name.partition("/")
    if slash and _names_registry(first):
        registry, repository = first, remainder
    elif short_names is ShortNames.REFUSE:
        raise _invalid("registry", name, f"a registry, such as {DOCKER_HUB}/{in_library(name)}")
    else:
        registry, repository = DOCKER_HUB, name
    if registry == f"index.{DOCKER_HUB}":
        registry = DOCKER_HUB
    return registry, in_library(repository) if registry == DOCKER_HUB else repository


def _names_registry(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def in_library(repository: str) -> str:
    """Return what Docker Hub takes a repository for: one of a single part is below `library/`."""
    return repository if "/" in repository else f"library/{repository}"


def _check_repository(repository: str) -> None:
    if repository != repository.lower():
        raise _invalid("repository", repository, "lower-case letters")
    if not is_repository(repository):
        wanted = (
            f"at most {REPOSITORY_MAX_CHARACTERS} characters: parts of lower-case letters and "
            "digits, joined by '/', and within a part by '.', '_', '__' or '-'"
        )
        raise _invalid("repository", repository, wanted)


def is_registry(text: str) -> bool:
    """Return whether a text is a registry: a host, and perhaps a port."""
    return len(text) <= REGISTRY_MAX_CHARACTERS and _REGISTRY.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Return whether a text is a repository; so are its first parts, up to any slash."""
    return len(text) <= REPOSITORY_MAX_CHARACTERS and _REPOSITORY.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Return whether a text is a digest of a supported algorithm, in lower case."""
    return _DIGEST.fullmatch(text) is not None


def quoted(seen: str) -> str:
    """Return untrusted text for people: bounded, in quotes, without control characters."""
    shown = seen if len(seen) <= _SHOWN_CHARACTERS else f"{seen[:_SHOWN_CHARACTERS]}..."
    return json.dumps(shown)


def _invalid(part: str, seen: str, wanted: str) -> InvalidReference:
    return InvalidReference(f"{part} {quoted(seen)} given, {wanted} wanted", part=part)
