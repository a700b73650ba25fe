"""
Somebody who may sign, and what their signatures are judged with, as rules ask about it.

Parts of it may stand elsewhere: in the cluster, in a KMS, in a repository. Then it says where.
"""

from dataclasses import dataclass
from typing import Final

from landwaiter.identities import Identity
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import KMSReference, PublicKey
from landwaiter.rules.protocol import Question
from landwaiter.rules.references import ConfigMapEntry, Entry, SecretEntry
from landwaiter.trusted_roots import (
    NO_CHECKS,
    AuthorityCertificates,
    Checks,
    TrustedRoot,
    TUFTarget,
)

Signers = PublicKey | Entry | KMSReference | tuple[Identity, ...]
"""A key, where one is to be had, or whom certificates may name."""


@dataclass(frozen=True, slots=True)
class Trust:
    """
    What signatures are judged with besides keys.

    An `Entry` stands in the cluster, a `TUFTarget` is distributed by a repository. `root` is a
    Sigstore trusted root. `certificates` are authorities of one's own, and take the place of those
    in the root.
    """

    root: TrustedRoot | Entry | TUFTarget | None = None
    certificates: AuthorityCertificates | Entry | None = None


NO_TRUST = Trust()
ELSEWHERE: Final = (SecretEntry, ConfigMapEntry, KMSReference, TUFTarget)
"""What says where something stands, and is not that itself."""


@dataclass(frozen=True, slots=True)
class SigningAuthority:
    """
    Somebody who may sign, and what else their signatures have to bring.

    `annotations` have to be signed along. `repository` is where the signatures are, None for the
    image's own; only its registry and repository count.
    """

    name: str
    signers: Signers
    checks: Checks = NO_CHECKS
    trust: Trust = NO_TRUST
    annotations: tuple[tuple[str, str], ...] = ()
    repository: ImageReference | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the policy says all of it, and nothing is read from elsewhere."""
        return not (
            isinstance(self.signers, ELSEWHERE)
            or isinstance(self.trust.root, ELSEWHERE)
            or isinstance(self.trust.certificates, ELSEWHERE)
        )

    @property
    def ahead(self) -> "tuple[AuthorityAtHand, ...]":
        """What a question about this authority has ahead of it."""
        return () if self.is_whole else (AuthorityAtHand(self),)


@dataclass(frozen=True, slots=True)
class AuthorityAtHand(Question[bool]):
    """
    All of the authority is at hand, and so are the credentials that its signatures are read with.

    They are once this was asked, as far as they can be had; whoever needs the rest is told why.
    """

    authority: SigningAuthority
