"""
Every image carries the attestations that the policy asks for, signed by its authorities.

Refused:  an image without an attestation of the type, with one by other authorities only, with
          one about another image, with one that is too old or whose time nobody vouches for; a
          reference without digest, unless `unpinned: Warn`, for the node resolves its tag again.
Admitted: an image whose digest enough different statements of the type are about, each signed
          by an authority that counts, with cosign 3 (a bundle) or cosign 2 (an `.att` tag).
Source:   github.com/sigstore/cosign, specs/BUNDLE_SPEC.md and COSIGN_PREDICATE_SPEC.md (cosign
          3.1.3, read 2026-11-25); in-toto Statement v1; design, semantics 9, 12, 13 and 14.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from landwaiter.errors import InvalidPolicy
from landwaiter.images.reference import ImageReference
from landwaiter.rules.authorities import AuthoritySettings, authorities_of
from landwaiter.rules.named_expressions import distinct_names
from landwaiter.rules.protocol import Facts, Question, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.requirement import (
    AUTHORITIES_MAX,
    Requirement,
    RequirementSettings,
    sentence,
)
from landwaiter.rules.settings import ClusterOnly, RuleSettings
from landwaiter.rules.signing_authority import AuthorityAtHand, SigningAuthority
from landwaiter.rules.statement_conditions import (
    NO_CONDITIONS,
    Conditions,
    PredicateConditionSettings,
)
from landwaiter.workloads.values import ImageUse

REQUIRED_MAX = 10
AT_LEAST_MAX = 20
AGE_MAX_HOURS = 87_600
"""Ten years."""

CONDITIONS_MAX = 20
CONDITIONS_ONLY = ClusterOnly("all expressions about attestations share one process")

_TYPE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:(?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/|(?!/))"
    r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
)
"""A URI that cosign takes for one; its own short names for types are none."""


@dataclass(frozen=True, slots=True)
class AttestationAnswer:
    """
    How many different statements of an authority count; `detail` says why there are no more.

    `signer` is a fingerprint of whoever may sign as the authority, the same for the same key.
    """

    count: int
    detail: str = ""
    signer: str = ""


@dataclass(frozen=True, slots=True)
class AttestationQuestion(Question[AttestationAnswer]):
    """
    How many statements of a type has this authority signed about an image, and how many count.

    `subject` has a digest. With `at_least` that count, nobody needs to look whether there are more.
    """

    subject: ImageReference
    authority: SigningAuthority
    predicate_type: str
    conditions: Conditions
    at_least: int

    @property
    def ahead(self) -> tuple[AuthorityAtHand, ...]:
        """The authority does not depend on the image."""
        return self.authority.ahead


@dataclass(frozen=True, slots=True)
class RequiredAttestation:
    """
    Statements of one type that an image needs.

    Each authority that is to count has signed `at_least` different ones that meet the conditions.
    """

    predicate_type: str
    authorities: tuple[SigningAuthority, ...]
    requirement: Requirement
    conditions: Conditions = NO_CONDITIONS
    at_least: int = 1

    def needs(self, subject: ImageReference) -> tuple[AttestationQuestion, ...]:
        """Ask every authority about the digest."""
        return tuple(
            AttestationQuestion(subject, each, self.predicate_type, self.conditions, self.at_least)
            for each in self.authorities
        )

    def judge(self, subject: ImageReference, facts: Facts) -> Undecided | str | None:
        """Return what is missing, in one sentence; None as soon as enough have signed."""
        answers = [(q.authority, _answer(q, facts)) for q in self.needs(subject)]
        settled = [(by, each) for by, each in answers if isinstance(each, AttestationAnswer)]
        signed = {by.name: (each.signer, ()) for by, each in settled if each.count >= self.at_least}
        if self.requirement.met_by(signed):
            return None
        open_ = [(by, each) for by, each in answers if isinstance(each, Undecided)]
        if self.requirement.met_by(signed, maybe=[by.name for by, _ in open_]):
            going_on = [by.name for by, each in open_ if each.retry]
            return Undecided(
                reason="attestation not verified yet",
                detail=sentence((by.name, each.detail) for by, each in open_),
                retry=self.requirement.met_by(signed, maybe=going_on),
            )
        seen = sentence((by.name, self._told(each)) for by, each in settled)
        several = self.at_least > 1
        number = f"{self.at_least} different attestations" if several else "an attestation"
        return (
            f'{seen}; {number} of type "{self.predicate_type}"{self.conditions} by '
            f"{self.requirement} {'are' if several else 'is'} wanted"
        )

    def _told(self, answer: AttestationAnswer) -> str:
        if answer.count >= self.at_least:
            return "it is attested"
        if not answer.count:
            return answer.detail
        counted = "only 1 counts" if answer.count == 1 else f"only {answer.count} count"
        return f"{counted}, besides: {answer.detail}" if answer.detail else counted


def _answer(question: AttestationQuestion, facts: Facts) -> AttestationAnswer | Undecided:
    answer = facts.about(question)
    return answer  # noqa: RET504  # mypy infers another type parameter from a return.


@dataclass(frozen=True, slots=True)
class Attestations:
    """Refuses images that lack an attestation that is asked for."""

    id: ClassVar[RuleId] = RuleId("attestations")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = True
    vouches_for_registry: ClassVar[bool] = False

    required: tuple[RequiredAttestation, ...]
    unpinned: Unpinned = "Deny"

    def needs(self, use: ImageUse) -> tuple[AttestationQuestion, ...]:
        """Ask for everything that is required."""
        questions = (q for each in self.required for q in each.needs(use.reference))
        return tuple(dict.fromkeys(questions))

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return None where nothing is missing; what is certainly missing goes before the rest."""
        found = [(each, each.judge(use.reference, facts)) for each in self.required]
        missing = [(each, text) for each, text in found if isinstance(text, str)]
        if missing:
            return Violation(
                self.id,
                reason="no valid attestation",
                detail="; ".join(text for _, text in missing),
                remedy=f"attest it: `{_command(missing[0][0], use.reference)}`",
            )
        open_ = [each for _, each in found if isinstance(each, Undecided)]
        if open_:
            return Undecided(
                reason=open_[0].reason,
                detail="; ".join(dict.fromkeys(each.detail for each in open_)),
                retry=all(each.retry for each in open_),
            )
        return None


def _command(required: RequiredAttestation, subject: ImageReference) -> str:
    with_key = any(not isinstance(each.signers, tuple) for each in required.authorities)
    key = "--key KEY " if with_key else ""
    return (
        f"cosign attest --predicate FILE --type {required.predicate_type} {key}{subject.at_digest}"
    )


def _predicate_type(text: str) -> str:
    if not _TYPE.fullmatch(text):
        raise ValueError(
            f'"{text:.100}" given, the URI of a type is wanted, such as '
            "https://cosign.sigstore.dev/attestation/vuln/v1"
        )
    return text


class RequiredAttestationSettings(RequirementSettings):
    """Attestations of one type that an image needs."""

    predicate_type: Annotated[str, AfterValidator(_predicate_type)] = Field(
        min_length=1, max_length=1024
    )
    """The URI of what the attestation says, such as `https://slsa.dev/provenance/v1`."""
    authorities: list[AuthoritySettings] = Field(min_length=1, max_length=AUTHORITIES_MAX)
    """Who may sign; one of them is enough unless more is said."""
    max_age_hours: int | None = Field(default=None, ge=1, le=AGE_MAX_HOURS)
    """
    How old it may be, by the time that a log or a timestamp authority vouches for.

    What the attestation says of its own age is the signer's word and does not count here.
    """
    at_least: int = Field(default=1, ge=1, le=AT_LEAST_MAX)
    """How many different attestations an authority needs to count."""
    conditions: Annotated[
        list[PredicateConditionSettings], AfterValidator(distinct_names), CONDITIONS_ONLY
    ] = Field(default_factory=list, min_length=1, max_length=CONDITIONS_MAX)
    """What it has to say: expressions that must all be true of its predicate."""

    @model_validator(mode="after")
    def _times_are_vouched_for(self) -> Self:
        if self.max_age_hours is None:
            return self
        for each in self.authorities:
            checks = each.checks
            if not checks.timestamps and (each.key is not None or not checks.transparency_log):
                raise ValueError(
                    f'maxAgeHours given, but nobody vouches for when "{each.name}" has signed; '
                    "timestamps: Required wanted"
                )
        return self

    def required(self, folder: Path) -> RequiredAttestation:
        """Return what is required. Raises `InvalidPolicy`."""
        authorities = authorities_of(self.authorities, folder)
        return RequiredAttestation(
            self.predicate_type,
            authorities,
            self.requirement(authorities),
            Conditions(self.max_age_hours, tuple(each.condition() for each in self.conditions)),
            self.at_least,
        )


class AttestationsSettings(RuleSettings):
    """Every image carries the attestations that are asked for."""

    required: list[RequiredAttestationSettings] = Field(min_length=1, max_length=REQUIRED_MAX)
    """What is asked for; all of it is needed."""
    unpinned: Unpinned = "Deny"
    """What becomes of a reference without digest whose current image has what is asked for."""

    @model_validator(mode="after")
    def _not_too_many_runs(self) -> Self:
        count = sum(len(each.authorities) for each in self.required)
        if count > AUTHORITIES_MAX:
            raise ValueError(f"{count} authorities given in all, at most {AUTHORITIES_MAX} wanted")
        return self

    def rule(self, folder: Path) -> Attestations:
        """Return the rule. Raises `InvalidPolicy` when a file cannot be used."""
        required = []
        for index, each in enumerate(self.required):
            try:
                required.append(each.required(folder))
            except InvalidPolicy as problem:
                raise InvalidPolicy(f"required[{index}].{problem}") from problem
        return Attestations(tuple(required), self.unpinned)
