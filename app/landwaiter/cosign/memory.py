"""
What has been found out about signatures, for as long as it may be relied on.

Keys are the repository, the digest and the authority's fingerprint (design, semantics 21), never
a tag, an object or a policy's name. A success is true whoever asks, for a signature is public
and a digest does not change. Refusals and faults depend on what the credentials could see, so
they carry the credentials' fingerprint too.

Successes live long, refusals short, faults seconds. Each has a room of its own, so that whoever
can cause refusals without end cannot push successes out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from cachetools import TTLCache

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.outcome import NotVerified, Outcome, Verified
from landwaiter.errors import ImageProblem
from landwaiter.images.reference import ImageReference


class Bounds(NamedTuple):
    """How many entries there may be, and how many bytes all of them may take."""

    entries: int
    total_bytes: int


SUCCESSES = Bounds(50_000, 50_331_648)
"""About 1.2 kB each: more images than a cluster of 5,000 nodes runs."""
REFUSALS = Bounds(5_000, 8_388_608)
FAULTS = Bounds(5_000, 8_388_608)

ENTRY_BYTES = 1_000
"""What an entry takes besides its texts, measured with CPython 3.11."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """
    How long what was found out is relied on, in seconds.

    A refusal lives just long enough to spare a storm of retries; whoever signs an image that
    was refused does not want to wait. A fault lives as long as a client waits before it retries.
    """

    success_seconds: float = 43_200.0
    refusal_seconds: float = 15.0
    fault_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """
    The question whether the authority with this fingerprint has signed this image.

    `subject` has a digest and no tag; `credentials` is the fingerprint of those that its
    repository is read with.
    """

    subject: ImageReference
    authority: str
    credentials: str


Finding = Outcome | Failure
_Key = TypeVar("_Key")
_Found = TypeVar("_Found")
_NOTHING = (None, 0)


class _Room(Generic[_Key, _Found]):
    """Findings of one kind, within bounds."""

    def __init__(self, bounds: Bounds, seconds: float, clock: Callable[[], float]) -> None:
        self._least_bytes = bounds.total_bytes // bounds.entries
        self._kept: TTLCache[_Key, tuple[_Found | None, int]] = TTLCache(
            bounds.total_bytes, seconds, clock, getsizeof=lambda kept: kept[1]
        )

    def get(self, key: _Key) -> _Found | None:
        return self._kept.get(key, _NOTHING)[0]

    def put(self, key: _Key, found: _Found, size_bytes: int) -> None:
        self._kept[key] = (found, max(self._least_bytes, size_bytes))


class Memory:
    """
    Findings by what was asked; the least recently used goes when a room is full.

    A room is full with so many entries, or with so many bytes.

    Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self, lifetimes: Lifetimes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._successes: _Room[tuple[ImageReference, str], Verified] = _Room(
            SUCCESSES, lifetimes.success_seconds, clock
        )
        self._refusals: _Room[Asked, NotVerified | Failure] = _Room(
            REFUSALS, lifetimes.refusal_seconds, clock
        )
        self._faults: _Room[Asked, Failure] = _Room(FAULTS, lifetimes.fault_seconds, clock)

    def recall(self, asked: Asked) -> Finding | None:
        """Return what is known, None where nothing is."""
        return (
            self._successes.get((asked.subject, asked.authority))
            or self._refusals.get(asked)
            or self._faults.get(asked)
        )

    def keep(self, asked: Asked, finding: Finding) -> None:
        """Remember a finding for as long as its kind is relied on."""
        size_bytes = ENTRY_BYTES + 2 * len(str(asked.subject)) + len(asked.credentials)
        match finding:
            case Verified():
                self._successes.put((asked.subject, asked.authority), finding, size_bytes)
            case NotVerified(detail=detail):
                self._refusals.put(asked, finding, size_bytes + len(detail))
            case Failure(kind=kind, message=message) if issubclass(kind, ImageProblem):
                self._refusals.put(asked, finding, size_bytes + len(message))
            case Failure(message=message):
                self._faults.put(asked, finding, size_bytes + len(message))
