"""
What was verified: an image, by somebody, in a way.

The key is that of semantics 21: registry and repository as they are signed, the digest, and a hash
of everything that shapes a verification; never a tag, an object, or the name of a policy. Whatever
changes in a policy that could change a verdict changes the key, so that nothing of before is found.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from landwaiter.images.reference import ImageReference

SIGNATURE: Final = "signature"


@dataclass(frozen=True, slots=True)
class Verification:
    """
    One thing that can be verified.

    `subject` has a digest and no tag. `fingerprint` is that of the authority with all that is
    checked; `wanted` is what else a policy asks: what of an image for several platforms has to be
    signed, or which attestations there have to be.
    """

    subject: ImageReference
    fingerprint: str
    wanted: str

    @property
    def key(self) -> str:
        """Return a hash of all of it, as 64 hexadecimal digits."""
        shaping = [str(self.subject), self.fingerprint, self.wanted]
        return hashlib.sha256(json.dumps(shaping).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Success:
    """
    That something was verified: by which authority of a policy, by what, and when.

    `evidence` is the type of the attestation, or `signature`. `when` is in seconds of Unix, by the
    clock of the API server where there is one; from `ends` on the same would not be enough any
    more, None where that never is.
    """

    verification: Verification
    authority: str
    when: float
    evidence: str = SIGNATURE
    ends: float | None = None
