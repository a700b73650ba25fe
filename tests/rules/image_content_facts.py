"""
Answers questions about the content of images from the facts of a fixture.

    current    the digest that every tag points to
    images     what images by digest are for and say of themselves; one that `index` lists is only
               reached through it
    index      the digests of images that an index by digest lists
    undecided  why nobody knows
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from landwaiter.errors import RegistryUnavailable
from landwaiter.images.configuration import ImageConfiguration
from landwaiter.images.platforms import Platform
from landwaiter.rules.image_content import (
    Configurations,
    ConfigurationsQuestion,
    OfferedPlatforms,
    PlatformsQuestion,
)
from landwaiter.rules.protocol import CurrentDigest, Question

Answer = str | OfferedPlatforms | Configurations


def answer(question: Question[Any], section: Mapping[str, Any]) -> Answer:
    if "undecided" in section:
        raise RegistryUnavailable(section["undecided"])
    if isinstance(question, CurrentDigest):
        return str(section["current"])
    assert isinstance(question, PlatformsQuestion | ConfigurationsQuestion)
    digest = str(question.subject.digest)
    index = section.get("index", {}).get(digest)
    images = [_image(each, section["images"][each]) for each in index or [digest]]
    if isinstance(question, PlatformsQuestion):
        platforms = tuple(each.platform for each in images if each.platform is not None)
        return OfferedPlatforms(platforms, is_index=index is not None)
    chosen = [each for each in images if index is None or question.may_run(each.platform)]
    return Configurations(tuple(chosen or images))


def _image(digest: str, written: Mapping[str, Any]) -> ImageConfiguration:
    created = written.get("created")
    return ImageConfiguration(
        digest=digest,
        platform=Platform.parse(written["platform"]) if "platform" in written else None,
        user=written.get("user", ""),
        labels=written.get("labels", {}),
        created=None if created is None else datetime.fromisoformat(created),
        layer_sizes=tuple(written.get("layers", [])),
    )
