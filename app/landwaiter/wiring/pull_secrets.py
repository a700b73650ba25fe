"""Answers what the `pullSecrets` rule asks: what each named Secret is worth for an image."""

from dataclasses import replace

from landwaiter.cluster.values import Secret
from landwaiter.images.reference import ImageReference
from landwaiter.registry.docker_config import SECRET_KEYS, OversizedDockerConfig
from landwaiter.rules.protocol import Inquiry
from landwaiter.rules.pull_secrets import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.wiring.docker_configs import DockerConfig
from landwaiter.wiring.keychains import NamedSecrets, PullSecretReader

UNTOLD = "(not told without --client-ca)"
"""Stands for the name of a Secret that the request does not name."""


class PullSecretStates:
    """Says of each Secret whether the kubelet could use it, and nothing of what it holds."""

    def __init__(self, reader: PullSecretReader) -> None:
        self._reader = reader

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
        workload, deadline = inquiry.workload, inquiry.deadline
        named = await self._reader.named_secrets(workload, deadline=deadline)
        answer = await self._answer(workload.namespace, named, question.reference)
        if _is_good(answer):
            return answer
        named = await self._reader.named_secrets(workload, deadline=deadline, fresh=True)
        return await self._answer(workload.namespace, named, question.reference)

    async def _answer(
        self, namespace: str, named: NamedSecrets, reference: ImageReference
    ) -> PullSecretAnswer:
        found = [secret for secret in named.secrets if secret is not None]
        configs = iter(await self._reader.configs(found))
        states = (
            NamedSecret(name, SecretState.MISSING)
            if secret is None
            else _state(secret, name, next(configs), reference)
            for name, secret in zip(named.names, named.secrets, strict=True)
        )
        return PullSecretAnswer(
            namespace=namespace,
            secrets=tuple(states),
            service_account=named.account,
            account_missing=not named.account_exists,
            left_out=named.left_out,
        )


def _for_anybody(answer: PullSecretAnswer) -> PullSecretAnswer:
    """Return the answer without types, faults of content, and names that an account gives."""
    from_account = answer.service_account is not None
    return replace(
        answer,
        secrets=tuple(
            replace(each, name=UNTOLD if from_account else each.name, remark="")
            for each in answer.secrets
        ),
    )


def _is_good(answer: PullSecretAnswer) -> bool:
    states = {secret.state for secret in answer.secrets}
    return SecretState.USABLE in states and SecretState.UNPARSABLE not in states


def _state(
    secret: Secret, name: str, config: DockerConfig, reference: ImageReference
) -> NamedSecret:
    if secret.type not in SECRET_KEYS:
        return NamedSecret(name, SecretState.WRONG_TYPE, remark=secret.type)
    if isinstance(config.problem, OversizedDockerConfig):
        return NamedSecret(name, SecretState.TOO_LARGE, remark=str(config.problem))
    if config.problem is not None:
        return NamedSecret(name, SecretState.UNPARSABLE, remark=str(config.problem))
    positions = config.keys.positions(reference)
    if not positions:
        return NamedSecret(name, SecretState.NO_ENTRY)
    if not any(
        config.credentials[at].username or config.credentials[at].password for at in positions
    ):
        return NamedSecret(name, SecretState.NO_PASSWORD)
    return NamedSecret(name, SecretState.USABLE)
