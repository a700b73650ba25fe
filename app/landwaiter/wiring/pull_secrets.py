"""Answers what the `pullSecrets` rule asks: what each named Secret is worth for an image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from landwaiter.cluster.values import Secret
from landwaiter.errors import RegistryUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry.access import PullAccess
from landwaiter.registry.credentials import Credential, ImageCoverage
from landwaiter.registry.docker_config import SECRET_KEYS, OversizedDockerConfig
from landwaiter.registry.expiry import expiry_of
from landwaiter.registry.logins import LoginsPaused
from landwaiter.registry.reading import MAX_CANDIDATES
from landwaiter.rules.protocol import Inquiry
from landwaiter.rules.pull_secret_answers import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.wiring.docker_configs import DockerConfig
from landwaiter.wiring.keychains import NamedSecrets, PullSecretReader
from landwaiter.wiring.pull_trials import PullTrials

UNTOLD = "(not told without --client-ca)"
"""Stands for the name of a Secret that the request does not name."""

CLOCK_LEEWAY = timedelta(seconds=60)
"""A token counts as good for so long after its end, since clocks differ."""

NO_COVERAGE = ImageCoverage(())

_STATE_AFTER = {
    PullAccess.LOGIN_REFUSED: SecretState.LOGIN_REFUSED,
    PullAccess.PULL_REFUSED: SecretState.PULL_REFUSED,
    PullAccess.NOT_SHOWN: SecretState.NOT_SHOWN,
}


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


class PullSecretStates:
    """
    Says of each Secret whether the kubelet could use it, and nothing of what it holds.

    `of_nodes` are the images for which nodes have credentials of their own; `trials` tries what
    Secrets hold, None where no registry can be asked.
    """

    def __init__(
        self,
        reader: PullSecretReader,
        *,
        of_nodes: ImageCoverage = NO_COVERAGE,
        trials: PullTrials | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._reader = reader
        self._of_nodes = of_nodes
        self._trials = trials
        self._clock = clock

    async def answer(self, question: PullSecretQuestion, inquiry: Inquiry) -> PullSecretAnswer:
        """
        Return the state of each Secret that counts for the workload.

        What memory says against an image is read anew: a person may have mended it since. Who is
        not known to be the API server is told nothing that the request does not name. Raises
        `Unavailable`.
        """
        answer = await self._whole_answer(question, inquiry)
        return answer if inquiry.credentials_allowed else _for_anybody(answer)

    async def _whole_answer(
        self, question: PullSecretQuestion, inquiry: Inquiry
    ) -> PullSecretAnswer:
        answer = await self._tried(await self._reader.named_secrets(inquiry), question, inquiry)
        if _is_good(answer, question):
            return answer
        anew = await self._reader.named_secrets(inquiry, fresh=True)
        return await self._tried(anew, question, inquiry)

    async def _tried(
        self, named: NamedSecrets, question: PullSecretQuestion, inquiry: Inquiry
    ) -> PullSecretAnswer:
        """
        Return what the Secrets are worth, those among it that the registry refuses.

        Nothing is tried where that could change nothing. Raises `RegistryUnavailable` where a
        credential could not be tried, and none that could be is good.
        """
        answer = await self._answer(inquiry.workload.namespace, named, question)
        if question.check_access == "Never" or not _is_good(answer, question):
            return answer
        if answer.node_credentials:
            return answer
        if self._trials is None or not inquiry.credentials_allowed:
            raise RegistryUnavailable(
                f"credentials for {question.reference.name} are tried only for an API server that "
                "is known by --client-ca, and never where facts are declared"
            )
        usable = {each.name for each in answer.in_state(SecretState.USABLE)}
        found = [each for each in named.secrets if each is not None and each.name in usable]
        outcomes: dict[Credential, PullAccess] = {}
        paused: LoginsPaused | None = None
        candidates = await self._candidates(found, question.reference)
        for credential in candidates[:MAX_CANDIDATES]:
            try:
                outcome = await self._trials.outcome(
                    question.reference,
                    credential,
                    owner=inquiry.workload.namespace,
                    cached=question.check_access == "Cached",
                    deadline=inquiry.deadline,
                )
            except LoginsPaused as problem:
                paused = problem
                continue
            if outcome is PullAccess.GRANTED:
                return answer
            outcomes[credential] = outcome
        if paused is not None:
            raise paused
        if len(candidates) > MAX_CANDIDATES:
            raise RegistryUnavailable(
                f"{len(candidates)} entries match {question.reference.name}, of which "
                f"{MAX_CANDIDATES} were tried in vain"
            )
        return await self._with_outcomes(answer, found, outcomes)

    async def _candidates(
        self, secrets: Sequence[Secret], reference: ImageReference
    ) -> list[Credential]:
        """Return what the kubelet would try that can be good, in its order, each once."""
        await self._reader.configs(secrets)
        candidates = self._reader.keychain_of(secrets).candidates(reference)
        return [each for each in dict.fromkeys(candidates) if self._can_be_good(each)]

    async def _with_outcomes(
        self,
        answer: PullSecretAnswer,
        secrets: Sequence[Secret],
        outcomes: Mapping[Credential, PullAccess],
    ) -> PullSecretAnswer:
        """Return the answer with the best that came of any entry of each Secret."""
        best: dict[str, SecretState] = {}
        for secret, config in zip(secrets, await self._reader.configs(secrets), strict=True):
            states = [
                _STATE_AFTER[outcomes[each]] for each in config.credentials if each in outcomes
            ]
            best[secret.name] = min(
                states, key=tuple(SecretState).index, default=SecretState.TOO_LARGE
            )
        return replace(
            answer,
            secrets=tuple(
                replace(each, state=best.get(each.name, each.state)) for each in answer.secrets
            ),
        )

    def _can_be_good(self, credential: Credential) -> bool:
        """Whether the kubelet would send it, and it has not expired by its own word."""
        end = expiry_of(credential.password)
        return bool(credential.username or credential.password) and (
            end is None or self._clock() < end + CLOCK_LEEWAY
        )

    async def _answer(
        self, namespace: str, named: NamedSecrets, question: PullSecretQuestion
    ) -> PullSecretAnswer:
        found = [secret for secret in named.secrets if secret is not None]
        configs = iter(await self._reader.configs(found))
        states = (
            NamedSecret(name, SecretState.MISSING)
            if secret is None
            else self._state(secret, name, next(configs), question.reference)
            for name, secret in zip(named.names, named.secrets, strict=True)
        )
        return PullSecretAnswer(
            namespace=namespace,
            secrets=tuple(states),
            service_account=named.account,
            account_missing=not named.account_exists,
            left_out=named.left_out,
            repeated=named.repeated,
            is_late=named.is_late,
            node_credentials=(
                question.node_credentials and self._of_nodes.covers(question.reference)
            ),
        )

    def _state(
        self, secret: Secret, name: str, config: DockerConfig, reference: ImageReference
    ) -> NamedSecret:
        if secret.type not in SECRET_KEYS:
            return NamedSecret(name, SecretState.WRONG_TYPE, remark=secret.type)
        if isinstance(config.problem, OversizedDockerConfig):
            return NamedSecret(name, SecretState.TOO_LARGE, remark=str(config.problem))
        if config.problem is not None:
            return NamedSecret(name, SecretState.UNPARSABLE, remark=str(config.problem))
        if not config.credentials:
            return NamedSecret(name, SecretState.EMPTY)
        candidates = [config.credentials[at] for at in config.keys.positions(reference)]
        if candidates:
            return self._state_of_entries(name, candidates)
        near = config.keys.names_registry(reference)
        return NamedSecret(name, SecretState.OTHER_PATH if near else SecretState.NO_ENTRY)

    def _state_of_entries(self, name: str, candidates: list[Credential]) -> NamedSecret:
        passwords = [each for each in candidates if each.username or each.password]
        if not passwords:
            has_token = any(each.identity_token for each in candidates)
            return NamedSecret(
                name, SecretState.TOKEN_ALONE if has_token else SecretState.NO_PASSWORD
            )
        ends = [expiry_of(each.password) for each in passwords]
        last = max((end for end in ends if end is not None), default=None)
        if None in ends or last is None or self._clock() < last + CLOCK_LEEWAY:
            return NamedSecret(name, SecretState.USABLE)
        return NamedSecret(name, SecretState.EXPIRED, remark=f"at {last:%Y-%m-%dT%H:%M:%SZ}")


def _for_anybody(answer: PullSecretAnswer) -> PullSecretAnswer:
    """Return the answer without types, faults of content, and names that an account gives."""
    from_account = answer.service_account is not None
    return replace(
        answer,
        secrets=tuple(
            replace(each, name=UNTOLD if from_account else each.name, remark="")
            for each in answer.secrets
        ),
        repeated=() if from_account else answer.repeated,
    )


def _is_good(answer: PullSecretAnswer, question: PullSecretQuestion) -> bool:
    """Whether what was read speaks for the image, so that it need not be read anew."""
    states = {secret.state for secret in answer.secrets}
    if question.forbidden:
        return not answer.account_missing and states <= {SecretState.NO_ENTRY}
    usable = SecretState.USABLE in states or answer.node_credentials
    return usable and SecretState.UNPARSABLE not in states
