"""
Fetches what a repository holds that may be a signature of one image, within limits.

Everything here is untrusted: descriptors claim what they like, and whoever may push can attach
whatever they like. So no document of the repository reaches cosign as it is: a bundle is taken
out of its manifest, a simple signature out of its layer, and the loopback endpoint serves them
in documents of our own making (`documents.py`).

What is broken, missing, too large or plainly no signature of this image is left out and noted,
so that nobody can hide a good signature behind a bad one; leaving out can only refuse. Too many
or too much in total is `ContentMalformed`, a refusal too (design, semantics 14). That a registry
denies access or does not work is not papered over: the caller learns of it.

Source: github.com/sigstore/cosign v3.1.3, specs/BUNDLE_SPEC.md, specs/SIGNATURE_SPEC.md,
pkg/oci/remote/signatures.go.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.material import (
    SIGNATURE_MAX_BYTES,
    SIGNATURES_MAX,
    TOTAL_MAX_BYTES,
    SignatureMaterial,
    SimpleSignature,
)
from landwaiter.cosign.vetting import (
    UnusableError,
    bundle_layer,
    check_bundle,
    check_referrer,
    signature_layers,
)
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMalformed, ContentMissing, ImageProblem, Unavailable
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.reference import ImageReference

FETCHES_AT_ONCE = 8
"""Requests under way for one image: kind to registries, and 500 still come in a few seconds."""

LISTED_MAX_BYTES = 100_000_000
"""
Old signatures of one image times the bytes of the list that they stand in.

cosign reads that list anew for each of them, with all annotations: 450 signatures in a list of
1.9 MB took it 22 s, nearly as long as a run may take, and 100 MB take it two. 500 signatures by a
key, without anything from a transparency log, come to 90 MB.
"""

LISTED_BYTES = 250
"""What a list has for each signature besides its annotations."""


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


async def fetch_material(
    source: SignatureSource[KeychainT],
    subject: ImageReference,
    *,
    keychain: KeychainT,
    deadline: Deadline,
) -> SignatureMaterial:
    """
    Return all that may be a signature of the subject, a reference with a digest.

    The subject itself is fetched too, for what is not there needs no signature. Each format is
    read for itself. Raises, where the subject or neither format can be read, `ImageProblem` when
    the image or its repository is at fault, and `Unavailable` when something else is.
    """
    pinned = replace(subject, tag=None)
    fetch = _Fetch(source, pinned, keychain, deadline)
    _, bundles, simple = await _together(
        source.manifest(pinned, keychain=keychain, deadline=deadline),
        _settled(fetch.bundles()),
        _settled(fetch.simple_signatures()),
    )
    return SignatureMaterial(
        pinned,
        bundles=tuple(dict.fromkeys(bundles.pieces)),
        simple=tuple(simple.pieces),
        left_out=(*bundles.left_out, *simple.left_out),
        unread=_unread(bundles.failure, simple.failure),
    )


@dataclass(slots=True)
class _Found(Generic[_Piece]):
    """
    The usable pieces of one format, and what the others are, in the order listed.

    With a `failure` there are none, and nobody knows whether there should be.
    """

    pieces: list[_Piece] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failure: Failure | None = None


async def _settled(reading: Awaitable[_Found[_Piece]]) -> _Found[_Piece]:
    """Return what was found of one format, or why it could not be read."""
    try:
        return await reading
    except (ImageProblem, Unavailable) as error:
        return _Found(failure=Failure.of(error))


def _unread(bundles: Failure | None, simple: Failure | None) -> Failure | None:
    """Return why a format could not be read, None where both could. Raises it for both."""
    if bundles is None or simple is None:
        return bundles or simple
    # The format that met a fault could hold a good signature, so a fault goes before a refusal.
    fault = bundles if issubclass(bundles.kind, Unavailable) else simple
    raise fault.error()


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """What a piece is that is not judged."""

    reason: str


class _Fetch(Generic[KeychainT]):
    """One image's fetching, with its budget of bytes and of requests at once."""

    def __init__(
        self,
        source: SignatureSource[KeychainT],
        subject: ImageReference,
        keychain: KeychainT,
        deadline: Deadline,
    ) -> None:
        self._source = source
        self._subject = subject
        self._keychain = keychain
        self._deadline = deadline
        self._places = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._bytes_left = TOTAL_MAX_BYTES

    async def bundles(self) -> _Found[bytes]:
        """Return the bundles that say they are signatures of the subject."""
        referrers = await self._source.referrers(
            self._subject, keychain=self._keychain, deadline=self._deadline
        )
        candidates = []
        others = []
        for referrer in {each.digest: each for each in referrers}.values():
            try:
                check_referrer(referrer)
            except UnusableError as problem:
                others.append(str(problem))
            else:
                candidates.append(referrer)
        found = await self._each(self._bundle, candidates, "bundles")
        return _Found(found.pieces, others + found.left_out)

    async def simple_signatures(self) -> _Found[SimpleSignature]:
        """Return the signatures in the manifest that the `.sig` tag names."""
        tag = f"{str(self._subject.digest).replace(':', '-')}.sig"
        try:
            manifest = await self._manifest(replace(self._subject, tag=tag, digest=None))
            layers = signature_layers(manifest)
        except ContentMissing:
            return _Found()
        except UnusableError as problem:
            return _Found(left_out=[str(problem)])
        # As it will be served: JSON writes some characters as six.
        listed = sum(LISTED_BYTES + len(json.dumps(dict(each.annotations))) for each in layers)
        if listed * len(layers) > LISTED_MAX_BYTES:
            raise ContentMalformed(
                f"{self._subject} has {len(layers)} signatures in a list of {listed} bytes, "
                "which is more than is judged"
            )
        return await self._each(self._simple_signature, layers, "signatures")

    async def _each(
        self,
        fetch: Callable[[Descriptor], Awaitable[_Piece]],
        descriptors: Sequence[Descriptor],
        what: str,
    ) -> _Found[_Piece]:
        if len(descriptors) > SIGNATURES_MAX:
            raise ContentMalformed(
                f"{self._subject} has {len(descriptors)} {what}; "
                f"at most {SIGNATURES_MAX} are judged"
            )
        found: _Found[_Piece] = _Found()
        for piece in await _together(*(self._usable(fetch, each) for each in descriptors)):
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
            return _LeftOut("a signature that is listed and missing")
        except _OverTotalError as problem:
            raise ContentMalformed(str(problem)) from problem
        except (UnusableError, ContentMalformed) as problem:
            return _LeftOut(str(problem))

    async def _bundle(self, descriptor: Descriptor) -> bytes:
        manifest = await self._manifest(self._subject.with_digest(descriptor.digest))
        content = await self._blob(bundle_layer(manifest))
        check_bundle(content, str(self._subject.digest))
        return content

    async def _simple_signature(self, descriptor: Descriptor) -> SimpleSignature:
        signature = SimpleSignature(await self._blob(descriptor), descriptor.annotations)
        self._spend(signature.size_bytes - len(signature.payload))
        return signature

    async def _manifest(self, reference: ImageReference) -> Manifest:
        return await self._source.manifest(
            reference, keychain=self._keychain, deadline=self._deadline
        )

    async def _blob(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > SIGNATURE_MAX_BYTES:
            raise UnusableError(
                f"a signature of {descriptor.size} bytes, at most {SIGNATURE_MAX_BYTES} are judged"
            )
        content = await self._source.blob(
            self._subject,
            descriptor,
            limit_bytes=SIGNATURE_MAX_BYTES,
            keychain=self._keychain,
            deadline=self._deadline,
        )
        self._spend(len(content))
        return content

    def _spend(self, size_bytes: int) -> None:
        self._bytes_left -= size_bytes
        if self._bytes_left < 0:
            raise _OverTotalError(
                f"the signatures of {self._subject} have over {TOTAL_MAX_BYTES} bytes, "
                "which is more than is judged"
            )


class _OverTotalError(Exception):
    """One image has more to judge than is accepted."""


async def _together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
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
