"""
Verifies images for several platforms: the index, each image in it, or both, as the policy says.

A signature on an index is good for what the index lists, since its digest holds the digests of the
images in it; one on an image is good for that image alone. A single image is judged by itself
whatever the policy says.

What an index lists does not change, so it is remembered as long as a signature is, for the
credentials that it was read with. Its images are verified a few at a time, each as if it had been
asked about: whoever runs out of time finds those again that have been verified meanwhile.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Any, Generic, Protocol, Self

from cachetools import TTLCache

from landwaiter.cosign.authority import Authority
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.memory import Lifetimes
from landwaiter.cosign.outcome import NotVerified, Outcome, Verified
from landwaiter.cosign.pieces import KeychainT, KeychainT_contra
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMalformed, DeadlineExceeded, ImageProblem, Unavailable
from landwaiter.images.reference import ImageReference

IMAGES_MAX = 64
"""Images of one index; Docker's own images are for a dozen platforms."""

IMAGES_AT_ONCE = 8
"""Images of one index that are verified at the same time, for one request."""

INDEXES_MAX = 20_000
"""About 1 kB each, for a dozen platforms."""

LISTING_SECONDS = 45.0
"""A refused request, a token, and the request again; one request takes 30 s at most."""


class Covers(StrEnum):
    """What of an image for several platforms has to be signed."""

    INDEX = "Index"
    """What was asked about: the index, for what it lists."""
    PLATFORMS = "Platforms"
    """Each image that the index lists."""
    BOTH = "Both"
    """The index and each image."""


class Verifier(Protocol[KeychainT_contra]):
    """Whoever verifies one digest."""

    async def verify(
        self,
        subject: ImageReference,
        authority: Authority,
        *,
        keychain: KeychainT_contra,
        deadline: Deadline,
        namespace: str,
    ) -> Outcome:
        """Return whether the authority has signed the subject itself, for a namespace."""
        ...


class Lister(Protocol[KeychainT_contra]):
    """Where it is read what an index lists; handed over by wiring."""

    async def images_in(
        self, subject: ImageReference, *, keychain: KeychainT_contra, deadline: Deadline
    ) -> tuple[str, ...] | None:
        """
        Return the digests of the images in an index, None for a single image.

        Raises `ImageProblem`, `Unavailable`, and `DeadlineExceeded` at the deadline.
        """
        ...


_Key = tuple[ImageReference, str]
_Listed = tuple[str, ...] | None


class IndexVerifier(Generic[KeychainT]):
    """
    Verifies indexes and single images. Use it as a context, which ends all work when it is left.

    Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        verifier: Verifier[KeychainT],
        lister: Lister[KeychainT],
        *,
        lifetimes: Lifetimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        lifetimes = lifetimes or Lifetimes()
        self._verifier = verifier
        self._lister = lister
        self._flights: Flights[_Key, _Listed | Failure] = Flights(INDEXES_MAX)
        self._listed: TTLCache[_Key, tuple[_Listed]] = TTLCache(
            INDEXES_MAX, lifetimes.success_seconds, clock
        )
        self._problems: TTLCache[_Key, Failure] = TTLCache(
            INDEXES_MAX, lifetimes.refusal_seconds, clock
        )
        self._faults: TTLCache[_Key, Failure] = TTLCache(
            INDEXES_MAX, lifetimes.fault_seconds, clock
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

    async def verify(
        self,
        subject: ImageReference,
        authority: Authority,
        covers: Covers,
        *,
        keychain: KeychainT,
        deadline: Deadline,
        namespace: str,
    ) -> Outcome:
        """
        Return whether the authority has signed what has to be signed of the subject.

        Raises as `SignatureVerifier.verify` does.
        """

        async def verified(each: ImageReference) -> Outcome:
            return await self._verifier.verify(
                each, authority, keychain=keychain, deadline=deadline, namespace=namespace
            )

        if covers is Covers.INDEX:
            return await verified(subject)
        images = await self._images_in(subject, keychain, deadline, namespace)
        if images is None:
            return await verified(subject)
        if len(images) > IMAGES_MAX:
            raise ContentMalformed(
                f"{subject} lists {len(images)} images; at most {IMAGES_MAX} are judged"
            )
        digests = dict.fromkeys((str(subject.digest), *images) if covers is Covers.BOTH else images)
        places = asyncio.Semaphore(IMAGES_AT_ONCE)

        async def in_turn(digest: str) -> Outcome:
            async with places:
                return await verified(subject.with_digest(digest))

        return _all_of(
            tuple(digests), await _each(*(in_turn(digest) for digest in digests)), subject
        )

    async def _images_in(
        self, subject: ImageReference, keychain: KeychainT, deadline: Deadline, namespace: str
    ) -> _Listed:
        pinned = subject.without_tag()
        key = (pinned, keychain.fingerprint(pinned))
        if (known := self._listed.get(key)) is not None:
            return known[0]
        found: _Listed | Failure = self._problems.get(key) or self._faults.get(key)
        if found is None:
            found = await self._flights.join(
                key,
                lambda: self._list(key, keychain),
                deadline=deadline,
                namespace=namespace,
            )
        if isinstance(found, Failure):
            raise found.error()
        return found

    async def _list(self, key: _Key, keychain: KeychainT) -> _Listed | Failure:
        try:
            listed = await self._lister.images_in(
                key[0], keychain=keychain, deadline=Deadline.after(LISTING_SECONDS)
            )
        except DeadlineExceeded:
            problem = f"reading {key[0]} took longer than {LISTING_SECONDS:g} s"
            failure = self._faults[key] = Failure(Unavailable, problem)
            return failure
        except ImageProblem as error:
            failure = self._problems[key] = Failure.of(error)
            return failure
        except Unavailable as error:
            failure = self._faults[key] = Failure.of(error)
            return failure
        self._listed[key] = (listed,)
        return listed


async def _each(*work: Coroutine[Any, Any, Outcome]) -> list[Outcome | Exception]:
    """Return what came of each, in order; a failure of one ends no other."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ImageProblem | Unavailable):
            raise result
    return [result for result in results if isinstance(result, Outcome | Exception)]


def _all_of(
    digests: Sequence[str], results: Sequence[Outcome | Exception], subject: ImageReference
) -> Outcome:
    """Return a refusal if there is one, else raise a failure, else the oldest success."""
    refused = [
        (digest, result)
        for digest, result in zip(digests, results, strict=True)
        if isinstance(result, NotVerified)
    ]
    if refused:
        digest, first = refused[0]
        what = "the index" if digest == subject.digest else f"the image {digest} in it"
        more = f", and {len(refused) - 1} more are not signed" if len(refused) > 1 else ""
        return NotVerified(first.reason, f"{what}: {first.detail}{more}")
    for kind in (ImageProblem, Unavailable):
        for result in results:
            if isinstance(result, kind):
                raise result
    verified = (result for result in results if isinstance(result, Verified))
    return min(verified, key=lambda result: result.at)
