"""
The credentials of a Pod, in the order in which the kubelet would try them.

A keychain is built from the docker configs of several Secrets, in the order in which the Pod or
its ServiceAccount names them. The kubelet files all of them in one keyring, so the key decides
first and the order of the Secrets only between equal keys.

Source: secretsToTrackedDockerConfigs in pkg/credentialprovider/secrets/secrets.go and `Lookup` in
pkg/credentialprovider/keyring.go of Kubernetes 1.36.3.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Self

from cachetools import LRUCache

from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential, FiledKeys
from landwaiter.registry.mirrors import NO_MIRRORS, Mirrors

_PROCESS_KEY: Final = secrets.token_bytes(32)
"""Fingerprints mean nothing outside this process, so a leaked one cannot be guessed at."""

_NO_CREDENTIALS: Final = "anonymous"

FINGERPRINTS_MAX: Final = 256
"""Fingerprints that a keychain keeps, of the repositories asked about last; 300 bytes each."""


@dataclass(frozen=True, slots=True)
class Keychain:
    """
    Credentials, the first Secret's first; equal by content, filed when it is made.

    `mirrors` tell where an image is looked for, each place with its own credentials.
    """

    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    mirrors: Mirrors = field(default=NO_MIRRORS, repr=False, compare=False)
    _filed: FiledKeys = field(init=False, repr=False, compare=False)
    _fingerprints: LRUCache[tuple[str, str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        filed = FiledKeys(credential.key for credential in self.credentials)
        object.__setattr__(self, "_filed", filed)
        object.__setattr__(self, "_fingerprints", LRUCache(FINGERPRINTS_MAX))

    @classmethod
    def of_secrets(
        cls, secrets_in_order: Iterable[Iterable[Credential]], mirrors: Mirrors = NO_MIRRORS
    ) -> Self:
        """Return the keychain of several Secrets' credentials, merged as the kubelet does."""
        return cls(tuple(chain.from_iterable(secrets_in_order)), mirrors)

    def candidates(self, reference: ImageReference) -> tuple[Credential, ...]:
        """Return the credentials to try for the reference, in order; empty means anonymously."""
        return tuple(self.credentials[at] for at in self._filed.positions(reference))

    def fingerprint(self, reference: ImageReference) -> str:
        """
        Return a text that differs where other credentials would be tried for the reference.

        It cannot be turned back, holds within this process only, and is the same for every
        reference and keychain without candidates. Tag and digest play no part in it, so it is kept
        by the rest of the reference.
        """
        key = (reference.registry, reference.repository)
        known = self._fingerprints.get(key)
        if known is None:
            known = self._fingerprints[key] = self._fingerprint(reference)
        return known

    def _fingerprint(self, reference: ImageReference) -> str:
        tried = [self.candidates(place) for place in self.mirrors.places(reference)]
        if not any(tried):
            return _NO_CREDENTIALS
        content = json.dumps(
            [
                [(c.username, c.password, c.identity_token) for c in candidates]
                for candidates in tried
            ]
        )
        return hmac.new(_PROCESS_KEY, content.encode(), hashlib.sha256).hexdigest()


EMPTY_KEYCHAIN: Final = Keychain()
