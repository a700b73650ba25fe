"""
The credentials of a Pod, in the order in which the kubelet would try them.

A keychain is built from the docker configs of several Secrets, in the order in which the Pod or
its ServiceAccount names them. The kubelet files all of them in one keyring, so the key decides
first and the order of the Secrets only between equal keys. What else a node or the install itself
has is asked for when these do not do.

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
from typing import Final, Protocol, Self

from cachetools import LRUCache

from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential, FiledKeys
from landwaiter.registry.mirrors import NO_MIRRORS, Mirrors

_PROCESS_KEY: Final = secrets.token_bytes(32)
"""Fingerprints mean nothing outside this process, so a leaked one cannot be guessed at."""

_NO_CREDENTIALS: Final = "anonymous"
_FURTHER_ALONE: Final = "of the install"

FINGERPRINTS_MAX: Final = 256
"""Fingerprints that a keychain keeps, of the repositories asked about last; 300 bytes each."""


@dataclass(frozen=True, slots=True)
class Given:
    """
    Credentials to try for one image, in order.

    `fault` says why some may be missing, None where none is.
    """

    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    fault: str | None = None


NOTHING_GIVEN: Final = Given()


class FurtherCredentials(Protocol):
    """What is asked when the credentials of a Pod do not do; it remembers what it finds out."""

    async def given(self, reference: ImageReference, *, deadline: Deadline) -> Given:
        """Return what to try for an image besides. Raises `DeadlineExceeded`."""
        ...


@dataclass(frozen=True, slots=True)
class Keychain:
    """
    Credentials, the first Secret's first; equal by content, filed when it is made.

    `mirrors` tell where an image is looked for, each place with its own credentials. `further` are
    the credentials that are tried after those of the Secrets, None where there are none. `owner` is
    the namespace of the Secrets, in which failing logins count.
    """

    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    mirrors: Mirrors = field(default=NO_MIRRORS, repr=False, compare=False)
    further: FurtherCredentials | None = field(default=None, repr=False, compare=False)
    owner: str = field(default="", repr=False, compare=False)
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
        """Return the credentials of the Secrets to try for the reference, in order."""
        return tuple(self.credentials[at] for at in self._filed.positions(reference))

    async def further_candidates(self, reference: ImageReference, *, deadline: Deadline) -> Given:
        """Return what to try when those do not do. Raises `DeadlineExceeded`."""
        if self.further is None:
            return NOTHING_GIVEN
        return await self.further.given(reference, deadline=deadline)

    def fingerprint(self, reference: ImageReference) -> str:
        """
        Return a text that differs where other credentials would be tried for the reference.

        It cannot be turned back, holds within this process only, and is the same for every
        reference and keychain without candidates. Of further credentials it tells only whether
        there may be any: an install has one set of them. Tag and digest play no part in it, so it
        is kept by the rest of the reference.
        """
        key = (reference.registry, reference.repository)
        known = self._fingerprints.get(key)
        if known is None:
            known = self._fingerprints[key] = self._fingerprint(reference)
        return known

    def _fingerprint(self, reference: ImageReference) -> str:
        tried = [self.candidates(place) for place in self.mirrors.places(reference)]
        if not any(tried):
            return _NO_CREDENTIALS if self.further is None else _FURTHER_ALONE
        content = json.dumps(
            [
                [(c.username, c.password, c.identity_token) for c in candidates]
                for candidates in tried
            ]
        )
        digest = hmac.new(_PROCESS_KEY, content.encode(), hashlib.sha256).hexdigest()
        return digest if self.further is None else f"{digest}+"


EMPTY_KEYCHAIN: Final = Keychain()
