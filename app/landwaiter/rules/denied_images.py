"""
No image is one that the admin has denied, for a reason and perhaps until a day.

Refused:  an image that a pattern of an entry covers. A pattern with a tag also covers the tag
          beside a digest; one with a digest also covers a tag that points to this digest now.
Admitted: everything else, and what only entries cover that have expired: at the very second an
          entry expires it has no effect any more, and nothing is looked up for it.
Limits:   a pattern with a tag does not cover a digest alone, which says of no tag; a digest covers
          the index or image that it names, and not an index that holds it.
Source:   design, semantics 2 and 3; RFC 3339, section 5.6, for `expires`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.rules.allowed_registries import PATTERNS_MAX
from landwaiter.rules.instants import Clock, Instant, InstantField, utc_now
from landwaiter.rules.protocol import CurrentDigest, Facts, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.settings import PatternField, RuleSettings, Settings
from landwaiter.workloads.values import ImageUse

ENTRIES_MAX = 1000
REASON_MAX_CHARACTERS = 300
"""What finds room in the detail of a message, behind the image and the pattern."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Images that are denied, why, and until when; `expires` is None for as long as it stands."""

    images: tuple[ImagePattern, ...]
    reason: str
    expires: Instant | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether the entry has expired; the instant itself is past it."""
        return self.expires is not None and now >= self.expires.at


@dataclass(frozen=True, slots=True)
class DeniedImages:
    """Refuses images that an entry names, until it expires."""

    id: ClassVar[RuleId] = RuleId("deniedImages")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: ClassVar[Unpinned] = "Deny"

    denials: tuple[Denial, ...]
    clock: Clock = field(default=utc_now, repr=False, compare=False)

    def needs(self, use: ImageUse) -> tuple[CurrentDigest, ...]:
        """Ask for the digest behind a tag where only it can tell, and the name does not already."""
        reference = use.reference
        if self._by_name(reference) is not None or not any(self._by_digest(reference)):
            return ()
        return (CurrentDigest(reference),)

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return what is wrong with one image use, None where nothing is."""
        reference = use.reference
        if (found := self._by_name(reference)) is not None:
            return self._denied(f"{reference}", *found)
        candidates = list(self._by_digest(reference))
        if not candidates:
            return None
        digest = facts.about(CurrentDigest(reference))
        if isinstance(digest, Undecided):
            return digest
        for denial, pattern in candidates:
            if pattern.digest == digest:
                return self._denied(f"{reference} points to {digest} now, which", denial, pattern)
        return None

    def _in_force(self) -> Iterator[tuple[Denial, ImagePattern]]:
        now = self.clock()
        return (
            (denial, pattern)
            for denial in self.denials
            if not denial.is_over(now)
            for pattern in denial.images
        )

    def _by_name(self, reference: ImageReference) -> tuple[Denial, ImagePattern] | None:
        """Return the first entry that covers what is written."""
        written = [reference]
        if reference.tag is not None and reference.digest is not None:
            written.append(replace(reference, digest=None))
        return next(
            (
                (denial, pattern)
                for denial, pattern in self._in_force()
                if any(map(pattern.matches, written))
            ),
            None,
        )

    def _by_digest(self, reference: ImageReference) -> Iterator[tuple[Denial, ImagePattern]]:
        """Return the entries that would cover the reference if its tag pointed to their digest."""
        if reference.digest is not None:
            return iter(())
        return (
            (denial, pattern)
            for denial, pattern in self._in_force()
            if pattern.digest is not None and pattern.matches(reference.with_digest(pattern.digest))
        )

    def _denied(self, seen: str, denial: Denial, pattern: ImagePattern) -> Violation:
        until = "" if denial.expires is None else f" until {denial.expires.text}"
        return Violation(
            self.id,
            reason="denied image",
            detail=f"{seen} is denied by {pattern}{until}: {denial.reason}",
            remedy="use another image, such as a later version, or ask the cluster's admin",
        )


def _reason(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("one line of text is wanted, which people will read")
    return text


class DenialSettings(Settings):
    """Images that are denied."""

    images: list[PatternField] = Field(min_length=1, max_length=PATTERNS_MAX)
    """Patterns of the images; tags and digests are compared where they are given."""
    reason: Annotated[str, AfterValidator(_reason)] = Field(
        min_length=1, max_length=REASON_MAX_CHARACTERS
    )
    """Why, in one line; whoever is refused reads it."""
    expires: InstantField | None = None
    """The time, as in RFC 3339, from which the entry has no effect any more."""

    def denial(self) -> Denial:
        """Return the entry."""
        return Denial(tuple(self.images), self.reason, self.expires)


class DeniedImagesSettings(RuleSettings):
    """No image is one that the admin has denied, for a reason and perhaps until a day."""

    entries: list[DenialSettings] = Field(min_length=1, max_length=ENTRIES_MAX)
    """What is denied; one entry that covers an image is enough."""

    def rule(self, folder: Path) -> DeniedImages:
        """Return the rule; it reads no file."""
        return DeniedImages(tuple(entry.denial() for entry in self.entries))
