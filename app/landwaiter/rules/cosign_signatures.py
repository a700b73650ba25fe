"""
Every image carries a cosign signature by one of the authorities.

Refused:  an image without signature, with signatures by other keys only, with a signature that
          was copied from another image, with only a signed attestation; a reference without
          digest, unless `unpinned: Warn`, for the node resolves its tag again later.
Admitted: an image whose digest is named by a signature of at least one authority, made by
          cosign 3 (a bundle) or cosign 2 (a `.sig` tag).
Source:   github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md and BUNDLE_SPEC.md
          (cosign 3.1.3, read 2026-11-23); design, semantics 9, 12, 13 and 14.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from landwaiter.images.reference import ImageReference
from landwaiter.rules.authorities import AuthoritySettings, authorities_of
from landwaiter.rules.protocol import Facts, Question, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.requirement import AUTHORITIES_MAX, Requirement, RequirementSettings, sentence
from landwaiter.rules.settings import RuleSettings
from landwaiter.rules.signing_authority import AuthorityAtHand, SigningAuthority
from landwaiter.workloads.values import ImageUse

Covers = Literal["Index", "Platforms", "Both"]
"""What of an image for several platforms has to be signed."""

ANNOTATIONS_MAX = 20

PRINTED_NAMES = frozenset(
    {
        "Bundle",
        "Issuer",
        "RFC3161Timestamp",
        "Subject",
        "githubWorkflowTrigger",
        "githubWorkflowSha",
        "githubWorkflowName",
        "githubWorkflowRepository",
        "githubWorkflowRef",
    }
)
PRINTED_PREFIX = "1.3.6.1.4.1.57264."
"""
What cosign prints beside the annotations that are signed, in the old format.

It reads them from a certificate that may stand there unsigned, so they are never taken for signed
ones. Source: cosign v3.1.3, PrintVerification in cmd/cosign/cli/verify/common.go.
"""

_SIGNED = "it is signed"


@dataclass(frozen=True, slots=True)
class SignatureAnswer:
    """
    Whether an authority has signed; `detail` says in one sentence why not.

    `signer` is a fingerprint of whoever may sign as the authority, the same for the same key.
    """

    verified: bool
    detail: str = ""
    signer: str = ""


@dataclass(frozen=True, slots=True)
class SignatureQuestion(Question[SignatureAnswer]):
    """
    Has this authority signed this image? `subject` has a digest.

    `covers` is what of an image for several platforms has to be signed.
    """

    subject: ImageReference
    authority: SigningAuthority
    covers: Covers = "Index"

    @property
    def ahead(self) -> tuple[AuthorityAtHand, ...]:
        """The authority does not depend on the image."""
        return self.authority.ahead


@dataclass(frozen=True, slots=True)
class CosignSignatures:
    """Refuses images that the authorities have not signed as it is required."""

    id: ClassVar[RuleId] = RuleId("cosignSignatures")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = True
    vouches_for_registry: ClassVar[bool] = False

    authorities: tuple[SigningAuthority, ...]
    requirement: Requirement
    unpinned: Unpinned = "Deny"
    covers: Covers = "Index"

    def needs(self, use: ImageUse) -> tuple[SignatureQuestion, ...]:
        """Ask every authority about the digest."""
        return tuple(
            SignatureQuestion(use.reference, each, self.covers) for each in self.authorities
        )

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return None as soon as enough have signed, whatever became of the others."""
        answers = [(q.authority, _answer(q, facts)) for q in self.needs(use)]
        settled = [(by, each) for by, each in answers if isinstance(each, SignatureAnswer)]
        signed = {by.name: (each.signer, by.annotations) for by, each in settled if each.verified}
        if self.requirement.met_by(signed):
            return None
        open_ = [(by, each) for by, each in answers if isinstance(each, Undecided)]
        if self.requirement.met_by(signed, maybe=[by.name for by, _ in open_]):
            going_on = [by.name for by, each in open_ if each.retry]
            return Undecided(
                reason="signature not verified yet",
                detail=sentence((by.name, each.detail) for by, each in open_),
                retry=self.requirement.met_by(signed, maybe=going_on),
            )
        return Violation(
            self.id,
            reason="no valid signature",
            detail=sentence((by.name, each.detail or _SIGNED) for by, each in settled)
            + f"; a cosign signature by {self.requirement} is wanted",
            remedy=f"sign it: `cosign sign {self._flags}{use.reference.at_digest}`",
        )

    @property
    def _flags(self) -> str:
        """What whoever signs has to say besides the image."""
        recursive = "--recursive " if self.covers != "Index" else ""
        with_key = any(not isinstance(each.signers, tuple) for each in self.authorities)
        return f"{recursive}{'--key KEY ' if with_key else ''}"


def _answer(question: SignatureQuestion, facts: Facts) -> SignatureAnswer | Undecided:
    answer = facts.about(question)
    return answer  # noqa: RET504  # mypy infers another type parameter from a return.


def _annotation(text: str) -> str:
    if not text.isprintable():
        raise ValueError("characters given that cannot be printed, others wanted")
    return text


def _annotation_name(name: str) -> str:
    if name in PRINTED_NAMES or name.startswith(PRINTED_PREFIX):
        raise ValueError(f'"{name}" given, which cosign writes itself; another name wanted')
    return _annotation(name)


AnnotationName = Annotated[
    str, Field(min_length=1, max_length=256), AfterValidator(_annotation_name)
]
AnnotationText = Annotated[str, Field(max_length=1024), AfterValidator(_annotation)]


class SignatureAuthoritySettings(AuthoritySettings):
    """Somebody who may sign: exactly one of `key`, `keyless` and `certificate`."""

    annotations: dict[AnnotationName, AnnotationText] = Field(
        default_factory=dict, min_length=1, max_length=ANNOTATIONS_MAX
    )
    """What has to be signed along, as `cosign sign -a` writes it: each with this value."""

    def authority(self, folder: Path) -> SigningAuthority:
        """Return the authority. Raises `InvalidPolicy` for a file that cannot be used."""
        return replace(super().authority(folder), annotations=tuple(self.annotations.items()))


class CosignSignaturesSettings(RequirementSettings, RuleSettings):
    """Every image carries a cosign signature by one of the authorities."""

    authorities: list[SignatureAuthoritySettings] = Field(min_length=1, max_length=AUTHORITIES_MAX)
    """Who may sign; the signature of one of them is enough unless more is said."""
    multi_platform: Covers = "Index"
    """
    What has to be signed where the image is an index, an image for several platforms.

    `Index`: the index, for all that it lists. `Platforms`: each image in it. `Both`: all of these.
    An image of an index that is named by its own digest is judged by itself.
    """
    unpinned: Unpinned = "Deny"
    """What becomes of a reference without digest whose current image is signed."""

    def rule(self, folder: Path) -> CosignSignatures:
        """Return the rule. Raises `InvalidPolicy` when a file cannot be used."""
        authorities = authorities_of(self.authorities, folder)
        requirement = self.requirement(authorities)
        return CosignSignatures(authorities, requirement, self.unpinned, self.multi_platform)
