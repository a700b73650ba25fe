"""
Finds the statements of one type that an authority has signed about an image.

One question is settled like one about signatures (`verifier.py`): from memory, by joining whoever
finds it out already, or by fetching, and by cosign. But what is remembered is what was there then.
Where that is not enough for whoever asks, and is not of this moment, it is found out anew: somebody
may have attached what was missing.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Generic, Self

from cachetools import TTLCache

from landwaiter.cosign.attestation_fetching import fetch_attestations
from landwaiter.cosign.attestation_judging import Attested, judge_attestations
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.memory import Lifetimes
from landwaiter.cosign.pieces import KeychainT, Leases, SignatureSource
from landwaiter.cosign.places import ImagePlaces
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.sharing import SharedMaterial, credentials_of
from landwaiter.cosign.statements import Attestation
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ImageProblem, Unavailable
from landwaiter.images.reference import ImageReference

REMEMBERED_MAX_BYTES = 67_108_864
"""Statements that are remembered: a hundred reports, or six of the longest lists of packages."""

ENTRY_BYTES = 2_000
"""What a finding takes besides its statements."""

REFUSALS_MAX_BYTES = 8_388_608
FAULTS_MAX_BYTES = 33_554_432
"""More than refusals, for statements that were found may stand beside a fault."""

NOT_SHA256 = Attested((), "cosign signs sha256 digests, this is another one")


@dataclass(frozen=True, slots=True)
class AttestationSettings:
    """
    What judging attestations may take.

    Of `images_at_once` images the attestations are in memory, at most 1 MiB each, and of
    `large_images_at_once` of them 23 MiB more; a run of cosign takes as much again. The rest is as
    in `VerifierSettings`.
    """

    images_at_once: int = 32
    images_of_one_registry: int = 12
    images_of_one_namespace: int = 8
    large_images_at_once: int = 4
    work_seconds: float = 120.0
    waiting_max: int = 5_000
    lifetimes: Lifetimes = field(default_factory=Lifetimes)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The question which statements of a type this authority has signed about this image."""

    subject: ImageReference
    authority: str
    predicate_type: str


Enough = Callable[[Sequence[Attestation]], Awaitable[bool]]
"""Tells whether more attestations would change anything."""

_Key = tuple[_Asked, str]
"""A question, and the credentials that the answer was read with."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out, and when."""

    found: Attested
    at: float


class AttestationVerifier(Generic[KeychainT]):
    """
    Verifies attestations. Use it as a context, within that of whoever opened the `program`.

    `lane_of` is as with `SignatureVerifier`. Its state is used on one event loop only, so it needs
    no lock.
    """

    def __init__(
        self,
        source: SignatureSource[KeychainT],
        program: CosignProgram,
        settings: AttestationSettings | None = None,
        *,
        lane_of: Callable[[str], str] = str.lower,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings = settings or AttestationSettings()
        self._source = source
        self._program = program
        self._lane_of = lane_of
        self._clock = clock
        self._places = ImagePlaces(
            in_all=settings.images_at_once,
            of_one_registry=settings.images_of_one_registry,
            of_one_namespace=settings.images_of_one_namespace,
        )
        self._leases = Leases(settings.large_images_at_once)
        self._materials = SharedMaterial(settings.waiting_max)
        self._flights: Flights[_Key, _Known | Failure] = Flights(
            settings.waiting_max, lane_of=lambda key: lane_of(key[0].subject.registry)
        )
        lifetimes = settings.lifetimes
        self._successes: TTLCache[_Asked, _Known] = TTLCache(
            REMEMBERED_MAX_BYTES, lifetimes.success_seconds, clock, _size_bytes
        )
        self._refusals: TTLCache[_Key, _Known | Failure] = TTLCache(
            REFUSALS_MAX_BYTES, lifetimes.refusal_seconds, clock, _size_bytes
        )
        self._faults: TTLCache[_Key, _Known | Failure] = TTLCache(
            FAULTS_MAX_BYTES, lifetimes.fault_seconds, clock, _size_bytes
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
        await self._materials.close()

    async def verify(
        self,
        subject: ImageReference,
        authority: Authority,
        predicate_type: str,
        *,
        enough: Enough,
        keychain: KeychainT,
        deadline: Deadline,
        namespace: str,
    ) -> Attested:
        """
        Return what the authority has attested of the subject, a reference with a digest.

        What is `enough` may be older than a moment. `namespace` is as with `SignatureVerifier`.
        Raises as its `verify` does, and where there is not enough and it is not known whether
        there is more.
        """
        if subject.digest is None:
            raise ValueError(f"{subject} has no digest")
        if not subject.digest.startswith("sha256:"):
            return NOT_SHA256
        pinned = replace(subject, tag=None)
        fingerprint = authority.fingerprint(await self._program.version(deadline=deadline))
        credentials = credentials_of(keychain, pinned, authority.repository)
        key = (_Asked(pinned, fingerprint, predicate_type), credentials)
        known = await self._recall(key, enough)
        if known is None:
            self._places.ask_too(key, namespace)
            known = await self._flights.join(
                key,
                lambda: self._find_out(key, authority, keychain, namespace),
                deadline=deadline,
                namespace=namespace,
            )
        if isinstance(known, Failure):
            raise known.error()
        if known.found.fault is not None and not await enough(known.found.attestations):
            raise known.found.fault.error()
        return known.found

    def age_seconds(self, found: Attested) -> float:
        """Return how long ago it was begun to find that out."""
        return self._clock() - found.at

    async def _recall(self, key: _Key, enough: Enough) -> _Known | Failure | None:
        known = self._successes.get(key[0])
        if known is not None:
            of_this_moment = self._clock() - known.at < self._settings.lifetimes.refusal_seconds
            if of_this_moment or await enough(known.found.attestations):
                return known
        return self._refusals.get(key) or self._faults.get(key)

    async def _find_out(
        self, key: _Key, authority: Authority, keychain: KeychainT, namespace: str
    ) -> _Known | Failure:
        asked = key[0]
        limit, began = Deadline.after(self._settings.work_seconds), self._clock()
        lane = self._lane_of(asked.subject.registry)
        try:
            async with limit.timeout(), self._places.of(lane, namespace, key):
                material = await self._material(key, authority.repository, keychain, limit)
                found = await judge_attestations(
                    self._program, material, authority, asked.predicate_type
                )
        except (TimeoutError, DeadlineExceeded):
            return self._keep_failure(
                key,
                Failure(
                    Unavailable,
                    f"verifying the attestations of {asked.subject} took longer than "
                    f"{self._settings.work_seconds:g} s",
                ),
            )
        except (ImageProblem, Unavailable) as error:
            return self._keep_failure(key, Failure.of(error))
        return self._keep(key, _Known(replace(found, at=began), self._clock()))

    async def _material(
        self,
        key: _Key,
        repository: ImageReference | None,
        keychain: KeychainT,
        limit: Deadline,
    ) -> SignatureMaterial:
        """Return what is fetched once for all authorities that ask for the type meanwhile."""
        asked, credentials = key
        return await self._materials.of(
            (asked.subject, asked.predicate_type, repository, credentials),
            lambda: fetch_attestations(
                self._source,
                asked.subject,
                asked.predicate_type,
                keychain=keychain,
                deadline=limit,
                leases=self._leases,
                repository=repository,
            ),
            limit=limit,
        )

    def _keep(self, key: _Key, known: _Known) -> _Known:
        if known.found.fault is not None:
            self._faults[key] = known
        elif not known.found.attestations:
            self._refusals[key] = known
            self._successes.pop(key[0], None)
        else:
            self._successes[key[0]] = known
        return known

    def _keep_failure(self, key: _Key, failure: Failure) -> Failure:
        kept = self._refusals if issubclass(failure.kind, ImageProblem) else self._faults
        kept[key] = failure
        return failure


def _size_bytes(known: _Known | Failure) -> int:
    """Return how much room a finding takes."""
    if isinstance(known, Failure):
        return ENTRY_BYTES + len(known.message)
    statements = sum(len(each.statement) for each in known.found.attestations)
    return ENTRY_BYTES + len(known.found.detail) + statements
