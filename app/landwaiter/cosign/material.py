"""
What may be signatures of one image: the values that are judged, and how much of it there may be.

The limits are ours, and what breaks them is a refusal: whoever may push can make as many and as
large signatures as they like (design, semantics 14).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from landwaiter.cosign.annotations import ALL
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.cosign.pieces import Lease, PieceLimits
from landwaiter.images.reference import ImageReference

SIGNATURE_LIMITS = PieceLimits(
    pieces=500, piece_bytes=262_144, easy_bytes=1_048_576, total_bytes=4_194_304
)
"""
Signatures of one image and format.

Signing an image again, as a nightly pipeline does, adds one. Judging 500 bundles by certificates
takes cosign 2.1 s. A signature by a key has 1 kB; with certificate, log entry, inclusion proof
and timestamp it has 5 to 10 kB, so that there may be 400 of these. `verifier.py` says how many
images there may be in memory, and how many of them with more than is easy.
"""

PORTION_MAX_BYTES = 25_000_000
"""
Old signatures that are judged by one run, times the bytes of the list that they stand in.

cosign reads that list anew for each of them, with all annotations: 450 signatures in a list of
1.9 MB took it 22 s, nearly as long as a run may take, and 25 MB take it half a second.
"""

PORTIONS_MAX = 4
"""
Portions of one image: 220 to 330 old signatures by certificates, or the most there may be by a key.

More is a refusal, and not a run without end: what has taken too long is undecided.
"""

LISTED_BYTES = 250
"""What a list has for each signature besides its annotations."""


@dataclass(frozen=True, slots=True)
class SimpleSignature:
    """A payload in the old format, and the annotations that hold its signature and proofs."""

    payload: bytes
    annotations: Mapping[str, str] = field(hash=False)

    @classmethod
    def of(cls, payload: bytes, annotations: Mapping[str, str]) -> Self:
        """Return a signature with those of the annotations that cosign reads."""
        kept = {name: annotations[name] for name in ALL if name in annotations}
        return cls(payload, kept)

    @property
    def size_bytes(self) -> int:
        """How much there is of it."""
        annotations = sum(len(name) + len(text) for name, text in self.annotations.items())
        return len(self.payload) + annotations

    @property
    def listed_bytes(self) -> int:
        """How much of it stands in a list as it is served: JSON writes some characters as six."""
        return LISTED_BYTES + len(json.dumps(dict(self.annotations)))


@dataclass(frozen=True, slots=True, weakref_slot=True)
class SignatureMaterial:
    """
    All that may be a signature of `subject`, which has a digest and no tag.

    `left_out` says of each piece that was left out what it is, for people. `unread` is why one of
    the formats could not be read, None where both were: signatures of the other one still count,
    but that there is none is then not known. `lease` is held where there is much of it.
    """

    subject: ImageReference
    bundles: tuple[bytes, ...] = field(default=(), repr=False)
    simple: tuple[SimpleSignature, ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()
    unread: Failure | None = None
    lease: Lease | None = field(default=None, repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """How much there is to judge."""
        return sum(map(len, self.bundles)) + sum(each.size_bytes for each in self.simple)

    def runs(self) -> Iterator[tuple[SignatureFormat, Self]]:
        """Give what one run after the other judges, each of one format."""
        if self.bundles:
            yield SignatureFormat.BUNDLE, self
        for portion in portions(self.simple):
            yield SignatureFormat.SIMPLE_SIGNING, replace(self, simple=portion)


def portions(signatures: Iterable[SimpleSignature]) -> Iterator[tuple[SimpleSignature, ...]]:
    """Give old signatures in portions that are no more than one run should judge."""
    portion: list[SimpleSignature] = []
    listed_bytes = 0
    for each in signatures:
        listed_bytes += each.listed_bytes
        if portion and listed_bytes * (len(portion) + 1) > PORTION_MAX_BYTES:
            yield tuple(portion)
            portion, listed_bytes = [], each.listed_bytes
        portion.append(each)
    if portion:
        yield tuple(portion)
