"""
Which logins at registries have failed of late, so that no account is locked by trying them.

Whoever may write Secrets could have an account locked, by naming its user with wrong passwords. So
logins that a registry has refused are not tried again for `REFUSED_SECONDS`, and no more than
`REFUSED_MAX` of one user in that time; logins of one user that are not known to be good are tried
one after another, and good ones a few at once. What is remembered is a fingerprint that holds
within this process only.

Nor may whoever writes Secrets keep other people's from being tried, by naming their user. So a
login counts as good for a day, in which it is tried whatever fails beside it; and names that come
with a key or a token, whoever has it, are nobody's account, so that each password stands alone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from cachetools import TTLCache

from landwaiter.errors import RegistryUnavailable
from landwaiter.registry.credentials import Credential
from landwaiter.registry.fingerprints import fingerprint_of

REFUSED_SECONDS: Final = 600.0
"""Accounts are locked after some five failures within some minutes, and the kubelet tries too."""

REFUSED_MAX: Final = 3
GOOD_SECONDS: Final = 86_400.0
"""What a login that ends meanwhile costs is one more that fails, after which it is known as bad."""

SHARED_NAMES: Final = frozenset(
    {
        "",
        "$oauthtoken",
        "00000000-0000-0000-0000-000000000000",
        "<token>",
        "AWS",
        "_json_key",
        "_json_key_base64",
        "gitlab-ci-token",
        "iamapikey",
        "oauth2accesstoken",
    }
)
"""
User names that come with a key or a token, whoever has it.

Source: "Private registry authentication" of Amazon ECR, Google's Artifact Registry, Azure's ACR,
GitLab, Quay and IBM Cloud, and what `docker login` writes (read November 2026).
"""

REMEMBERED_MAX = 10_000


class LoginsPaused(RegistryUnavailable):
    """Too many logins as one user have failed for another to be tried now."""


@dataclass(frozen=True, slots=True)
class Login:
    """A credential at a host, and the account that it could lock, as fingerprints."""

    host: str
    fingerprint: str
    account: str

    @classmethod
    def of(cls, host: str, credential: Credential) -> "Login":
        """Return the login with a credential."""
        whole = fingerprint_of(
            host, credential.username, credential.password, credential.identity_token
        )
        if credential.username in SHARED_NAMES:
            return cls(host, whole, whole)
        # A directory behind the registry may take other spellings for the same account.
        return cls(host, whole, fingerprint_of(host, credential.username.strip().casefold()))


class Logins:
    """What has become of logins; at most `REMEMBERED_MAX` of each kind are remembered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._refused: TTLCache[str, None] = TTLCache(REMEMBERED_MAX, REFUSED_SECONDS, timer=clock)
        self._failures: TTLCache[tuple[str, int], None] = TTLCache(
            REMEMBERED_MAX, REFUSED_SECONDS, timer=clock
        )
        self._good: TTLCache[str, None] = TTLCache(REMEMBERED_MAX, GOOD_SECONDS, timer=clock)
        self._gates: WeakValueDictionary[tuple[str, bool], asyncio.Semaphore] = (
            WeakValueDictionary()
        )

    def gate(self, login: Login) -> asyncio.Semaphore:
        """Return what lets in one login of a user at a time, a few where it was good of late."""
        is_good = login.fingerprint in self._good
        return self._gates.setdefault(
            (login.account, is_good), asyncio.Semaphore(REFUSED_MAX if is_good else 1)
        )

    def is_refused(self, login: Login) -> bool:
        """
        Say whether a login was refused of late, so that it is not to be tried.

        Raises `LoginsPaused` where it is not to be tried for what has become of others.
        """
        if login.fingerprint in self._refused:
            return True
        if self._free_place(login) is None and login.fingerprint not in self._good:
            raise LoginsPaused(
                f"{REFUSED_MAX} logins as one user have failed at {login.host} in the last "
                f"{REFUSED_SECONDS / 60:g} minutes; no other is tried, lest its account be locked"
            )
        return False

    def refused(self, login: Login) -> None:
        """Remember that a login was refused."""
        self._good.pop(login.fingerprint, None)
        self._refused[login.fingerprint] = None
        self._failures[self._free_place(login) or (login.account, 0)] = None

    def accepted(self, login: Login) -> None:
        """Remember that a login was good."""
        self._good[login.fingerprint] = None

    def _free_place(self, login: Login) -> tuple[str, int] | None:
        """Return where the next failure of the account is counted, None where there were enough."""
        places = ((login.account, number) for number in range(REFUSED_MAX))
        return next((place for place in places if place not in self._failures), None)
