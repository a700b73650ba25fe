"""
Which logins at registries have failed of late, so that no account is locked by trying them.

Whoever may write Secrets could have an account locked, by naming its user with wrong passwords. So
logins that a registry has refused are not tried again for `REFUSED_SECONDS`, and no more than
`REFUSED_MAX` of one user and one namespace in that time; logins that are not known to be good are
tried one after another, and good ones a few at once. What is remembered is a fingerprint that holds
within this process only.

Nor may whoever writes Secrets keep other people's from being tried, by naming their user. So
failures count in the namespace of the Secret alone, and a login counts as good for a day, in which
it is tried whatever fails beside it. Names that come with a key or a token, whoever has it, are
nobody's account, so that each password stands alone.

Reading goes by the same memory, with more care for who is let in: everything that is verified
depends on it. A good login that is refused is first taken to be refused for the repository, which
some registries answer so, and when it is refused anywhere it is tried once more after a minute.
That is three failures of a password that was changed, and one of a password that was never right.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from cachetools import TTLCache

from landwaiter.errors import AccessDenied, LoginRefused, RegistryUnavailable
from landwaiter.registry.credentials import Credential
from landwaiter.registry.fingerprints import fingerprint_of

REFUSED_SECONDS: Final = 600.0
"""Accounts are locked after some five failures within some minutes, and the kubelet tries too."""

REFUSED_MAX: Final = 3
DOUBTED_SECONDS: Final = 60.0
"""A login that was good, and is refused: a fault of the registry may be over after that."""

DOUBTS_MAX: Final = 2
"""Refusals in a row of a good login, each perhaps for its repository; more are not."""

CONFIRMED_SECONDS: Final = 10.0
"""Good logins go side by side for so long; then one goes ahead, and the others wait for it."""

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


class LoginNotTried(AccessDenied):
    """A login is taken for refused, for what the registry has said of late."""


@dataclass(frozen=True, slots=True)
class Login:
    """
    A credential at a host, and the account that it could lock, as fingerprints.

    The account is that of an owner: failures of others do not count against it.
    """

    host: str
    fingerprint: str
    account: str

    @classmethod
    def of(cls, host: str, credential: Credential, owner: str) -> "Login":
        """Return the login with a credential."""
        whole = fingerprint_of(
            host, credential.username, credential.password, credential.identity_token
        )
        if credential.username in SHARED_NAMES:
            return cls(host, whole, whole)
        # A directory behind the registry may take other spellings for the same account.
        user = credential.username.strip().casefold()
        return cls(host, whole, fingerprint_of(host, owner, user))


class Logins:
    """What has become of logins; at most `REMEMBERED_MAX` of each kind are remembered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # From when on reading may try it again; a trial never does while it is here.
        self._refused: TTLCache[str, float] = TTLCache(REMEMBERED_MAX, REFUSED_SECONDS, timer=clock)
        self._failures: TTLCache[tuple[str, int], None] = TTLCache(
            REMEMBERED_MAX, REFUSED_SECONDS, timer=clock
        )
        # When it was let in last.
        self._good: TTLCache[str, float] = TTLCache(REMEMBERED_MAX, GOOD_SECONDS, timer=clock)
        self._doubts: TTLCache[str, int] = TTLCache(REMEMBERED_MAX, REFUSED_SECONDS, timer=clock)
        self._closed: TTLCache[tuple[str, str], None] = TTLCache(
            REMEMBERED_MAX, DOUBTED_SECONDS, timer=clock
        )
        self._gates: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def trial(self, login: Login) -> AsyncIterator[None]:
        """Let one trial of an account at a time in, a few of a login that was good of late."""
        is_good = login.fingerprint in self._good
        async with AsyncExitStack() as gates:
            for name in self._waits_for(login):
                gate = self._gate(name, REFUSED_MAX if is_good else 1)
                await gates.enter_async_context(gate)
            yield

    def is_refused(self, login: Login) -> bool:
        """
        Say whether a login was refused of late, so that it is not to be tried.

        Raises `LoginsPaused` where it is not to be tried for what has become of others.
        """
        if login.fingerprint in self._refused:
            return True
        if self._free_place(login) is None and login.fingerprint not in self._good:
            raise LoginsPaused(_too_many_failed(login))
        return False

    def refused(self, login: Login) -> None:
        """Remember that a login was refused, once for all that were under way."""
        was_good = self._good.pop(login.fingerprint, None) is not None
        if self._is_refused_now(login):
            return
        seconds = DOUBTED_SECONDS if was_good else REFUSED_SECONDS
        self._refused[login.fingerprint] = self._clock() + seconds
        self._doubts.pop(login.fingerprint, None)
        self._failures[self._free_place(login) or (login.account, 0)] = None

    def accepted(self, login: Login) -> None:
        """Remember that a login was good."""
        self._good[login.fingerprint] = self._clock()
        self._refused.pop(login.fingerprint, None)
        self._doubts.pop(login.fingerprint, None)

    @asynccontextmanager
    async def turn(self, login: Login, repository: str) -> AsyncIterator[None]:
        """
        Let whoever reads from a repository log in, in the body of the context.

        A login that was let in just now waits for nothing. Any other goes alone, and one that is
        not known to be good waits for others of its account, too; a `LoginRefused` that leaves the
        body is remembered. Raises `LoginNotTried`.
        """
        async with AsyncExitStack() as gates:
            for name in self._waits_for(login):
                await gates.enter_async_context(self._gate(name, 1))
            if self._is_confirmed(login):
                await gates.aclose()
            self._check(login, repository)
            try:
                yield
            except LoginRefused:
                self._refused_in(login, repository)
                raise

    def _waits_for(self, login: Login) -> tuple[str, ...]:
        """Return what a login shares with others that go before it: itself, and its account."""
        if login.fingerprint in self._good or login.account == login.fingerprint:
            return (login.fingerprint,)
        return (login.fingerprint, login.account)

    def _gate(self, name: str, places: int) -> asyncio.Semaphore:
        return self._gates.setdefault((name, places), asyncio.Semaphore(places))

    def _refused_in(self, login: Login, repository: str) -> None:
        doubts = self._doubts.get(login.fingerprint, 0) + 1
        if login.fingerprint in self._good and doubts < DOUBTS_MAX:
            self._doubts[login.fingerprint] = doubts
            self._closed[login.fingerprint, repository] = None
        else:
            self.refused(login)

    def _check(self, login: Login, repository: str) -> None:
        is_closed = (login.fingerprint, repository) in self._closed
        if is_closed or self._is_refused_now(login):
            raise LoginNotTried(
                f"a login at {login.host} was refused in the last {REFUSED_SECONDS / 60:g} minutes "
                f"and is not tried again for {repository}, lest its account be locked"
            )
        if self._free_place(login) is None and login.fingerprint not in self._good:
            raise LoginNotTried(_too_many_failed(login))

    def _is_confirmed(self, login: Login) -> bool:
        """Whether a login was let in just now."""
        last = self._good.get(login.fingerprint)
        return last is not None and self._clock() < last + CONFIRMED_SECONDS

    def _is_refused_now(self, login: Login) -> bool:
        return self._clock() < self._refused.get(login.fingerprint, 0.0)

    def _free_place(self, login: Login) -> tuple[str, int] | None:
        """Return where the next failure of the account is counted, None where there were enough."""
        places = ((login.account, number) for number in range(REFUSED_MAX))
        return next((place for place in places if place not in self._failures), None)


class LoginMemory:
    """
    Logins at registries that the admin has named, and apart from them those at all others.

    Whoever writes Secrets has any number of others to fill a memory with.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._logins = {is_named: Logins(clock) for is_named in (False, True)}

    def of(self, *, is_named: bool) -> Logins:
        """Return the logins at registries of one of the two kinds."""
        return self._logins[is_named]


def _too_many_failed(login: Login) -> str:
    return (
        f"{REFUSED_MAX} logins as one user have failed at {login.host} in the last "
        f"{REFUSED_SECONDS / 60:g} minutes; no other is tried, lest its account be locked"
    )
