"""
Patterns over image names, as admins write them in policies.

    **                                  every image
    registry.example.com                everything on that host
    registry.example.com/team           that repository, and what is below it
    registry.example.com/team/*-base    `*` stays within one part of the path
    registry.example.com/**/base        `**` crosses parts
    *.example.com/team                  in a host `*` stays within one label
    docker.io/library/nginx:1.*         references that are pulled by such a tag
    docker.io/library/nginx@sha256:...  references that are pulled by this digest

A pattern matches the parts of a parsed reference and never its text, and each part as a whole.
The first part is always a host: a bare `nginx` would mean two things and is refused. Hosts are
compared without regard to case, port 443 equals no port, and all names of Docker Hub are one
host. Only `*` is a wildcard; a port has none, so no pattern can take a port for a tag.

A tag is compared only where it decides what runs: not beside a digest, where the runtime ignores
it and its author could write any. No tag counts as `latest`.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn, Self

from landwaiter.errors import InvalidPattern
from landwaiter.images.glob import Glob
from landwaiter.images.reference import (
    DOCKER_HUB,
    DOCKER_HUB_NAMES,
    ImageReference,
    in_library,
    is_digest,
    is_registry,
    is_repository,
    quoted,
)

PATTERN_MAX_CHARACTERS: Final = 1024
EVERYTHING: Final = "**"
DEFAULT_TAG: Final = "latest"
HTTPS_PORT: Final = 443

_HOST_GLOB = re.compile(r"[A-Za-z0-9*-]++(?:\.[A-Za-z0-9*-]++)*+")
_PATH_GLOB = re.compile(r"[a-z0-9_.*-]++(?:/[a-z0-9_.*-]++)*+")
_TAG_GLOB = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.*-]{0,127}")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class TagPattern:
    """A glob over tags, anchored at both ends and case-sensitive, as tags are."""

    text: str
    _glob: Glob = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _TAG_GLOB.fullmatch(self.text) or "**" in self.text:
            raise InvalidPattern(
                f"tag pattern {quoted(self.text)} given, a tag is wanted: at most 128 letters, "
                "digits, '_', '.', '-', and '*' for anything"
            )
        object.__setattr__(self, "_glob", Glob(self.text, separator="/"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern. Raises `InvalidPattern`."""
        return cls(text)

    @property
    def glob(self) -> Glob:
        """The text as a glob; no tag holds its separator."""
        return self._glob

    def matches(self, tag: str | None) -> bool:
        """Return whether the pattern covers a tag; None, no tag written, counts as `latest`."""
        return self._glob.matches(DEFAULT_TAG if tag is None else tag)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host in lower case, without port 443; `glob` is None where there is no wildcard."""

    name: str
    port: int | None
    glob: Glob | None

    def matches(self, host: str, port: int | None) -> bool:
        """Return whether a host in its one spelling, and its port, are covered."""
        if port != self.port:
            return False
        if self.glob is None:
            return host == self.name
        names = DOCKER_HUB_NAMES if host == DOCKER_HUB else (host,)
        return not host.startswith("[") and any(map(self.glob.matches, names))

    def matches_registry(self, registry: str) -> bool:
        """Return whether a `host[:port]` is covered, in whatever spelling it was written."""
        return self.matches(*_host_and_port(registry))


class PatternParts(NamedTuple):
    """
    What a pattern compares; `host` is None for `**`.

    `path` is a repository that stands for itself and what is below it, empty for all of them, or
    globs of which one has to match.
    """

    host: HostPattern | None
    path: str | tuple[Glob, ...]
    tag: TagPattern | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class ImagePattern:
    """One pattern; equal when written alike. `str()` gives the text as it was written."""

    text: str
    _host: HostPattern | None = field(repr=False, compare=False)
    _path: str | tuple[Glob, ...] = field(repr=False, compare=False)
    _tag: TagPattern | None = field(repr=False, compare=False)
    _digest: str | None = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern. Raises `InvalidPattern`, which says what to write instead."""
        if text == EVERYTHING:
            return cls(text, None, "", None, None)
        _refuse_what_is_no_pattern(text)
        name, at, digest = text.partition("@")
        host, slash, rest = name.partition("/")
        path, colon, tag = rest.partition(":")
        if at and not is_digest(digest):
            _refuse(text, f"the digest is {quoted(digest)}, a whole sha256 or sha512 is wanted")
        if at and colon:
            _refuse(text, "either a tag or a digest is wanted, for a digest wins over a tag")
        return cls(
            text,
            _parse_host(text, host),
            _parse_path(text, path) if slash else "",
            TagPattern.parse(tag) if colon else None,
            digest if at else None,
        )

    @property
    def parts(self) -> PatternParts:
        """What the pattern compares, for whoever compares patterns (`coverage.py`)."""
        return PatternParts(self._host, self._path, self._tag, self._digest)

    @property
    def compares_tags(self) -> bool:
        """Whether a tag was written, so that only references without digest are covered."""
        return self._tag is not None

    @property
    def digest(self) -> str | None:
        """The digest that was written, so that only references with this digest are covered."""
        return self._digest

    def names_host(self, host: str) -> bool:
        """Return whether the pattern names this `host[:port]` itself, without a wildcard."""
        named = self._host
        if named is None or named.glob is not None:
            return False
        return (named.name, named.port) == _host_and_port(host)

    def matches(self, reference: ImageReference) -> bool:
        """Return whether the pattern covers what the reference names."""
        if self._host is None:
            return True
        host, port = _host_and_port(reference.registry)
        return (
            self._host.matches(host, port)
            and self._covers_path(
                in_library(reference.repository) if host == DOCKER_HUB else reference.repository
            )
            and self._covers_content(reference)
        )

    def _covers_path(self, repository: str) -> bool:
        if isinstance(self._path, str):
            return self._path in ("", repository) or repository.startswith(f"{self._path}/")
        return any(glob.matches(repository) for glob in self._path)

    def _covers_content(self, reference: ImageReference) -> bool:
        if self._digest is not None:
            return reference.digest == self._digest
        if self._tag is not None:
            return reference.digest is None and self._tag.matches(reference.tag)
        return True

    def __str__(self) -> str:
        return self.text


def _refuse(text: str, why: str) -> NoReturn:
    raise InvalidPattern(f"image pattern {quoted(text)}: {why}")


def _refuse_what_is_no_pattern(text: str) -> None:
    if not 0 < len(text) <= PATTERN_MAX_CHARACTERS:
        _refuse(text, f"{len(text)} characters given, 1 to {PATTERN_MAX_CHARACTERS} are wanted")
    if not text.isascii() or not text.isprintable() or " " in text:
        _refuse(text, "printable ASCII characters without spaces are wanted")
    scheme, divider, rest = text.partition("://")
    if divider:
        _refuse(text, f"no scheme is wanted; write {quoted(rest)} without {quoted(scheme)}")
    if text == "*":
        _refuse(text, 'in a host "*" is one label; write "**" for every image')
    if text.startswith(EVERYTHING):
        _refuse(text, 'a host is wanted first; "**" is every image, but only where it stands alone')


def _parse_host(text: str, written: str) -> HostPattern:
    name, colon, port = _split_port(written)
    is_host = any(sign in name for sign in ".*[") or name.lower() == "localhost"
    if not is_host and (not colon or not _PORT.fullmatch(port)):
        where = DOCKER_HUB if "/" in text else f"{DOCKER_HUB}/library"
        _refuse(text, f"a host is wanted first; for Docker Hub write {where}/{text}")
    if colon and not _PORT.fullmatch(port):
        _refuse(text, f"the port is {quoted(port)}, a number is wanted; a tag follows a path")
    if "*" not in name:
        if not is_registry(written):
            _refuse(text, f"the host is {quoted(name)}, a host name or an address is wanted")
        return HostPattern(*_host_and_port(written), glob=None)
    if not _HOST_GLOB.fullmatch(name) or "**" in name:
        _refuse(text, f"the host is {quoted(name)}, labels with at most single stars are wanted")
    host, number = _host_and_port(written)
    return HostPattern(host, number, Glob(host, separator="."))


def _parse_path(text: str, path: str) -> str | tuple[Glob, ...]:
    if path != path.lower():
        _refuse(text, f"the path is {quoted(path)}, lower-case letters are wanted")
    if path.endswith("/") or not path:
        _refuse(text, 'it ends with "/"; without it, it covers all that is below')
    if "*" not in path:
        if not is_repository(path):
            _refuse(text, f"the path is {quoted(path)}, which no repository can have")
        return path
    if not _PATH_GLOB.fullmatch(path):
        wanted = "letters, digits, '.', '_', '-', '/' and '*' are wanted"
        _refuse(text, f"the path is {quoted(path)}, {wanted}")
    exact = Glob(path, separator="/")
    if "*" in path.rpartition("/")[2]:
        return (exact,)
    return exact, Glob(f"{path}/**", separator="/")


def _split_port(registry: str) -> tuple[str, str, str]:
    """Return host, colon and port; the colons of an IPv6 address stand in brackets."""
    if registry.endswith("]") or ":" not in registry:
        return registry, "", ""
    return registry.rpartition(":")


@lru_cache(maxsize=4096)
def _host_and_port(registry: str) -> tuple[str, int | None]:
    """
    Return a registry as it is compared: one spelling a host, and no port for 443.

    The cache is keyed by the text alone; the least recently used is dropped.
    """
    host, _, port = _split_port(registry.lower())
    number = int(port) if port else HTTPS_PORT
    if host in DOCKER_HUB_NAMES:
        host = DOCKER_HUB
    elif host.startswith("["):
        host = _one_spelling(host)
    return host, None if number == HTTPS_PORT else number


def _one_spelling(bracketed: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(bracketed[1:-1])}]"
    except ValueError:
        return bracketed  # The grammar lets more pass than there are addresses.
