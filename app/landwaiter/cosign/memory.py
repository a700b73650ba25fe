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

from cachetools import TTLCache

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.outcome import NotVerified, Outcome, Verified
from landwaiter.errors import ImageProblem
from landwaiter.images.reference import ImageReference

SUCCESSES_MAX = 50_000
"""About 1 kB each: more images than a cluster of 5,000 nodes runs."""
REFUSALS_MAX = 5_000
FAULTS_MAX = 5_000


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


class Memory:
    """
    Findings by what was asked; the least recently used goes when a room is full.

    Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self, lifetimes: Lifetimes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._successes: TTLCache[tuple[ImageReference, str], Verified] = TTLCache(
            SUCCESSES_MAX, lifetimes.success_seconds, clock
        )
        self._refusals: TTLCache[Asked, NotVerified | Failure] = TTLCache(
            REFUSALS_MAX, lifetimes.refusal_seconds, clock
        )
        self._faults: TTLCache[Asked, Failure] = TTLCache(
            FAULTS_MAX, lifetimes.fault_seconds, clock
        )

    def recall(self, asked: Asked) -> Finding | None:
        """Return what is known, None where nothing is."""
        return (
            self._successes.get((asked.subject, asked.authority))
            or self._refusals.get(asked)
            or self._faults.get(asked)
        )

    def keep(self, asked: Asked, finding: Finding) -> None:
        """Remember a finding for as long as its kind is relied on."""
        if isinstance(finding, Verified):
            self._successes[asked.subject, asked.authority] = finding
        elif isinstance(finding, NotVerified) or issubclass(finding.kind, ImageProblem):
            self._refusals[asked] = finding
        else:
            self._faults[asked] = finding
