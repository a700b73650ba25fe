"""
Reads pieces of a repository, one and all within limits.

Everything here is untrusted: descriptors claim what they like, and whoever may push can attach
whatever they like. What is broken, missing, too large or of no use is left out and noted, so that
nobody can hide a good piece behind a bad one; leaving out can only refuse. Too many or too much in
total is `ContentMalformed`, a refusal too (design, semantics 14). That a registry denies access or
does not work is not papered over: the caller learns of it.
"""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.vetting import UnusableError
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMalformed, ContentMissing, ImageProblem, Unavailable
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.reference import ImageReference

FETCHES_AT_ONCE = 8
"""Requests under way for one image: kind to registries, and 500 still come in a few seconds."""


class Keychain(Protocol):
    """Credentials, of which only one thing is known here: whether they are the same."""

    def fingerprint(self, reference: ImageReference) -> str:
        """Return a text that differs where other credentials would be tried for the reference."""
        ...


KeychainT_contra = TypeVar("KeychainT_contra", bound=Keychain, contravariant=True)
KeychainT = TypeVar("KeychainT", bound=Keychain)
_Piece = TypeVar("_Piece")


class SignatureSource(Protocol[KeychainT_contra]):
    """
    Where content of repositories is fetched; the registry client, handed over by wiring.

    Its methods raise `ContentMissing`, `AccessDenied`, `ContentMalformed`, `Unavailable`, and
    `DeadlineExceeded` at the deadline. What they return has been checked against its digest.
    """

    async def manifest(
        self, reference: ImageReference, *, keychain: KeychainT_contra, deadline: Deadline
    ) -> Manifest:
        """Return the manifest that a tag or digest names."""
        ...

    async def referrers(
        self, reference: ImageReference, *, keychain: KeychainT_contra, deadline: Deadline
    ) -> tuple[Descriptor, ...]:
        """Return what says that it refers to the digest, also by the fallback tag."""
        ...

    async def blob(
        self,
        reference: ImageReference,
        descriptor: Descriptor,
        *,
        limit_bytes: int,
        keychain: KeychainT_contra,
        deadline: Deadline,
    ) -> bytes:
        """Return content of the reference's repository."""
        ...


@dataclass(frozen=True, slots=True)
class PieceLimits:
    """
    How many pieces there may be of one kind, and how many bytes they may have.

    Up to `easy_bytes` need no leave; from there on up to `total_bytes` an image needs a lease.
    People are told of them as `one` and `many`.
    """

    pieces: int
    piece_bytes: int
    easy_bytes: int
    total_bytes: int
    one: str = "a signature"
    many: str = "signatures"


class Lease:
    """The right to hold much of one image in memory; given back when nobody holds it any more."""


class Leases:
    """A bounded number of leases. Used on one event loop only, so it needs no lock."""

    def __init__(self, limit: int) -> None:
        self._free = asyncio.Semaphore(limit)

    async def take(self) -> Lease:
        """Wait for a lease."""
        await self._free.acquire()
        lease = Lease()
        weakref.finalize(lease, self._free.release).atexit = False
        return lease


@dataclass(slots=True)
class Found(Generic[_Piece]):
    """
    The usable pieces of one format, and what the others are, in the order listed.

    With a `failure` there are none, and nobody knows whether there should be.
    """

    pieces: list[_Piece] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failure: Failure | None = None


async def settled(reading: Awaitable[Found[_Piece]]) -> Found[_Piece]:
    """Return what was found of one format, or why it could not be read."""
    try:
        return await reading
    except (ImageProblem, Unavailable) as error:
        return Found(failure=Failure.of(error))


def unread(bundles: Failure | None, old: Failure | None) -> Failure | None:
    """Return why a format could not be read, None where both could. Raises it for both."""
    if bundles is None or old is None:
        return bundles or old
    # The format that met a fault could hold a good piece, so a fault goes before a refusal.
    fault = bundles if issubclass(bundles.kind, Unavailable) else old
    raise fault.error()


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """What a piece is that is not judged."""

    reason: str


class PieceReader(Generic[KeychainT]):
    """
    Reads what is beside one image, with its budget of bytes and of requests at once.

    `beside` is the digest in the repository where that is looked for, which is mostly the image's
    own. It holds the `lease` that it took, if it took one.
    """

    def __init__(
        self,
        source: SignatureSource[KeychainT],
        beside: ImageReference,
        limits: PieceLimits,
        leases: Leases,
        *,
        keychain: KeychainT,
        deadline: Deadline,
    ) -> None:
        self._source = source
        self.beside = beside
        self._limits = limits
        self._leases = leases
        self._keychain = keychain
        self._deadline = deadline
        self._places = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._leasing = asyncio.Lock()
        self._spent_bytes = 0
        self.lease: Lease | None = None

    async def referrers(self) -> tuple[Descriptor, ...]:
        """Return what says that it refers to the digest, each digest once."""
        referrers = await self._source.referrers(
            self.beside, keychain=self._keychain, deadline=self._deadline
        )
        return tuple({each.digest: each for each in referrers}.values())

    async def tagged(self, ending: str) -> Manifest:
        """Return the manifest of the tag that cosign makes of the digest and an ending."""
        tag = f"{str(self.beside.digest).replace(':', '-')}.{ending}"
        return await self._manifest(replace(self.beside, tag=tag, digest=None))

    async def manifest_of(self, referrer: Descriptor) -> Manifest:
        """Return the manifest of a referrer."""
        return await self._manifest(self.beside.with_digest(referrer.digest))

    async def blob(self, descriptor: Descriptor) -> bytes:
        """Return a piece. Raises `UnusableError` when it says that it is too large."""
        limit_bytes = self._limits.piece_bytes
        if descriptor.size > limit_bytes:
            raise UnusableError(
                f"{self._limits.one} of {descriptor.size} bytes, at most {limit_bytes} are judged"
            )
        content = await self._source.blob(
            self.beside,
            descriptor,
            limit_bytes=limit_bytes,
            keychain=self._keychain,
            deadline=self._deadline,
        )
        await self.spend(len(content))
        return content

    async def spend(self, size_bytes: int) -> None:
        """Take note of bytes that are held from now on."""
        self._spent_bytes += size_bytes
        if self._spent_bytes > self._limits.total_bytes:
            raise _OverTotalError(
                f"the {self._limits.many} of {self.beside} have over "
                f"{self._limits.total_bytes} bytes, which is more than is judged"
            )
        if self._spent_bytes > self._limits.easy_bytes:
            async with self._leasing:
                if self.lease is None:
                    self.lease = await self._leases.take()

    async def each(
        self,
        fetch: Callable[[Descriptor], Awaitable[_Piece]],
        descriptors: Sequence[Descriptor],
        what: str | None = None,
    ) -> Found[_Piece]:
        """Return what is usable of the pieces, in order. Raises for what is not to be got over."""
        if len(descriptors) > self._limits.pieces:
            raise ContentMalformed(
                f"{self.beside} has {len(descriptors)} {what or self._limits.many}; "
                f"at most {self._limits.pieces} are judged"
            )
        found: Found[_Piece] = Found()
        for piece in await together(*(self._usable(fetch, each) for each in descriptors)):
            if isinstance(piece, _LeftOut):
                found.left_out.append(piece.reason)
            else:
                found.pieces.append(piece)
        return found

    async def _usable(
        self, fetch: Callable[[Descriptor], Awaitable[_Piece]], descriptor: Descriptor
    ) -> _Piece | _LeftOut:
        try:
            async with self._places:
                return await fetch(descriptor)
        except ContentMissing:
            return _LeftOut(f"{self._limits.one} that is listed and missing")
        except _OverTotalError as problem:
            raise ContentMalformed(str(problem)) from problem
        except (UnusableError, ContentMalformed) as problem:
            return _LeftOut(str(problem))

    async def _manifest(self, reference: ImageReference) -> Manifest:
        return await self._source.manifest(
            reference, keychain=self._keychain, deadline=self._deadline
        )


class _OverTotalError(Exception):
    """One image has more to judge than is accepted."""


async def together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """
    Return the results in order, or raise one of the failures and end the rest.

    A problem of the image goes before a fault: it will not be another one at the next try.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failed:
        problems = [each for each in failed.exceptions if isinstance(each, ImageProblem)]
        raise (problems or failed.exceptions)[0] from None
    return [task.result() for task in tasks]
