"""
What pull secrets hold, read and filed once for each version of a Secret.

Every image of a Pod asks about the same Secrets, for every authority again. Reading a Secret that
somebody made as large as it may be takes 20 ms, on the event loop that answers everybody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cachetools import LRUCache

from landwaiter.cluster.values import Secret
from landwaiter.errors import InvalidDockerConfig
from landwaiter.registry.credentials import Credential, FiledKeys
from landwaiter.registry.docker_config import credentials_of_secret
from landwaiter.registry.keychain import FurtherCredentials, Keychain
from landwaiter.registry.mirrors import NO_MIRRORS, Mirrors

CREDENTIALS_MAX = 20_000
"""Remembered, about 1 kB each; a usual Secret has one."""

KEYCHAINS_MAX = 256
"""Remembered; one for each set of pull secrets that Pods name these days."""

KEYCHAIN_CREDENTIALS_MAX = 3_000
"""In one keychain, the first Secret's first: fifty Secrets could hold fifty thousand."""

_Version = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """The credentials in one Secret; `problem` says why there are none, None where it parses."""

    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    keys: FiledKeys = field(default_factory=lambda: FiledKeys(()), repr=False)
    problem: InvalidDockerConfig | None = None


class DockerConfigs:
    """
    Reads Secrets, and remembers what was in them by namespace, name and resource version.

    The least recently used go when there is more than is remembered. Used on one event loop
    only, so it needs no lock. A Secret without version, from a manifest, is not remembered.
    `mirrors` and `further` credentials are given to every keychain.
    """

    def __init__(
        self, mirrors: Mirrors = NO_MIRRORS, further: FurtherCredentials | None = None
    ) -> None:
        self._mirrors = mirrors
        self._further = further
        self._configs: LRUCache[_Version, DockerConfig] = LRUCache(
            CREDENTIALS_MAX, getsizeof=lambda config: 1 + len(config.credentials)
        )
        self._keychains: LRUCache[tuple[_Version, ...], Keychain] = LRUCache(KEYCHAINS_MAX)

    def knows(self, secret: Secret) -> bool:
        """Whether a Secret has been read already."""
        return bool(secret.resource_version) and _version(secret) in self._configs

    def of(self, secret: Secret) -> DockerConfig:
        """Return what is in a Secret."""
        version = _version(secret)
        config = self._configs.get(version) if secret.resource_version else None
        if config is None:
            config = self._configs[version] = _read(secret)
        return config

    def keychain(self, secrets: Iterable[Secret]) -> Keychain:
        """Return the keychain of Secrets in order; one that does not parse adds nothing."""
        named = tuple(secrets)
        versions = tuple(map(_version, named))
        keychain = None
        if all(secret.resource_version for secret in named):
            keychain = self._keychains.get(versions)
        if keychain is None:
            found = tuple(each for secret in named for each in self.of(secret).credentials)
            owner = named[0].namespace if named else ""
            found = found[:KEYCHAIN_CREDENTIALS_MAX]
            keychain = Keychain(found, self._mirrors, self._further, owner)
            self._keychains[versions] = keychain
        return keychain


def _version(secret: Secret) -> _Version:
    return secret.namespace, secret.name, secret.resource_version


def _read(secret: Secret) -> DockerConfig:
    try:
        credentials = credentials_of_secret(secret.type, secret.data)
    except InvalidDockerConfig as problem:
        return DockerConfig(problem=problem)
    return DockerConfig(credentials, FiledKeys(each.key for each in credentials))
