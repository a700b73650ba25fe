"""
Every image names an immutable artefact: a digest, or a tag that does not float.

Refused:  with `require: digest` everything that has no digest; with `require: fixedTag` a tag
          that floats, and no tag at all, which counts as `latest`.
Admitted: anything with `@sha256:...`, whatever its tag, since the runtime pulls by the digest
          and ignores the tag; with `require: fixedTag` also every other tag.
Limits:   a fixed tag is a convention. A registry lets its owner move any tag unless it is told
          otherwise; only a digest is proof.
Source:   kubernetes.io/docs/concepts/containers/images, "Image names" (read 2026-11-23).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from landwaiter.images.patterns import DEFAULT_TAG, TagPattern
from landwaiter.rules.protocol import Facts, Question, RuleId, Unpinned, Violation
from landwaiter.rules.settings import RuleSettings, TagPatternField, in_cel
from landwaiter.workloads.values import ImageUse

LATEST = TagPattern.parse(DEFAULT_TAG)

FLOATING_MAX = 1000


@dataclass(frozen=True, slots=True)
class PinnedTags:
    """
    Refuses images whose content can change without the Pod changing.

    `floating` are the tags that are refused; None refuses every tag and wants a digest.
    """

    id: ClassVar[RuleId] = RuleId("pinnedTags")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: ClassVar[Unpinned] = "Deny"

    floating: tuple[TagPattern, ...] | None

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        """Ask for nothing: the name says it all."""
        return ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | None:
        """Return what is wrong with one image use, None where nothing is."""
        reference = use.reference
        if reference.digest is not None:
            return None
        tag = reference.tag
        seen = f'no tag is written, and "{DEFAULT_TAG}"' if tag is None else f'tag "{tag}"'
        if self.floating is None:
            return Violation(
                self.id,
                reason="image without digest",
                detail=f"{seen} can be moved to another image at any time; a digest is wanted",
                remedy="add the digest of the image: NAME:TAG@sha256:...",
                digest_helps=True,
            )
        by = next((each for each in self.floating if each.matches(tag)), None)
        if by is None:
            return None
        as_pattern = "" if str(by) == (tag or DEFAULT_TAG) else f' (matches "{by}")'
        return Violation(
            self.id,
            reason="floating tag",
            detail=f"{seen} floats{as_pattern}; a fixed tag or a digest is wanted",
            remedy="name a version that stays, or add the digest: NAME:TAG@sha256:...",
            digest_helps=True,
        )


class PinnedTagsSettings(RuleSettings):
    """Every image names a digest, or a tag that does not float."""

    model_config = ConfigDict(
        json_schema_extra=in_cel(
            (
                "self.require != 'digest' || !has(self.floating)",
                "floating wanted only with require: fixedTag",
            )
        )
    )

    require: Literal["digest", "fixedTag"]
    """What every image must have: a digest, or at least a tag that does not float."""
    floating: list[TagPatternField] = Field(
        default_factory=list, min_length=1, max_length=FLOATING_MAX
    )
    """
    The tags that float besides `latest`, with `*` for anything; only with `require: fixedTag`.

    `latest` floats whether it is listed or not. With `require: digest` no tag is good enough, and
    a list would do nothing.
    """

    @model_validator(mode="after")
    def _floating_where_it_is_read(self) -> Self:
        if self.require == "digest" and self.floating:
            raise ValueError("floating given, but require: digest refuses every tag; leave it out")
        return self

    def rule(self, folder: Path) -> PinnedTags:
        """Return the rule; it reads no file."""
        if self.require == "digest":
            return PinnedTags(floating=None)
        return PinnedTags(floating=tuple(dict.fromkeys((LATEST, *self.floating))))
