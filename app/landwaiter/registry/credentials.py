"""
Which credentials the kubelet would use for an image.

The keys of a docker config are normalised, globbed host part by host part, and tried in reverse
byte order of the normalised keys, so that `registry.example.com/team` comes before
`registry.example.com`. The path is a raw string prefix: `registry.example.com/team` also covers
`registry.example.com/team-evil`. That is how the kubelet pulls; whether an image may be used is
never decided here. Docker Hub's key counts only where nothing else matched, for every image
whose first part has neither dot nor colon (also `localhost`).

Source: pkg/credentialprovider/keyring.go and util/parsers/parsers.go of Kubernetes 1.36.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from landwaiter.images.reference import ImageReference
from landwaiter.registry.key_urls import covers, normalised_key, parse_schemeless

_DOCKER_HUB_KEY: Final = "index.docker.io"
_DOCKER_HUB_HOSTS: Final = frozenset({"docker.io", "index.docker.io"})


@dataclass(frozen=True, slots=True)
class Credential:
    """
    One entry of a docker config; `key` is as it was written and may hold a user and password.

    User and password are both empty where the entry has neither, which the kubelet then uses.
    `identity_token` is a refresh token; the kubelet does not read it, Landwaiter does.
    """

    key: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to log in with."""
        return not (self.username or self.password or self.identity_token)


def matching_keys(keys: Iterable[str], reference: ImageReference) -> list[str]:
    """
    Return the keys that the kubelet would try for the reference, in its order, as given.

    Keys that normalise to the same text keep the order in which they were given. The tag and
    the digest of the reference play no part.
    """
    given = list(keys)
    return [given[position] for position in matching_positions(given, reference)]


def matching_positions(keys: Iterable[str], reference: ImageReference) -> list[int]:
    """Return where in `keys` the keys stand that the kubelet would try, in its order."""
    image = parse_schemeless(f"{reference.registry}/{reference.repository}")
    if image is None:
        return []
    filed = [
        (normal, position)
        for position, key in enumerate(keys)
        if (normal := normalised_key(key)) is not None
    ]
    matching = [
        (normal, position)
        for normal, position in filed
        if (url := parse_schemeless(normal)) is not None and covers(url, image)
    ]
    if not matching and _is_docker_hub(reference.registry):
        matching = [entry for entry in filed if entry[0] == _DOCKER_HUB_KEY]
    return [position for _, position in sorted(matching, key=_byte_order, reverse=True)]


def _is_docker_hub(registry: str) -> bool:
    """Say whether the kubelet takes this first part of a name for Docker Hub."""
    return registry in _DOCKER_HUB_HOSTS or not ("." in registry or ":" in registry)


def _byte_order(entry: tuple[str, int]) -> bytes:
    return entry[0].encode("utf-8", "surrogateescape")
