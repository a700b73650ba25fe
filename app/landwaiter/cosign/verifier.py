"""
Has this authority signed this image? Asked of memory, then of the registry and cosign.

One question is settled like this:

1. What is remembered about repository, digest and authority is the answer.
2. Else, if the same is being found out already, its result is waited for.
3. Else the repository's signatures are fetched, once for all authorities that ask at that time.
4. Nothing there is a refusal. Else cosign judges each format that is there, until one passes.
5. What came out is remembered for as long as its kind may be relied on.

A waiter may give up at its deadline; steps 3 to 5 go on within a limit of their own, so that
asking again finds the result. All tasks are owned here and ended by `close`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Generic, Self

from landwaiter.container import this_container
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.batches import Batches
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.fetching import fetch_material
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.judgement import judge
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.memory import Asked, Finding, Lifetimes, Memory
from landwaiter.cosign.observer import Answered, Observer, Unobserved
from landwaiter.cosign.outcome import NotVerified, Outcome, Verified
from landwaiter.cosign.payloads import SignedName, as_written
from landwaiter.cosign.pieces import KeychainT, Leases, SignatureSource
from landwaiter.cosign.places import ImagePlaces
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.runner import RunLimits
from landwaiter.cosign.sharing import SharedMaterial, credentials_of
from landwaiter.deadline import Deadline
from landwaiter.errors import (
    DeadlineExceeded,
    ImageProblem,
    Unavailable,
)
from landwaiter.images.reference import ImageReference
from landwaiter.sizing import cosign_runs


@dataclass(frozen=True, slots=True)
class VerifierSettings:
    """
    Which cosign runs, and what it may take.

    `runs_at_once` is by default what `sizing.py` says. The signatures of `images_at_once` images
    are in memory, at most 1 MiB each, and of `large_images_at_once` of them 3 MiB more; those of
    one registry have `images_of_one_registry` places, and those that are asked about in one
    namespace `images_of_one_namespace`, so that a slow registry and a busy namespace leave places
    for others. `work_seconds` is the limit of one verification, fetching and waiting for a place
    included; it ends work that nobody asks about any more. `waiting_max` bounds what a flood of
    different images can pile up, and the half of it what images of one registry can.
    """

    program: Path
    runs_at_once: int = field(default_factory=lambda: cosign_runs(this_container()).at_once)
    run_seconds: float = 30.0
    work_seconds: float = 120.0
    images_at_once: int = 64
    images_of_one_registry: int = 48
    images_of_one_namespace: int = 32
    large_images_at_once: int = 8
    waiting_max: int = 5_000
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    temporary_folder: Path | None = None


class SignatureVerifier(Generic[KeychainT]):
    """
    Verifies signatures. Use it as a context: `async with SignatureVerifier(...) as verifier`.

    `lane_of` tells of a registry with which others it shares the places of one registry: those
    that anybody can write into a Pod should have one lane together, or a hundred names of one slow
    host would take all places. `signed_name` gives an image that has several names the one that
    is signed; a signature for any of them is one for all. `program` is open as long as the
    verifier is, and may be shared. Its state is used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        source: SignatureSource[KeychainT],
        settings: VerifierSettings,
        *,
        observer: Observer | None = None,
        lane_of: Callable[[str], str] = str.lower,
        signed_name: SignedName = as_written,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._lane_of = lane_of
        self._settings = settings
        self._observer = observer or Unobserved()
        self._memory = Memory(settings.lifetimes, clock=clock)
        self._clock = clock
        self.program = CosignProgram(
            settings.program,
            RunLimits(settings.runs_at_once, settings.run_seconds),
            self._observer,
            temporary_folder=settings.temporary_folder,
        )
        self._batches = Batches(self.program, signed_name)
        self._places = ImagePlaces(
            in_all=settings.images_at_once,
            of_one_registry=settings.images_of_one_registry,
            of_one_namespace=settings.images_of_one_namespace,
        )
        self._leases = Leases(settings.large_images_at_once)
        self._findings: Flights[Asked, Finding] = Flights(
            settings.waiting_max,
            lane_of=lambda asked: lane_of(asked.subject.registry),
            changed=self._observer.flights_changed,
        )
        self._materials = SharedMaterial(settings.waiting_max)

    async def __aenter__(self) -> Self:
        await self.program.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all work, without leaving a process, a file or a connection."""
        await self._findings.close()
        await self._materials.close()
        await self._batches.close()
        await self.program.close()

    async def version(self, *, deadline: Deadline) -> str:
        """Return cosign's version, as the program does. Raises `CosignUnavailable`."""
        return await self.program.version(deadline=deadline)

    async def verify(
        self,
        subject: ImageReference,
        authority: Authority,
        *,
        keychain: KeychainT,
        deadline: Deadline,
        namespace: str = "",
    ) -> Outcome:
        """
        Return whether the authority has signed the subject, a reference with a digest.

        What is not known yet is found out in the turn of the `namespace`.

        Raises `DeadlineExceeded` while the work goes on, so that asking again finds its result;
        `Unavailable` when it could not be found out; `ImageProblem` when the repository cannot
        be read or holds more than is judged.
        """
        if subject.digest is None:
            raise ValueError(f"{subject} has no digest")
        if not subject.digest.startswith("sha256:"):
            return NotVerified("no signature", "cosign signs sha256 digests, this is another one")
        pinned = subject.without_tag()
        fingerprint = authority.fingerprint(await self.version(deadline=deadline))
        credentials = credentials_of(keychain, pinned, authority.repository)
        asked = Asked(pinned, fingerprint, credentials)
        finding = self._memory.recall(asked)
        if finding is not None:
            self._observer.cache_hit(_answered(finding))
        else:
            self._observer.cache_miss()
            self._places.ask_too(asked, namespace)
            finding = await self._findings.join(
                asked,
                lambda: self._find_out(asked, authority, keychain, namespace),
                deadline=deadline,
                namespace=namespace,
            )
        if isinstance(finding, Failure):
            raise finding.error()
        return finding

    async def _find_out(
        self, asked: Asked, authority: Authority, keychain: KeychainT, namespace: str
    ) -> Finding:
        limit, began = Deadline.after(self._settings.work_seconds), self._clock()
        finding: Finding
        lane = self._lane_of(asked.subject.registry)
        try:
            async with limit.timeout(), self._places.of(lane, namespace, asked):
                material = await self._material(asked, authority.repository, keychain, limit)
                finding = await judge(self._batches, material, authority)
                if isinstance(finding, Verified):
                    finding = replace(finding, at=began)
        except (TimeoutError, DeadlineExceeded):
            finding = Failure(
                Unavailable,
                f"verifying {asked.subject} took longer than {self._settings.work_seconds:g} s",
            )
        except (ImageProblem, Unavailable) as error:
            finding = Failure.of(error)
        self._memory.keep(asked, finding)
        return finding

    async def _material(
        self,
        asked: Asked,
        repository: ImageReference | None,
        keychain: KeychainT,
        limit: Deadline,
    ) -> SignatureMaterial:
        """Return what is fetched once for all authorities that ask about the image meanwhile."""
        return await self._materials.of(
            (asked.subject, repository, asked.credentials),
            lambda: fetch_material(
                self._source,
                asked.subject,
                keychain=keychain,
                deadline=limit,
                leases=self._leases,
                repository=repository,
            ),
            limit=limit,
        )


def _answered(finding: Finding) -> Answered:
    match finding:
        case Verified():
            return "verified"
        case NotVerified():
            return "refused"
        case Failure(kind=kind):
            return "refused" if issubclass(kind, ImageProblem) else "fault"
