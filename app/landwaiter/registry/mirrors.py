"""
Where an image can be read besides where its name says, and under which name it is signed.

A registry may have several names: Alibaba Cloud's `registry.cn-hangzhou` and
`registry-vpc.cn-hangzhou` are one, a proxy cache of Harbor or ACR stands for its upstream, and
nodes may be told to pull from a mirror. The admin says so in the file `registries.yaml`:

    mirrors:
      - signedAs: docker.io
        pulledAs: [harbor.corp.example/dockerhub]
        readFrom: [harbor.corp.example/dockerhub, docker.io]

`signedAs` and `pulledAs` are names for the same images. What is signed is judged under the former,
whichever name a Pod has. All are read from the places of `readFrom`, in order, by default
from those in `pulledAs` and then from the one in `signedAs`; what a Pod names with
one of `pulledAs` is looked for there first, for that is where its node pulls from.

A place is a host, and perhaps a path; it holds for itself and what is below it, at path boundaries.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

from landwaiter.errors import InvalidInput, InvalidReference
from landwaiter.images.reference import DOCKER_HUB, ImageReference, in_library, is_registry
from landwaiter.registry.hosts import api_host

_ANY: Final = "any"


@dataclass(frozen=True, slots=True)
class Place:
    """A registry (`host`, as written), or the part of it below `path`, which may be empty."""

    host: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that a text means. Raises `InvalidInput`, saying what is wanted."""
        host, slash, path = text.partition("/")
        wanted = "a host and perhaps a path is wanted, such as registry.example.com/team"
        if not is_registry(host) or (slash and not path):
            raise InvalidInput(f"{text!r} is no place, {wanted}")
        try:
            ImageReference(host, path or _ANY)
        except InvalidReference as problem:
            raise InvalidInput(f"{text!r} is no place, {wanted}: {problem}") from problem
        return cls(host, path)

    def covers(self, other: "Place") -> bool:
        """Say whether everything of the other place is in this one."""
        return self.remainder(other.host, other.path) is not None

    def remainder(self, host: str, path: str) -> str | None:
        """Return what of a path is below this place, None for what is not in it."""
        if api_host(host) != api_host(self.host):
            return None
        if not self.path or path == self.path:
            return path[len(self.path) :]
        return path.removeprefix(f"{self.path}/") if path.startswith(f"{self.path}/") else None

    def holding(self, reference: ImageReference, remainder: str) -> ImageReference:
        """Return the reference with its repository below this place. Raises `InvalidReference`."""
        below = "/".join(part for part in (self.path, remainder) if part)
        if api_host(self.host) == api_host(DOCKER_HUB):
            below = in_library(below)
        return replace(reference, registry=self.host, repository=below)

    def __str__(self) -> str:
        return f"{self.host}/{self.path}" if self.path else self.host


@dataclass(frozen=True, slots=True)
class Mirror:
    """Names for the same images, and where they are read."""

    signed_as: Place
    pulled_as: tuple[Place, ...] = ()
    read_from: tuple[Place, ...] = ()

    @property
    def names(self) -> tuple[Place, ...]:
        """Every name that the images have."""
        return (self.signed_as, *self.pulled_as)

    @property
    def sources(self) -> tuple[Place, ...]:
        """Where the images are read, in order."""
        return self.read_from or (*self.pulled_as, self.signed_as)


@dataclass(frozen=True, slots=True)
class Mirrors:
    """All mirrors of an install; no image has names of two of them."""

    mirrors: tuple[Mirror, ...] = ()

    def __post_init__(self) -> None:
        """Raise `InvalidInput` where it is not clear what an image's names are."""
        seen: list[Place] = []
        for name in (name for mirror in self.mirrors for name in mirror.names):
            for other in seen:
                if name.covers(other) or other.covers(name):
                    raise InvalidInput(
                        f"mirrors: {name} and {other} have images in common, which can be named "
                        "in one place only"
                    )
            seen.append(name)

    def hosts(self) -> Iterator[str]:
        """Yield the hosts that the admin has named here."""
        for mirror in self.mirrors:
            for place in (*mirror.names, *mirror.read_from):
                yield place.host

    def signed_name(self, reference: ImageReference) -> ImageReference:
        """Return the reference under the name that is signed."""
        found = self._of(reference)
        if found is None:
            return reference
        mirror, _, remainder = found
        return _at(mirror.signed_as, reference, remainder) or reference

    def places(self, reference: ImageReference) -> tuple[ImageReference, ...]:
        """Return what to read for a reference, in order; at least one."""
        found = self._of(reference)
        if found is None:
            return (reference,)
        mirror, name, remainder = found
        first = () if name == mirror.signed_as else (name,)
        here = (_at(place, reference, remainder) for place in (*first, *mirror.sources))
        return tuple(dict.fromkeys(place for place in here if place)) or (reference,)

    def _of(self, reference: ImageReference) -> tuple[Mirror, Place, str] | None:
        for mirror in self.mirrors:
            for name in mirror.names:
                remainder = name.remainder(reference.registry, reference.repository)
                if remainder:
                    return mirror, name, remainder
        return None


def _at(place: Place, reference: ImageReference, remainder: str) -> ImageReference | None:
    """Return the reference as it is called at a place, None where its name is too long there."""
    try:
        return place.holding(reference, remainder)
    except InvalidReference:
        return None


NO_MIRRORS: Final = Mirrors()
