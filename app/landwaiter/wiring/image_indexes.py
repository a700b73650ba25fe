"""
Answers questions about images from what stands behind their digests, wherever that is read.

An index is followed to its images here, and to nothing but images.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from landwaiter.errors import ContentMalformed, Unavailable
from landwaiter.images.configuration import ImageConfiguration, ImageIndex, IndexEntry
from landwaiter.images.reference import ImageReference
from landwaiter.registry.image_reading import Content
from landwaiter.rules.image_content import (
    Configurations,
    ConfigurationsQuestion,
    OfferedPlatforms,
)

IMAGES_MAX = 64
"""Images of one index that are looked into, each for two requests."""

IMAGES_AT_ONCE = 8
"""Of one index, for one decision: kind to registries."""

Read = Callable[[ImageReference], Awaitable[Content]]
"""Reads what stands behind a digest. Raises as a fact source does."""

_Settled = ImageConfiguration | Unavailable


async def offered_platforms(
    subject: ImageReference, read: Read, *, may_be_told: bool
) -> OfferedPlatforms:
    """Return the platforms that an image is offered for."""
    content = await read(subject)
    if isinstance(content, ImageConfiguration):
        own = () if content.platform is None else (content.platform,)
        return OfferedPlatforms(own, is_index=False, may_be_told=may_be_told)
    silent = [entry for entry in content.entries if entry.platform is None]
    images = await _images(subject, silent, read)
    own_platforms = {image.digest: image.platform for image in images}
    offered = (each.platform or own_platforms[each.digest] for each in content.entries)
    distinct = dict.fromkeys(platform for platform in offered if platform is not None)
    return OfferedPlatforms(tuple(distinct), is_index=True, may_be_told=may_be_told)


async def runnable_images(
    question: ConfigurationsQuestion, read: Read, *, may_be_told: bool
) -> Configurations:
    """Return what the images that could run say; of an index without such, all of them."""
    content = await read(question.subject)
    if isinstance(content, ImageConfiguration):
        return Configurations((content,), may_be_told)
    entries = [each for each in content.entries if question.may_run(each.platform)]
    images = await _images(question.subject, entries or content.entries, read)
    return Configurations(images, may_be_told)


async def _images(
    index: ImageReference, entries: Iterable[IndexEntry], read: Read
) -> tuple[ImageConfiguration, ...]:
    """Return images of an index, for the platforms that it gives them."""
    wanted = tuple(dict.fromkeys(entries))
    if len(wanted) > IMAGES_MAX:
        raise ContentMalformed(
            f"{index} has {len(wanted)} images that could run, at most {IMAGES_MAX} are looked at"
        )
    places = asyncio.Semaphore(IMAGES_AT_ONCE)

    async def image(entry: IndexEntry) -> ImageConfiguration:
        async with places:
            content = await read(index.with_digest(entry.digest))
        if isinstance(content, ImageIndex):
            raise ContentMalformed(f"{index} lists {entry.digest}, which is no image")
        return replace(content, platform=entry.platform or content.platform)

    return tuple(await _together(*map(image, wanted)))


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
    images = []
    for task in tasks:
        if isinstance(result := task.result(), Unavailable):
            raise result
        images.append(result)
    return images
