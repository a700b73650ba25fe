"""
Tries pull secrets against their registry, and remembers for a while what came of it.

A credential is remembered by a fingerprint. What let it into a repository is an answer for ten
minutes to who takes a remembered one; that a repository is closed to it for one minute, and that an
image is not there for some seconds, so that whoever mends it does not wait. Trying goes on when
whoever asked has no more time, and the next to ask finds what came of it (design, semantics 15).
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from cachetools import TTLCache

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ImageProblem, RegistryUnavailable, Unavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry.access import PullAccess
from landwaiter.registry.credentials import Credential
from landwaiter.registry.fingerprints import fingerprint_of
from landwaiter.registry.hosts import api_host

GRANTED_SECONDS = 600.0
REFUSED_SECONDS = 60.0
NOT_SHOWN_SECONDS = 5.0
REMEMBERED_MAX = 10_000
UNDER_WAY_MAX = 1_000

TRIAL_SECONDS = 45.0
"""A refused request, a token and the request again; one request takes 30 s at most."""

_Repository = tuple[str, str, str]
_Trial = tuple[_Repository, str]
_Result = PullAccess | Failure


class Registry(Protocol):
    """Where credentials are tried."""

    async def pull_access(
        self, reference: ImageReference, credential: Credential, *, owner: str, deadline: Deadline
    ) -> PullAccess:
        """Return what comes of pulling; raises as a fact source does."""
        ...


class PullTrials:
    """
    Trials of credentials. Use it as a context, which ends all of them when it is left.

    `lane_of` tells with which other registries one shares what may wait, as for verifications.
    Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        lane_of: Callable[[str], str] = str.lower,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        # What one namespace's failing logins have paused is nothing to another's trial.
        self._flights: Flights[tuple[_Trial, str], _Result] = Flights(
            UNDER_WAY_MAX, lane_of=lambda key: lane_of(key[0][0][0])
        )
        self._granted: TTLCache[_Repository, PullAccess] = TTLCache(
            REMEMBERED_MAX, GRANTED_SECONDS, clock
        )
        self._refused: TTLCache[_Repository, PullAccess] = TTLCache(
            REMEMBERED_MAX, REFUSED_SECONDS, clock
        )
        self._not_shown: TTLCache[_Trial, PullAccess] = TTLCache(
            REMEMBERED_MAX, NOT_SHOWN_SECONDS, clock
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._flights.close()

    async def outcome(
        self,
        reference: ImageReference,
        credential: Credential,
        *,
        owner: str,
        cached: bool,
        deadline: Deadline,
    ) -> PullAccess:
        """
        Return what comes of pulling an image with a credential. Raises as a fact source does.

        `owner` is the namespace of the Secret. With `cached` a success of the last minutes is taken
        for one.
        """
        login = (credential.username, credential.password, credential.identity_token)
        host = api_host(reference.registry)
        repository = (host, reference.repository, fingerprint_of(host, *login))
        trial = (repository, reference.digest or reference.tag or "latest")
        known = (cached and self._granted.get(repository)) or None
        known = known or self._refused.get(repository) or self._not_shown.get(trial)
        if known is not None:
            return known
        found = await self._flights.join(
            (trial, owner),
            lambda: self._tried(trial, reference, credential, owner),
            deadline=deadline,
        )
        if isinstance(found, Failure):
            raise found.error()
        return found

    async def _tried(
        self, trial: _Trial, reference: ImageReference, credential: Credential, owner: str
    ) -> _Result:
        try:
            outcome = await self._registry.pull_access(
                reference, credential, owner=owner, deadline=Deadline.after(TRIAL_SECONDS)
            )
        except DeadlineExceeded:
            problem = f"trying to pull {reference} took longer than {TRIAL_SECONDS:g} s"
            return Failure(RegistryUnavailable, problem)
        except (ImageProblem, Unavailable) as error:
            return Failure.of(error)
        repository = trial[0]
        if outcome is PullAccess.GRANTED:
            self._granted[repository] = outcome
            return outcome
        self._granted.pop(repository, None)
        if outcome is PullAccess.PULL_REFUSED:
            self._refused[repository] = outcome
        elif outcome is PullAccess.NOT_SHOWN:
            self._not_shown[trial] = outcome
        return outcome
