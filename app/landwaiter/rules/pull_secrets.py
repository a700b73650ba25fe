"""
Every image of a private registry has a pull secret with which the node can fetch it.

Refused:  a Pod that names no pull secret, where its ServiceAccount names none either; one whose
          Secrets are missing, of another type, or without an entry that the kubelet would use for
          the image, or with one that holds no password, or a token that has expired; one with a
          Secret that does not parse, for then the kubelet fails the keyring for every image of the
          Pod, whatever its other Secrets hold. With `checkAccess` also where the registry lets no
          entry pull the image. In `forbidIn` it is the other way round: an entry is refused.
Admitted: an image for which one of the Secrets has a user name and a password; an image for which
          the nodes have credentials of their own, as the install's settings declare; an image that
          `requireFor` does not name. With `Warn`, where a Secret or an account does not exist yet.
Limits:   what Secrets hold now is judged, and they may change later. The first 50 Secrets of a Pod
          are looked at, in each some 300 entries, and 16 entries are tried.
Source:   kubernetes 1.36, pkg/credentialprovider/keyring.go and secrets/secrets.go,
          plugin/pkg/admission/serviceaccount (read 2026-11-23); design, semantics 20.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from landwaiter.images.patterns import ImagePattern
from landwaiter.rules.protocol import Facts, Reservation, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.pull_secret_answers import (
    CARRYING,
    CheckAccess,
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.rules.pull_secret_sentences import (
    how_to_mend,
    how_to_name_none,
    how_to_name_one,
    how_to_parse,
    listed,
    not_looked_at,
    nothing_named,
)
from landwaiter.rules.settings import RepositoryPatternField, RuleSettings, in_cel
from landwaiter.workloads.values import ImageUse

PATTERNS_MAX = 1000

Unknown = Literal["Deny", "Warn"]
"""What becomes of an image for which something is named that does not exist, or not yet."""

Outcome = Violation | Undecided | Reservation | None


@dataclass(frozen=True, slots=True)
class PullSecrets:
    """Refuses images that the node could not pull for lack of a pull secret."""

    id: ClassVar[RuleId] = RuleId("pullSecrets")
    reads: ClassVar[frozenset[str]] = frozenset({"pull_secrets", "service_account"})
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: ClassVar[Unpinned] = "Deny"

    require_for: tuple[ImagePattern, ...]
    forbid_in: tuple[ImagePattern, ...] = ()
    allow_node_credentials: bool = True
    awaits_accounts: bool = False
    awaits_secrets: bool = False
    check_access: CheckAccess = "Never"

    def needs(self, use: ImageUse) -> tuple[PullSecretQuestion, ...]:
        """Ask for the Secrets of images that need one, or must not have one."""
        if _names(self.forbid_in, use):
            return (PullSecretQuestion(use.reference, forbidden=True),)
        if not _names(self.require_for, use):
            return ()
        return (
            PullSecretQuestion(
                use.reference,
                node_credentials=self.allow_node_credentials,
                check_access=self.check_access,
            ),
        )

    def judge(self, use: ImageUse, facts: Facts) -> Outcome:
        """Return what is wrong with the pull secrets of one image use, None where nothing is."""
        for question in self.needs(use):
            answer = facts.about(question)
            if isinstance(answer, Undecided):
                return answer
            if broken := answer.in_state(SecretState.UNPARSABLE):
                return self._breaks_keyring(answer, broken)
            if question.forbidden:
                return self._judge_forbidden(use, answer)
            if not answer.in_state(SecretState.USABLE) and not answer.node_credentials:
                return self._not_yet(use, answer) or self._none_fits(use, answer)
        return None

    def _breaks_keyring(self, answer: PullSecretAnswer, broken: Sequence[NamedSecret]) -> Violation:
        return Violation(
            self.id,
            reason="pull secret breaks the keyring",
            detail=(
                f"{listed(answer, broken)}; with it the kubelet fails to pull every image of the "
                "Pod, one that parses is wanted"
            ),
            remedy=how_to_parse(answer, broken[0]),
        )

    def _judge_forbidden(self, use: ImageUse, answer: PullSecretAnswer) -> Outcome:
        wanted = "the image has to be pulled without credentials, so none is wanted"
        remedy = how_to_name_none(use, answer)
        if carrying := answer.in_state(*CARRYING):
            detail = f"{listed(answer, carrying)}; {wanted}"
            return Violation(self.id, reason="forbidden pull secret", detail=detail, remedy=remedy)
        unknown = answer.in_state(SecretState.TOO_LARGE)
        if not self.awaits_secrets:
            unknown = answer.in_state(SecretState.TOO_LARGE, SecretState.MISSING)
        if unknown or answer.left_out:
            seen = listed(answer, unknown) if unknown else "the Pod names too many pull secrets"
            detail = f"{seen}{not_looked_at(answer)}, so it may hold an entry for it; {wanted}"
            return Violation(self.id, reason="forbidden pull secret", detail=detail, remedy=remedy)
        if answer.account_missing and not self.awaits_accounts:
            detail = f"{nothing_named(answer)}, so it may come to name one; {wanted}"
            return Violation(self.id, reason="forbidden pull secret", detail=detail, remedy=remedy)
        return self._reservation(answer, "when it comes, it must hold no entry for the image")

    def _not_yet(self, use: ImageUse, answer: PullSecretAnswer) -> Reservation | None:
        wanted = f"with an entry for {use.reference.name}"
        return self._reservation(answer, f"until it does, {wanted}, the image is not pulled")

    def _reservation(self, answer: PullSecretAnswer, until: str) -> Reservation | None:
        """Return what is to be said of what does not exist yet, None where that is refused."""
        missing = answer.in_state(SecretState.MISSING)
        if missing and self.awaits_secrets:
            names = ", ".join(f'"{secret.name:.100}"' for secret in missing[:3])
            return Reservation(f"pull secret {names} does not exist yet; {until}")
        if answer.account_missing and self.awaits_accounts:
            account = f'ServiceAccount "{answer.service_account or "":.100}"'
            return Reservation(f"{account} does not exist yet; {until}")
        return None

    def _none_fits(self, use: ImageUse, answer: PullSecretAnswer) -> Violation:
        wanted = f"one with an entry for {use.reference.name} is wanted"
        if not answer.secrets:
            return Violation(
                self.id,
                reason="no pull secret",
                detail=f"{nothing_named(answer)}; {wanted}",
                remedy=how_to_name_one(use, answer),
            )
        return Violation(
            self.id,
            reason="no pull secret fits",
            detail=f"{listed(answer, answer.secrets)}{not_looked_at(answer)}; {wanted}",
            remedy=how_to_mend(use, answer),
        )


def _names(patterns: Sequence[ImagePattern], use: ImageUse) -> bool:
    return any(pattern.matches(use.reference) for pattern in patterns)


class PullSecretsSettings(RuleSettings):
    """Every image of a private registry has a pull secret that the node can use."""

    model_config = ConfigDict(
        json_schema_extra=in_cel(
            (
                "has(self.requireFor) || has(self.forbidIn)",
                "nothing given, requireFor or forbidIn or both are wanted",
            )
        )
    )

    require_for: list[RepositoryPatternField] = Field(
        default_factory=list, min_length=1, max_length=PATTERNS_MAX
    )
    """Patterns of the images that need a pull secret; a host alone stands for all that it holds."""
    forbid_in: list[RepositoryPatternField] = Field(
        default_factory=list, min_length=1, max_length=PATTERNS_MAX
    )
    """Patterns of images for which no pull secret may have an entry, whatever `requireFor` says."""
    allow_node_credentials: bool = True
    """
    Whether the credentials of the nodes do in place of a pull secret, for the images for which the
    install's settings declare them in `nodeCredentials`.
    """
    unknown_service_account: Unknown = "Deny"
    """
    What becomes of an image whose Pod names no pull secret, and whose ServiceAccount does not
    exist: the same `kubectl apply` may bring it a moment later.
    """
    unknown_secret: Unknown = "Deny"  # noqa: S105  # It is no secret itself.
    """What becomes of an image for which a pull secret is named that does not exist, or not yet."""
    check_access: CheckAccess = "Never"
    """
    Whether the credentials are tried against the registry. `Cached` takes a success of the last
    ten minutes for one; `Always` asks anew each time.
    """

    @model_validator(mode="after")
    def _decides_something(self) -> Self:
        if not self.require_for and not self.forbid_in:
            raise ValueError("nothing given, requireFor or forbidIn or both are wanted")
        return self

    def rule(self, folder: Path) -> PullSecrets:
        """Return the rule; it reads no file."""
        return PullSecrets(
            tuple(self.require_for),
            tuple(self.forbid_in),
            self.allow_node_credentials,
            self.unknown_service_account == "Warn",
            self.unknown_secret == "Warn",  # noqa: S105  # It is no secret itself.
            self.check_access,
        )
