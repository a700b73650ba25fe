"""
Resolves tags with the credentials of the workload that names them.

A registry can take longer than one request has. What was begun then goes on within a limit of its
own, and whoever asks again finds what came of it (design, semantics 15): otherwise a slow registry
would never be done, and one that hangs would never be found out to be at fault. A result that
somebody waited for in time is not remembered, for a tag can be moved.
"""

import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from cachetools import TTLCache

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ImageProblem, RegistryUnavailable, Unavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry.keychain import Keychain
from landwaiter.rules.protocol import CurrentDigest, Inquiry
from landwaiter.wiring.keychains import PullSecretReader

RESOLVE_SECONDS = 45.0
"""A refused request, a token and the request again; one request takes 30 s at most."""

LATE_SECONDS = 5.0
"""How long a late result is kept; whoever was told to ask again does so within this time."""

LATE_MAX = 5_000
UNDER_WAY_MAX = 5_000

_Key = tuple[ImageReference, str]
_Result = str | Failure


class Registry(Protocol):
    """Where tags are resolved."""

    async def resolve(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> str:
        """Return the digest of what a reference points to now; raises as a fact source does."""
        ...


class CurrentDigests:
    """
    Which digests tags point to now. Use it as a context, which ends all work when it is left.

    `lane_of` tells with which other registries one shares what may wait, as for verifications.
    Late results are kept by reference and credentials for `LATE_SECONDS`, at most `LATE_MAX`.
    Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        registry: Registry,
        reader: PullSecretReader,
        *,
        lane_of: Callable[[str], str] = str.lower,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._flights: Flights[_Key, _Result] = Flights(
            UNDER_WAY_MAX, lane_of=lambda key: lane_of(key[0].registry)
        )
        self._waiting: Counter[_Key] = Counter()
        self._late: TTLCache[_Key, _Result] = TTLCache(LATE_MAX, LATE_SECONDS, timer=clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._flights.close()

    async def answer(self, question: CurrentDigest, inquiry: Inquiry) -> str:
        """Return the digest that the tag points to now. Raises as a fact source does."""
        return await self._reader.tried(
            inquiry, lambda keychain: self._found(question, keychain, inquiry)
        )

    async def _found(self, question: CurrentDigest, keychain: Keychain, inquiry: Inquiry) -> str:
        key = (question.reference, keychain.fingerprint(question.reference))
        found = self._late.pop(key, None)
        if found is None:
            found = await self._joined(key, keychain, inquiry)
        if isinstance(found, Failure):
            raise found.error()
        return found

    async def _joined(self, key: _Key, keychain: Keychain, inquiry: Inquiry) -> _Result:
        self._waiting[key] += 1
        try:
            return await self._flights.join(
                key,
                lambda: self._resolved(key, keychain),
                deadline=inquiry.deadline,
                namespace=inquiry.workload.namespace,
            )
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _resolved(self, key: _Key, keychain: Keychain) -> _Result:
        found: _Result
        try:
            found = await self._registry.resolve(
                key[0], keychain=keychain, deadline=Deadline.after(RESOLVE_SECONDS)
            )
        except DeadlineExceeded:
            found = Failure(
                RegistryUnavailable, f"resolving {key[0]} took longer than {RESOLVE_SECONDS:g} s"
            )
        except (ImageProblem, Unavailable) as error:
            found = Failure.of(error)
        if not self._waiting[key]:
            self._late[key] = found
        return found
