"""
Every image of a private registry has a pull secret with which the node can fetch it.

Refused:  a Pod that names no pull secret, where its ServiceAccount names none either; one whose
          Secrets are missing, of another type, or without an entry that the kubelet would use for
          the image; one with a Secret that does not parse, for then the kubelet fails the keyring
          for every image of the Pod, whatever its other Secrets hold.
Admitted: an image for which one of the Secrets has a user name and a password; an image of a
          registry that `requireFor` does not name.
Limits:   whether the registry accepts the credentials is not tried. Nodes can have credentials
          of their own (kubelet credential providers): leave such registries out of `requireFor`.
          The first 50 Secrets of a Pod are looked at, in each some 300 entries.
Source:   kubernetes 1.36, pkg/credentialprovider/keyring.go and secrets/secrets.go,
          plugin/pkg/admission/serviceaccount (read 2026-11-23); design, semantics 20.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import DOCKER_HUB, ImageReference
from landwaiter.manifests.names import is_dns_subdomain
from landwaiter.rules.protocol import Facts, Question, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.settings import RepositoryPatternField, RuleSettings
from landwaiter.workloads.values import ImageUse

PATTERNS_MAX = 1000

SECRETS_MAX = 50
"""Each name costs a question to the API server, and whoever writes a Pod could name thousands."""

_DOCKER_HUB_SERVER = "https://index.docker.io/v1/"
"""What `kubectl create secret docker-registry` and the kubelet call Docker Hub."""

_NAME_MAX_CHARACTERS = 63
_PLACE = re.compile(r"\.(containers|initContainers|ephemeralContainers|volumes)\[")


class SecretState(Enum):
    """What a Secret is worth for one image; the value is what a message says about it."""

    USABLE = "has an entry for it"
    MISSING = "does not exist"
    WRONG_TYPE = "is of another type than kubernetes.io/dockerconfigjson"
    UNPARSABLE = "does not parse"
    TOO_LARGE = "holds more than is looked at"
    NO_ENTRY = "has no entry that the kubelet would use for this image"
    NO_PASSWORD = "has an entry without user name and password (the kubelet reads no tokens)"  # noqa: S105  # It says that there is none.


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """
    One Secret that is named for a Pod; nothing of what it holds.

    `remark` is the type for WRONG_TYPE, and for UNPARSABLE and TOO_LARGE what is wrong, without
    quoting it; it is empty for any other state.
    """

    name: str
    state: SecretState
    remark: str = ""

    @property
    def worth(self) -> str:
        """What the Secret is worth, to follow its name in a sentence."""
        return f"{self.state.value} ({self.remark:.200})" if self.remark else self.state.value

    def __str__(self) -> str:
        return f'"{self.name:.100}" {self.worth}'


@dataclass(frozen=True, slots=True)
class PullSecretAnswer:
    """
    The Secrets with which the node could pull an image, in the order in which they are named.

    `service_account` is the account that was looked up because the Pod names no Secret, with its
    effective name ("default" where none is written), and None where the Pod names one itself.
    `account_missing` is True when there is no such account; `left_out` counts names beyond the
    first `SECRETS_MAX`. Names that are empty, or given before, are not among `secrets`.
    """

    namespace: str
    secrets: tuple[NamedSecret, ...]
    service_account: str | None = None
    account_missing: bool = False
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class PullSecretQuestion(Question[PullSecretAnswer]):
    """
    Tell which of the Secrets named for a Pod let the node pull this image.

    Whose Secrets is a matter of the inquiry: those that its workload names, else, where it names
    none at all, those of its ServiceAccount. Before anything but `USABLE` is answered it is read
    anew, since the person may have mended it a moment ago.
    """

    reference: ImageReference


@dataclass(frozen=True, slots=True)
class PullSecrets:
    """Refuses images that the node could not pull for lack of a pull secret."""

    id: ClassVar[RuleId] = RuleId("pullSecrets")
    reads: ClassVar[frozenset[str]] = frozenset({"pull_secrets", "service_account"})
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: ClassVar[Unpinned] = "Deny"

    require_for: tuple[ImagePattern, ...]

    def needs(self, use: ImageUse) -> tuple[PullSecretQuestion, ...]:
        """Ask for the Secrets of images that need one."""
        if not any(pattern.matches(use.reference) for pattern in self.require_for):
            return ()
        return (PullSecretQuestion(use.reference),)

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return what is wrong with the pull secrets of one image use, None where nothing is."""
        for question in self.needs(use):
            answer = facts.about(question)
            if isinstance(answer, Undecided):
                return answer
            if broken := [s for s in answer.secrets if s.state is SecretState.UNPARSABLE]:
                return self._breaks_keyring(answer, broken)
            if not any(secret.state is SecretState.USABLE for secret in answer.secrets):
                return self._none_fits(use, answer)
        return None

    def _breaks_keyring(self, answer: PullSecretAnswer, broken: Sequence[NamedSecret]) -> Violation:
        return Violation(
            self.id,
            reason="pull secret breaks the keyring",
            detail=(
                f"{_listed(answer, broken)}; with it the kubelet fails to pull every image of the "
                "Pod, one that parses is wanted"
            ),
            remedy=(
                f"mend it, or no longer name it: `kubectl get secret {_safe(broken[0].name)} "
                f"--namespace {_safe(answer.namespace)} --output yaml`"
            ),
        )

    def _none_fits(self, use: ImageUse, answer: PullSecretAnswer) -> Violation:
        wanted = f"one with an entry for {use.reference.name} is wanted"
        if not answer.secrets:
            return Violation(
                self.id,
                reason="no pull secret",
                detail=f"{_nothing_named(answer)}; {wanted}",
                remedy=_remedy(use, answer, name=None),
            )
        more = f" and {answer.left_out} more that were not looked at" if answer.left_out else ""
        missing = [s.name for s in answer.secrets if s.state is SecretState.MISSING]
        return Violation(
            self.id,
            reason="no pull secret fits",
            detail=f"{_listed(answer, answer.secrets)}{more}; {wanted}",
            remedy=_remedy(use, answer, name=next(filter(is_dns_subdomain, missing), None)),
        )


def _nothing_named(answer: PullSecretAnswer) -> str:
    where = f'namespace "{answer.namespace}"'
    if answer.service_account is None:
        return "the Pod lists imagePullSecrets without a name, so its ServiceAccount's do not apply"
    account = f'ServiceAccount "{answer.service_account:.100}"'
    if answer.account_missing:
        return f"the Pod names no pull secret, and {account} does not exist in {where}"
    return f"neither the Pod nor {account} in {where} names a pull secret"


def _listed(answer: PullSecretAnswer, secrets: Sequence[NamedSecret]) -> str:
    """Return whose Secrets these are, and what each of them is worth."""
    account = f'ServiceAccount "{answer.service_account or "":.100}"'
    if len(answer.secrets) + answer.left_out == 1:
        (secret,) = secrets
        if answer.service_account is None:
            return f"the Pod's pull secret {secret}"
        return f'pull secret "{secret.name:.100}" of {account} {secret.worth}'
    whose = "the Pod's" if answer.service_account is None else f"{account}'s"
    return f"among {whose} pull secrets, {', '.join(map(str, secrets))}"


def _remedy(use: ImageUse, answer: PullSecretAnswer, name: str | None) -> str:
    """Return the command that makes the Secret, and where to name it if that is not done yet."""
    registry = use.reference.registry
    host = _DOCKER_HUB_SERVER if registry == DOCKER_HUB else registry
    command = (
        f"`kubectl create secret docker-registry {name or _name_for(registry)} "
        f"--namespace {_safe(answer.namespace)} --docker-server={host} "
        "--docker-username=USER --docker-password=PASSWORD`"
    )
    if name is not None:
        return f"run {command}"
    before, place, _ = _PLACE.split(use.path, maxsplit=1)
    where = f"name it in {before}.imagePullSecrets"
    if place == "ephemeralContainers":
        where += " of a new Pod, for those of a running one cannot be changed"
    return f"run {command} and {where}"


def _name_for(registry: str) -> str:
    """Return a name that a new Secret for a registry can have."""
    name = re.sub(r"[^a-z0-9]+", "-", registry.lower()).strip("-")
    return name[:_NAME_MAX_CHARACTERS].strip("-") or "pull-secret"


def _safe(name: str) -> str:
    """Return a name as it may stand in a command, which a person will paste into a shell."""
    return name if is_dns_subdomain(name) else "NAME"


class PullSecretsSettings(RuleSettings):
    """Every image of a private registry has a pull secret that the node can use."""

    require_for: list[RepositoryPatternField] = Field(min_length=1, max_length=PATTERNS_MAX)
    """
    Patterns of the images that need a pull secret; a host alone stands for all that it holds.

    Leave registries out for which the nodes have credentials of their own.
    """

    def rule(self, folder: Path) -> PullSecrets:
        """Return the rule; it reads no file."""
        return PullSecrets(tuple(self.require_for))
