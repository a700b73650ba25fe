"""
What rules may ask about the content of images, and which images of an index they are asked about.

An index is judged by every image in it that a node could choose: those for the operating systems
and architectures of the nodes that the Pod can run on and, where the policy names them, of the
nodes that there are. One that names no platform could be chosen anywhere. Where an index has none
for these nodes, all of them are judged: fewer is never the answer to a name that does not fit.

A single image is judged whatever platform it says it is for: a runtime does not look (`Manifest`
in core/images/image.go of containerd 2.1 compares platforms inside of an index only).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from landwaiter.images.configuration import ImageConfiguration
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference
from landwaiter.rules.protocol import Question
from landwaiter.workloads.nodes import NodeSelection

PLATFORMS_MAX = 64
"""How many platforms a policy may name; there are some forty for which Go compiles."""

UNTOLD = "what the image says of itself is not told without --client-ca"

_NAMED = 3
"""How many images of an index a message names before it counts the others."""


@dataclass(frozen=True, slots=True)
class OfferedPlatforms:
    """
    The platforms that an image is offered for, in its order.

    `is_index` is False for a single image, whose one platform is the one that it names itself; an
    image that names none offers none. `may_be_told` is False where nobody knows who asks.
    """

    platforms: tuple[Platform, ...]
    is_index: bool
    may_be_told: bool = True


@dataclass(frozen=True, slots=True)
class PlatformsQuestion(Question[OfferedPlatforms]):
    """For which platforms is this image offered? `subject` has a digest."""

    subject: ImageReference


@dataclass(frozen=True, slots=True)
class Configurations:
    """
    What the images say of themselves that could run; there is at least one.

    `may_be_told` is False where nobody knows who asks: then a verdict is given, and no words of
    the images (design, semantics 20), which may come from a registry that only we can reach.
    """

    images: tuple[ImageConfiguration, ...]
    may_be_told: bool = True


@dataclass(frozen=True, slots=True)
class ConfigurationsQuestion(Question[Configurations]):
    """
    Tell what the images say of themselves that could run.

    `subject` has a digest; `platforms` are those that there are nodes of, empty for any; `nodes`
    are those that the Pod can run on.
    """

    subject: ImageReference
    platforms: tuple[Platform, ...]
    nodes: NodeSelection

    def may_run(self, platform: Platform | None) -> bool:
        """Whether a node could choose an image for this platform out of an index."""
        return platform is None or any(
            self.nodes.admits(platform.os, host) and self._has_nodes(platform.os, host)
            for host in platform.hosts
        )

    def _has_nodes(self, os: str, architecture: str) -> bool:
        return not self.platforms or any(
            (each.os, each.architecture) == (os, architecture) for each in self.platforms
        )


def said_once(
    problems: Iterable[tuple[ImageConfiguration, str]], answer: Configurations, *, untold: str
) -> str:
    """
    Return what is wrong with which images of an index, equal sentences said once.

    Where it may not be told, it is `untold` and the reason for that.
    """
    if not answer.may_be_told:
        return f"{untold}; {UNTOLD}"
    by_sentence: dict[str, list[str]] = {}
    for image, sentence in problems:
        by_sentence.setdefault(sentence, []).append(_called(image))
    if len(answer.images) == 1:
        return "; ".join(by_sentence)
    return "; ".join(f"{_listed(images)}: {said}" for said, images in by_sentence.items())


def _called(image: ImageConfiguration) -> str:
    return image.digest if image.platform is None else str(image.platform)


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
