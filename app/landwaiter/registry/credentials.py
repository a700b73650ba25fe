"""
Which credentials the kubelet would use for an image.

The keys of a docker config are normalised, globbed host part by host part, and tried in reverse
byte order of the normalised keys, so that `registry.example.com/team` comes before
`registry.example.com`. The path is a raw string prefix: `registry.example.com/team` also covers
`registry.example.com/team-evil`. That is how the kubelet pulls; whether an image may be used is
never decided here. Docker Hub's key counts only where nothing else matched, for every image
whose first part has neither dot nor colon (also `localhost`).

Source: pkg/credentialprovider/keyring.go and util/parsers/parsers.go of Kubernetes 1.36.3; 1.37.2
does the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from landwaiter.images.reference import ImageReference
from landwaiter.registry.key_urls import (
    FiledKey,
    KeyURL,
    file_key,
    host_matches,
    is_glob,
    parse_schemeless,
)

_DOCKER_HUB_KEY: Final = "index.docker.io"
_Entry = tuple[int, KeyURL, int]
"""The rank of a key in the kubelet's order, what it is matched as, and where it stood."""

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


class FiledKeys:
    """
    The keys of docker configs, filed once to be matched with many images.

    Anybody may store a Secret with tens of thousands of keys. Filing them takes microseconds a
    key, matching an image looks only at the keys of its own host and at those with wildcards.
    """

    __slots__ = ("_by_host", "_docker_hub", "_globs")

    def __init__(self, keys: Iterable[str]) -> None:
        filed = [(filed, at) for at, key in enumerate(keys) if (filed := file_key(key))]
        filed.sort(key=_byte_order, reverse=True)
        self._docker_hub = [at for key, at in filed if key.text == _DOCKER_HUB_KEY]
        self._by_host: dict[tuple[str, str], list[_Entry]] = {}
        self._globs: list[_Entry] = []
        for rank, (key, at) in enumerate(filed):
            if key.url is None:
                continue
            entry = (rank, key.url, at)
            if is_glob(key.url.name):
                self._globs.append(entry)
            else:
                self._by_host.setdefault((key.url.name, key.url.port), []).append(entry)

    def positions(self, reference: ImageReference) -> list[int]:
        """Return where the keys stood that the kubelet would try, in its order."""
        image = parse_schemeless(f"{reference.registry}/{reference.repository}")
        if image is None:
            return []
        matching = [
            (rank, at)
            for rank, key, at in self._by_host.get((image.name, image.port), ())
            if image.path.startswith(key.path)
        ]
        matching += [
            (rank, at)
            for rank, key, at in self._globs
            if image.path.startswith(key.path)
            and image.port == key.port
            and host_matches(key.name, image.name)
        ]
        if not matching and _is_docker_hub(reference.registry):
            return list(self._docker_hub)
        return [at for _, at in sorted(matching)]

    def names_registry(self, reference: ImageReference) -> bool:
        """Say whether a key is for the reference's registry, whatever its path."""
        image = parse_schemeless(reference.registry)
        return image is not None and (
            (image.name, image.port) in self._by_host
            or any(
                image.port == key.port and host_matches(key.name, image.name)
                for _, key, _ in self._globs
            )
        )


class ImageCoverage:
    """
    The images that a kubelet's credential provider is asked for.

    Each pattern is one of `matchImages` in a `CredentialProviderConfig`: host parts are globbed
    one by one, ports have to be equal, and the path is a plain prefix. Raises `ValueError` for a
    pattern that the kubelet would not take.
    """

    __slots__ = ("_patterns",)

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(map(_match_image, patterns))

    def covers(self, reference: ImageReference) -> bool:
        """Say whether a provider is asked for the image."""
        image = parse_schemeless(f"{reference.registry}/{reference.repository}")
        return image is not None and any(
            image.path.startswith(each.path)
            and image.port == each.port
            and host_matches(each.name, image.name)
            for each in self._patterns
        )


def _match_image(pattern: str) -> KeyURL:
    url = parse_schemeless(pattern)
    if url is None or not url.name or "://" in pattern:
        raise ValueError(f'"{pattern:.200}" given, an image of `matchImages` is wanted')
    return url


def matching_keys(keys: Iterable[str], reference: ImageReference) -> list[str]:
    """
    Return the keys that the kubelet would try for the reference, in its order, as given.

    Keys that normalise to the same text keep the order in which they were given. The tag and
    the digest of the reference play no part.
    """
    given = list(keys)
    return [given[at] for at in FiledKeys(given).positions(reference)]


def _is_docker_hub(registry: str) -> bool:
    """Say whether the kubelet takes this first part of a name for Docker Hub."""
    return registry in _DOCKER_HUB_HOSTS or not ("." in registry or ":" in registry)


def _byte_order(entry: tuple[FiledKey, int]) -> bytes:
    return entry[0].text.encode("utf-8", "surrogateescape")
