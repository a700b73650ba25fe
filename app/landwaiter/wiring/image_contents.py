"""
Answers what rules ask about the content of images, from the registry or from memory.

What stands behind a digest does not change, so it is remembered for an hour. It is remembered for
the credentials that it was read with: of a private image nobody is told who could not read it.
What failed is remembered shortly, a problem of the image longer than a fault. The same content
asked for twice at once is fetched once; fetching goes on when whoever asked has no more time, and
the next to ask finds what came of it (design, semantics 15 and 21).
"""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from cachetools import TTLCache

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.deadline import Deadline
from landwaiter.errors import (
    ContentMalformed,
    DeadlineExceeded,
    ImageProblem,
    RegistryUnavailable,
    Unavailable,
)
from landwaiter.images.configuration import ImageConfiguration, ImageIndex, IndexEntry
from landwaiter.images.reference import ImageReference
from landwaiter.registry.image_reading import Content, ContentSource, read_content
from landwaiter.registry.keychain import Keychain
from landwaiter.rules.image_content import (
    Configurations,
    ConfigurationsQuestion,
    OfferedPlatforms,
    PlatformsQuestion,
)
from landwaiter.rules.protocol import Inquiry
from landwaiter.wiring.keychains import PullSecretReader

CONTENT_SECONDS = 3_600.0
PROBLEM_SECONDS = 15.0
"""Spares a storm of retries; whoever pushes what was missing does not want to wait."""
FAULT_SECONDS = 2.0
"""As long as a client waits before it retries."""

CONTENT_MAX_BYTES = 33_554_432
CONTENT_MAX = 32_768
"""Entries; one that has next to no labels takes about a kilobyte, which is the quotient."""
FAILURES_MAX = 5_000
UNDER_WAY_MAX = 5_000

IMAGES_MAX = 64
"""Images of one index that are looked into, each for two requests."""

IMAGES_AT_ONCE = 8
"""Of one index, for one decision: kind to registries."""

FETCH_SECONDS = 45.0
"""A refused request, a token, a manifest and a blob; one request takes 30 s at most."""

_Key = tuple[ImageReference, str]
_Found = Content | Failure
_Settled = ImageConfiguration | Unavailable


@dataclass(frozen=True, slots=True)
class _Access:
    """With what a repository is read, and until when somebody waits."""

    keychain: Keychain
    fingerprint: str
    deadline: Deadline


class ImageContents:
    """
    What images say of themselves. Use it as a context, which ends all work when it is left.

    Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        registry: ContentSource,
        reader: PullSecretReader,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._flights: Flights[_Key, _Found] = Flights(UNDER_WAY_MAX)
        self._contents: TTLCache[_Key, Content] = TTLCache(
            CONTENT_MAX_BYTES, CONTENT_SECONDS, clock, getsizeof=size_of
        )
        self._problems: TTLCache[_Key, Failure] = TTLCache(FAILURES_MAX, PROBLEM_SECONDS, clock)
        self._faults: TTLCache[_Key, Failure] = TTLCache(FAILURES_MAX, FAULT_SECONDS, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._flights.close()

    async def platforms(self, question: PlatformsQuestion, inquiry: Inquiry) -> OfferedPlatforms:
        """Return the platforms that an image is offered for. Raises as a fact source does."""
        subject = question.subject
        offered = await self._reader.tried(
            inquiry, lambda keychain: self._platforms(subject, _access(subject, keychain, inquiry))
        )
        return replace(offered, may_be_told=inquiry.credentials_allowed)

    async def configurations(
        self, question: ConfigurationsQuestion, inquiry: Inquiry
    ) -> Configurations:
        """Return what the images that could run say. Raises as a fact source does."""
        images = await self._reader.tried(
            inquiry,
            lambda keychain: self._configurations(
                question, _access(question.subject, keychain, inquiry)
            ),
        )
        return Configurations(images, may_be_told=inquiry.credentials_allowed)

    async def _platforms(self, subject: ImageReference, access: _Access) -> OfferedPlatforms:
        content = await self._content(subject, access)
        if isinstance(content, ImageConfiguration):
            own = () if content.platform is None else (content.platform,)
            return OfferedPlatforms(own, is_index=False)
        silent = [entry for entry in content.entries if entry.platform is None]
        images = await self._images(subject, silent, access)
        own_platforms = {image.digest: image.platform for image in images}
        offered = (each.platform or own_platforms[each.digest] for each in content.entries)
        distinct = dict.fromkeys(platform for platform in offered if platform is not None)
        return OfferedPlatforms(tuple(distinct), is_index=True)

    async def _configurations(
        self, question: ConfigurationsQuestion, access: _Access
    ) -> tuple[ImageConfiguration, ...]:
        content = await self._content(question.subject, access)
        if isinstance(content, ImageConfiguration):
            return (content,)
        entries = [each for each in content.entries if question.may_run(each.platform)]
        return await self._images(question.subject, entries or content.entries, access)

    async def _images(
        self,
        index: ImageReference,
        entries: Iterable[IndexEntry],
        access: _Access,
    ) -> tuple[ImageConfiguration, ...]:
        """Return images of an index, by the platforms that it gives them."""
        wanted = tuple(dict.fromkeys(entries))
        if len(wanted) > IMAGES_MAX:
            raise ContentMalformed(
                f"{index} has {len(wanted)} images that could run, at most {IMAGES_MAX} are "
                "looked at"
            )
        places = asyncio.Semaphore(IMAGES_AT_ONCE)

        async def image(entry: IndexEntry) -> ImageConfiguration:
            async with places:
                content = await self._content(index.with_digest(entry.digest), access)
            if isinstance(content, ImageIndex):
                raise ContentMalformed(f"{index} lists {entry.digest}, which is no image")
            return replace(content, platform=entry.platform or content.platform)

        return tuple(await _together(*map(image, wanted)))

    async def _content(self, subject: ImageReference, access: _Access) -> Content:
        key = (replace(subject, tag=None), access.fingerprint)
        found: _Found | None = (
            self._contents.get(key) or self._problems.get(key) or self._faults.get(key)
        )
        if found is None:
            found = await self._flights.join(
                key, lambda: self._fetched(key, access.keychain), deadline=access.deadline
            )
        if isinstance(found, Failure):
            raise found.error()
        return found

    async def _fetched(self, key: _Key, keychain: Keychain) -> _Found:
        try:
            content = await read_content(
                self._registry, key[0], keychain=keychain, deadline=Deadline.after(FETCH_SECONDS)
            )
        except DeadlineExceeded:
            problem = f"reading {key[0]} took longer than {FETCH_SECONDS:g} s"
            return self._kept(self._faults, key, Failure(RegistryUnavailable, problem))
        except ImageProblem as error:
            return self._kept(self._problems, key, Failure.of(error))
        except Unavailable as error:
            return self._kept(self._faults, key, Failure.of(error))
        self._contents[key] = content
        return content

    @staticmethod
    def _kept(memory: TTLCache[_Key, Failure], key: _Key, failure: Failure) -> Failure:
        memory[key] = failure
        return failure


def _access(subject: ImageReference, keychain: Keychain, inquiry: Inquiry) -> _Access:
    return _Access(keychain, keychain.fingerprint(subject), inquiry.deadline)


def size_of(content: Content) -> int:
    """Return about how many bytes a content takes, and at least its share of the memory."""
    if isinstance(content, ImageIndex):
        size = 500 * len(content.entries)
    else:
        texts = [content.user, *content.labels, *content.labels.values()]
        size = sum(map(sys.getsizeof, texts)) + 100 * len(content.layer_sizes)
    return max(CONTENT_MAX_BYTES // CONTENT_MAX, size)


async def _together(*work: Coroutine[Any, Any, ImageConfiguration]) -> list[ImageConfiguration]:
    """
    Return the results in order. Raises a problem of an image at once, and a fault when all is done.

    So a problem goes before a fault: it will not be another one at the next try.
    """

    async def settled(each: Coroutine[Any, Any, ImageConfiguration]) -> _Settled:
        try:
            return await each
        except Unavailable as fault:
            return fault

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(settled(each)) for each in work]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    results = [task.result() for task in tasks]
    for result in results:
        if isinstance(result, Unavailable):
            raise result
    return [result for result in results if not isinstance(result, Unavailable)]
