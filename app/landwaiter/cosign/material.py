"""
What may be signatures of one image: the values that are judged, and how much of it there may be.

The limits are ours, and what breaks them is a refusal: whoever may push can make as many and as
large signatures as they like (design, semantics 14).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.images.reference import ImageReference

SIGNATURES_MAX = 500
"""
Signatures of one image and format.

Signing an image again, as a nightly pipeline does, adds one. cosign reads the whole list for
each signature in the old format: judging 500 takes it 2.3 s of processor time.
"""

SIGNATURE_MAX_BYTES = 262_144
"""
One bundle, or one payload with its annotations.

A bundle with certificate, log entry, inclusion proof and timestamp has about 10 kB.
"""

TOTAL_MAX_BYTES = 1_048_576
"""
All signatures of one image: 100 of 10 kB, or the most there may be of 2 kB. One by a key alone
has 1 kB. `verifier.py` holds those of 128 images at most.
"""


@dataclass(frozen=True, slots=True)
class SimpleSignature:
    """A payload in the old format, and the annotations that hold its signature and proofs."""

    payload: bytes
    annotations: Mapping[str, str] = field(hash=False)

    @property
    def size_bytes(self) -> int:
        """How much there is of it."""
        annotations = sum(len(name) + len(text) for name, text in self.annotations.items())
        return len(self.payload) + annotations


@dataclass(frozen=True, slots=True)
class SignatureMaterial:
    """
    All that may be a signature of `subject`, which has a digest and no tag.

    `left_out` says of each piece that was left out what it is, for people. `unread` is why one of
    the formats could not be read, None where both were: signatures of the other one still count,
    but that there is none is then not known.
    """

    subject: ImageReference
    bundles: tuple[bytes, ...] = field(default=(), repr=False)
    simple: tuple[SimpleSignature, ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()
    unread: Failure | None = None

    @property
    def formats(self) -> tuple[SignatureFormat, ...]:
        """The formats in which there is anything to judge."""
        return (SignatureFormat.BUNDLE,) * bool(self.bundles) + (
            SignatureFormat.SIMPLE_SIGNING,
        ) * bool(self.simple)

    @property
    def size_bytes(self) -> int:
        """How much there is to judge."""
        return sum(map(len, self.bundles)) + sum(each.size_bytes for each in self.simple)
