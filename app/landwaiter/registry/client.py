"""
What a registry holds: manifests, what refers to them, and blobs, each checked by its digest.

Nothing that a registry says about content is believed. A tag is resolved by fetching what it
points to and computing the digest, never from a header alone; everything else is fetched by
digest and compared. What is asked and refused, missing or malformed raises an `ImageProblem`
(the image is the reason); what could not be found out raises `Unavailable`. Messages name the
host, the repository, what was asked and the status, never a credential or a query.

An image that the admin has mirrors for is looked for at each place in turn, until one gives it.

Source: OCI distribution specification 1.1.1.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypeVar

from landwaiter.deadline import Deadline
from landwaiter.errors import (
    ContentMalformed,
    ContentMissing,
    DeadlineExceeded,
    ImageProblem,
    RegistryUnavailable,
    Unavailable,
)
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.reference import ImageReference
from landwaiter.registry.access import AccessTrial, PullAccess
from landwaiter.registry.credentials import Credential
from landwaiter.registry.documents import (
    MANIFEST_TYPES,
    OCI_INDEX,
    check_digest,
    digest_of,
    is_supported_digest,
    read_manifest,
)
from landwaiter.registry.exchange import DEFAULT_LIMITS, Reply, TransportLimits
from landwaiter.registry.hosts import api_host
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.logins import LoginMemory
from landwaiter.registry.reading import Reader, Wanted
from landwaiter.registry.referrers import (
    ReferrerListing,
    fallback_tag,
    lists_referrers,
    next_path,
)
from landwaiter.registry.retries import Patience
from landwaiter.registry.settings import NO_REGISTRY_SETTINGS, RegistrySettings
from landwaiter.registry.transport import Transport, named_by_nobody

MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
"""What registries have to accept ("Pushing Manifests" in the specification); few take more."""

MAX_PAGES: Final = 50
"""Of one list of referrers; 20 entries a page reach `MAX_REFERRERS`."""

Found = TypeVar("Found")

_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_REFUSED: Final = range(400, 500)


class RegistryClient:
    """
    Asks registries; to be used as an asynchronous context manager, in one event loop.

    `named_by_policy` says which hosts (lower case, no default port) a ClusterImagePolicy names
    without wildcard; together with those of the settings they may have non-public addresses.
    It shares nothing between keychains but connections, which carry no credentials.
    """

    def __init__(
        self,
        settings: RegistrySettings = NO_REGISTRY_SETTINGS,
        *,
        limits: TransportLimits = DEFAULT_LIMITS,
        named_by_policy: Callable[[str], bool] = named_by_nobody,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = Transport(settings, limits=limits, named_by_policy=named_by_policy)
        patience = patience or Patience()
        logins = LoginMemory(clock)
        self._reader = Reader(self._transport, settings, patience, logins, clock)
        self._trial = AccessTrial(self._transport, settings, patience, logins)
        self._mirrors = settings.mirrors

    async def __aenter__(self) -> Self:
        """Open the connection pools."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self._transport.__aexit__(kind, error, traceback)

    def is_named(self, registry: str) -> bool:
        """Say whether the admin named this registry, in the settings or in a policy."""
        return self._transport.is_named(registry)

    async def resolve(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> str:
        """Return the digest of what the reference points to now, computed from the content."""
        manifest = await self.manifest(reference, keychain=keychain, deadline=deadline)
        return manifest.digest

    async def manifest(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> Manifest:
        """Return the manifest or index that the digest names, or the tag where there is none."""
        async with _until(deadline, f"the manifest of {reference}"):
            pointer = reference.digest or reference.tag or "latest"
            return await self._anywhere(
                reference, lambda place: self._manifest(place, pointer, keychain, deadline)
            )

    async def pull_access(
        self, reference: ImageReference, credential: Credential, *, owner: str, deadline: Deadline
    ) -> PullAccess:
        """Return what comes of pulling with one credential; see `AccessTrial`."""
        async with _until(deadline, f"the answer about access to {reference}"):
            return await self._trial.outcome(reference, credential, owner, deadline)

    async def referrers(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> tuple[Descriptor, ...]:
        """
        Return what refers to the digest of the reference, in the registry's order.

        Where the registry has no referrers API it is what the fallback tag lists. Nothing about
        a descriptor has been verified; a digest is listed once. Of several places it is the list
        of the first that knows any referrer, for many mirrors copy none. Raises
        `ContentMalformed` for more than `MAX_REFERRERS`, and `ValueError` for a reference without
        digest.
        """
        if reference.digest is None:
            raise ValueError(f"{reference} has no digest, whose referrers could be listed")
        digest = reference.digest
        async with _until(deadline, f"the list of what refers to {reference}"):
            return await self._anywhere(
                reference, lambda place: self._referrers(place, digest, keychain, deadline)
            )

    async def blob(
        self,
        reference: ImageReference,
        descriptor: Descriptor,
        limit_bytes: int,
        *,
        keychain: Keychain,
        deadline: Deadline,
    ) -> bytes:
        """Return the blob of the descriptor, with its size and digest, from the repository."""
        what = f"the blob {descriptor.digest} of {reference.name}"
        if not is_supported_digest(descriptor.digest):
            raise ContentMalformed(f"{what}: a sha256 or sha512 digest is wanted")
        if not 0 <= descriptor.size <= limit_bytes:
            raise ContentMalformed(
                f"{what} has {descriptor.size} bytes, at most {limit_bytes} are accepted"
            )
        async with _until(deadline, what):
            return await self._anywhere(
                reference, lambda place: self._blob(place, descriptor, keychain, deadline)
            )

    async def _anywhere(
        self, reference: ImageReference, ask: Callable[[ImageReference], Awaitable[Found]]
    ) -> Found:
        """
        Return what the first place of the reference gives; an empty list is given by none.

        Where no place gives it, one that could not be asked leaves it unknown; else what the last
        place says of it stands.
        """
        problems: list[ImageProblem | Unavailable] = []
        empty: Found | None = None
        for place in self._mirrors.places(reference):
            try:
                found = await ask(place)
            except (ImageProblem, Unavailable) as problem:
                problems.append(problem)
            else:
                if found != ():
                    return found
                empty = found
        faults = [each for each in problems if isinstance(each, Unavailable)]
        if empty is not None and not faults:
            return empty
        raise (faults or problems[::-1])[0]

    async def _blob(
        self,
        reference: ImageReference,
        descriptor: Descriptor,
        keychain: Keychain,
        deadline: Deadline,
    ) -> bytes:
        what = f"the blob {descriptor.digest} of {reference.name}"
        wanted = Wanted(reference, f"blobs/{descriptor.digest}", what, "*/*", descriptor.size)
        content = _content(await self._reader.read(wanted, keychain, deadline), wanted)
        if len(content) != descriptor.size:
            raise ContentMalformed(
                f"{what} has {len(content)} bytes, its descriptor says {descriptor.size}"
            )
        check_digest(content, descriptor.digest, what)
        return content

    async def _manifest(
        self, reference: ImageReference, pointer: str, keychain: Keychain, deadline: Deadline
    ) -> Manifest:
        what = f"the manifest of {reference.name}{'@' if ':' in pointer else ':'}{pointer}"
        wanted = Wanted(
            reference, f"manifests/{pointer}", what, ", ".join(MANIFEST_TYPES), MAX_MANIFEST_BYTES
        )
        reply = await self._reader.read(wanted, keychain, deadline)
        content = _content(reply, wanted)
        digest = pointer if ":" in pointer else _claimed_digest(reply) or digest_of(content)
        check_digest(content, digest, what)
        return read_manifest(content, digest, reply.media_type, what)

    async def _referrers(
        self,
        reference: ImageReference,
        digest: str,
        keychain: Keychain,
        deadline: Deadline,
    ) -> tuple[Descriptor, ...]:
        what = f"the list of what refers to {reference}"
        listing = ReferrerListing(what)
        path = f"referrers/{digest}"
        for page in range(MAX_PAGES):
            wanted = Wanted(reference, path, what, OCI_INDEX, MAX_MANIFEST_BYTES)
            reply = await self._reader.read(wanted, keychain, deadline)
            if page == 0 and not lists_referrers(reply):
                return await self._fallback(reference, digest, what, keychain, deadline)
            listing.add(_content(reply, wanted))
            following = next_path(reply, wanted)
            if following is None:
                return listing.descriptors
            path = following
        raise ContentMalformed(f"{what} has more than {MAX_PAGES} pages")

    async def _fallback(
        self,
        reference: ImageReference,
        digest: str,
        what: str,
        keychain: Keychain,
        deadline: Deadline,
    ) -> tuple[Descriptor, ...]:
        try:
            manifest = await self._manifest(reference, fallback_tag(digest), keychain, deadline)
        except ContentMissing:
            return ()
        listing = ReferrerListing(what)
        listing.add(manifest.content)
        return listing.descriptors


@asynccontextmanager
async def _until(deadline: Deadline, what: str) -> AsyncIterator[None]:
    """Run the body until the deadline; the timeouts of single requests never get here."""
    try:
        async with deadline.timeout():
            yield
    except TimeoutError as error:
        raise DeadlineExceeded(f"{what} did not arrive before the deadline") from error


def _content(reply: Reply, wanted: Wanted) -> bytes:
    """Return the body of an answer that has the content, as it is to be digested."""
    host = api_host(wanted.reference.registry)
    if reply.status in _MISSING:
        raise ContentMissing(f"{host} does not have {wanted.what} ({reply.status})")
    if reply.status in _REFUSED:
        raise ContentMalformed(
            f"{host} does not accept to be asked for {wanted.what} ({reply.status})"
        )
    if reply.status != HTTPStatus.OK:
        raise RegistryUnavailable(f"{wanted.what}: {host} answered {reply.status}, 200 is wanted")
    if reply.truncated:
        raise ContentMalformed(f"{wanted.what} has more than {wanted.limit_bytes} bytes")
    encoding = reply.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("", "identity"):
        raise ContentMalformed(f"{wanted.what} is compressed in transit, which was not asked for")
    return reply.content


def _claimed_digest(reply: Reply) -> str | None:
    """Return the digest that the registry files the content under, where we can check it."""
    claimed = reply.headers.get("Docker-Content-Digest", "")
    return claimed if is_supported_digest(claimed) else None
