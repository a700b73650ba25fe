"""
Every image is offered for the platforms on which it is to run.

Refused:  an image whose index lacks a platform that the policy requires; with
          `followNodeSelection` one that lacks a platform that its Pod asks for in `os.name`,
          `nodeSelector` or required node affinity. A single image counts as its one platform.
Admitted: everything else, and single images that are mounted as volumes: nothing in them is run,
          and every node can mount them.
Narrowed: with `followNodeSelection` a platform that the policy requires is not asked of a Pod that
          cannot run on its nodes. A Pod that rules out all of them is asked for all of them.
Source:   design, semantics 9; OCI image specification 1.1.1, image-index.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, product
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from landwaiter.images.platforms import Platform
from landwaiter.rules.image_content import (
    PLATFORMS_MAX,
    UNTOLD,
    OfferedPlatforms,
    PlatformsQuestion,
)
from landwaiter.rules.protocol import Facts, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.settings import PlatformField, RuleSettings
from landwaiter.workloads.nodes import Choice, NodeSelection, NodeTerm
from landwaiter.workloads.values import ImageRole, ImageUse

CHOICES_MAX = 64
"""How many of the platforms that a Pod names are asked for; there are some forty."""

_NAMED = 8
"""How many platforms a message names before it counts the others."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """
    Nodes that a Pod names by system, architecture or both; None for what it does not name.

    `term` is where it says so, and what else it says there.
    """

    os: str | None
    architecture: str | None
    term: NodeTerm

    def is_met_by(self, offered: Platform) -> bool:
        """Whether an image for a platform runs on some of the nodes, whatever their variant."""
        return (
            self.os in (None, offered.os)
            and self.architecture in (None, offered.architecture)
            and self.term.admits(offered.os, offered.architecture)
            and offered.runs_on(replace(offered, variant=""))
        )

    def __str__(self) -> str:
        return f"{self.os or '*'}/{self.architecture or '*'} (chosen by the Pod)"


@dataclass(frozen=True, slots=True)
class _Required:
    """A platform that the policy requires."""

    platform: Platform

    def is_met_by(self, offered: Platform) -> bool:
        """Whether an image for a platform runs on its nodes."""
        return offered.runs_on(self.platform)

    def __str__(self) -> str:
        return str(self.platform)


_Wish = _Choice | _Required


@dataclass(frozen=True, slots=True)
class Platforms:
    """Refuses images that lack a platform."""

    id: ClassVar[RuleId] = RuleId("platforms")
    reads: ClassVar[frozenset[str]] = frozenset({"nodes"})
    judges_content: ClassVar[bool] = True
    vouches_for_registry: ClassVar[bool] = False

    require: tuple[Platform, ...]
    follow_node_selection: bool = False
    unpinned: Unpinned = "Deny"

    def needs(self, use: ImageUse) -> tuple[PlatformsQuestion, ...]:
        """Ask for the platforms of the image where any is wanted."""
        return (PlatformsQuestion(use.reference),) if self._wishes(use) else ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return what is wrong with one image use, None where nothing is."""
        for question in self.needs(use):
            offered = facts.about(question)
            if isinstance(offered, Undecided):
                return offered
            if use.place.role is ImageRole.VOLUME and not offered.is_index:
                return None
            missing = [
                wish
                for wish in self._wishes(use)
                if not any(map(wish.is_met_by, offered.platforms))
            ]
            if missing:
                return self._violation(use, offered, missing)
        return None

    def _wishes(self, use: ImageUse) -> tuple[_Wish, ...]:
        """Return what the image has to be offered for."""
        if self.follow_node_selection:
            return _followed(use.place.nodes, self.require)
        return tuple(map(_Required, self.require))

    def _violation(
        self, use: ImageUse, offered: OfferedPlatforms, missing: list[_Wish]
    ) -> Violation:
        if not offered.may_be_told:
            return Violation(
                self.id,
                reason="platform missing",
                detail=f"it lacks a platform that is wanted; {UNTOLD}",
                remedy="build one index for all of them",
            )
        kind = "it is offered" if offered.is_index else "it is a single image"
        seen = f"{kind} for {_listed(offered.platforms)}"
        if not offered.platforms:
            seen = "it does not say for which platform it is"
        command = ""
        if all(isinstance(wish, _Required) for wish in missing):
            platforms = ",".join(map(str, [*offered.platforms, *missing][:_NAMED]))
            command = f": `docker buildx build --platform {platforms} --tag {use.reference.name} .`"
        return Violation(
            self.id,
            reason="platform missing",
            detail=f"{seen}; wanted too: {_listed(missing)}",
            remedy=f"build one index for all of them{command}",
        )


@lru_cache(maxsize=1024)
def _followed(nodes: NodeSelection, required: tuple[Platform, ...]) -> tuple[_Wish, ...]:
    """
    Return what a Pod with these nodes asks for, and what it leaves of what is required.

    The cache is keyed by both alone; all images of a Pod share its nodes.
    """
    asked = tuple(islice(_asked_for(nodes, required), CHOICES_MAX))
    chosen = tuple(each for each in required if nodes.admits(each.os, each.architecture))
    return asked + tuple(map(_Required, chosen if chosen or asked else required))


def _asked_for(nodes: NodeSelection, required: tuple[Platform, ...]) -> Iterator[_Choice]:
    """
    Give the nodes that a Pod names and that no required platform stands for.

    A required platform that the Pod does not rule out is asked for by itself.
    """
    for term in nodes.terms:
        for os, architecture in product(_named(term.os), _named(term.architecture)):
            wish = _Choice(os, architecture, term)
            if (os or architecture) and not any(map(wish.is_met_by, required)):
                yield wish


def _named(choice: Choice) -> list[str] | list[None]:
    return [None] if choice.among is None else sorted(choice.among)


def _listed(names: Sequence[object]) -> str:
    more = len(names) - _NAMED
    listed = ", ".join(map(str, names[:_NAMED]))
    return f"{listed} and {more} more" if more > 0 else listed


class PlatformsSettings(RuleSettings):
    """Every image is offered for the platforms on which it is to run."""

    require: list[PlatformField] = Field(
        default_factory=list, min_length=1, max_length=PLATFORMS_MAX
    )
    """Platforms that every image is offered for, such as `linux/arm64` or `linux/arm/v7`."""
    follow_node_selection: bool = False
    """
    Whether a Pod that chooses nodes by `kubernetes.io/os` and `kubernetes.io/arch` is asked for
    the platforms of these nodes: for others than `require` names, and not for those that it names
    and the Pod rules out.
    """
    unpinned: Unpinned = "Deny"
    """What becomes of a reference without digest whose current image has the platforms."""

    @model_validator(mode="after")
    def _decides_something(self) -> Self:
        if not self.require and not self.follow_node_selection:
            raise ValueError("nothing given, require or followNodeSelection: true is wanted")
        return self

    def rule(self, folder: Path) -> Platforms:
        """Return the rule; it reads no file."""
        return Platforms(
            tuple(dict.fromkeys(self.require)), self.follow_node_selection, self.unpinned
        )
