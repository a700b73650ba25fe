"""
Answers what rules ask about the content of images, from the registry or from memory.

What stands behind a digest does not change, so it is remembered for an hour. It is remembered for
the credentials that it was read with: of a private image nobody is told who could not read it.
What failed is remembered shortly, a problem of the image longer than a fault. The same content
asked for twice at once is fetched once; fetching goes on when whoever asked has no more time, and
the next to ask finds what came of it (design, semantics 15 and 21).
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cachetools import TTLCache

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.deadline import Deadline
from landwaiter.errors import (
    DeadlineExceeded,
    ImageProblem,
    RegistryUnavailable,
    Unavailable,
)
from landwaiter.images.configuration import ImageIndex
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
from landwaiter.wiring.image_indexes import Read, offered_platforms, runnable_images
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

FETCH_SECONDS = 45.0
"""A refused request, a token, a manifest and a blob; one request takes 30 s at most."""

_Key = tuple[ImageReference, str]
_Found = Content | Failure


@dataclass(frozen=True, slots=True)
class _Access:
    """With what a repository is read, and for whom."""

    keychain: Keychain
    fingerprint: str
    inquiry: Inquiry


class ImageContents:
    """
    What images say of themselves. Use it as a context, which ends all work when it is left.

    `lane_of` tells with which other registries one shares what may wait, as for verifications.
    Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        registry: ContentSource,
        reader: PullSecretReader,
        *,
        lane_of: Callable[[str], str] = str.lower,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._flights: Flights[_Key, _Found] = Flights(
            UNDER_WAY_MAX, lane_of=lambda key: lane_of(key[0].registry)
        )
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
        return await self._reader.tried(
            inquiry,
            lambda keychain: offered_platforms(
                subject,
                self._read_with(subject, keychain, inquiry),
                may_be_told=inquiry.credentials_allowed,
            ),
        )

    async def configurations(
        self, question: ConfigurationsQuestion, inquiry: Inquiry
    ) -> Configurations:
        """Return what the images that could run say. Raises as a fact source does."""
        return await self._reader.tried(
            inquiry,
            lambda keychain: runnable_images(
                question,
                self._read_with(question.subject, keychain, inquiry),
                may_be_told=inquiry.credentials_allowed,
            ),
        )

    def _read_with(self, subject: ImageReference, keychain: Keychain, inquiry: Inquiry) -> Read:
        """Return what reads content of a subject's repository."""
        access = _Access(keychain, keychain.fingerprint(subject), inquiry)
        return lambda reference: self._content(reference, access)

    async def _content(self, subject: ImageReference, access: _Access) -> Content:
        key = (subject.without_tag(), access.fingerprint)
        found: _Found | None = (
            self._contents.get(key) or self._problems.get(key) or self._faults.get(key)
        )
        if found is None:
            found = await self._flights.join(
                key,
                lambda: self._fetched(key, access.keychain),
                deadline=access.inquiry.deadline,
                namespace=access.inquiry.workload.namespace,
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


def size_of(content: Content) -> int:
    """Return about how many bytes a content takes, and at least its share of the memory."""
    if isinstance(content, ImageIndex):
        size = 500 * len(content.entries)
    else:
        texts = [content.user, *content.labels, *content.labels.values()]
        size = sum(map(sys.getsizeof, texts)) + 100 * len(content.layer_sizes)
    return max(CONTENT_MAX_BYTES // CONTENT_MAX, size)
