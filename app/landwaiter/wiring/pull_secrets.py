"""Answers what the `pullSecrets` rule asks: what each named Secret is worth for an image."""

from landwaiter.cluster.values import Secret
from landwaiter.errors import InvalidDockerConfig
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import FiledKeys
from landwaiter.registry.docker_config import SECRET_KEYS, credentials_of_secret
from landwaiter.rules.protocol import Inquiry
from landwaiter.rules.pull_secrets import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.wiring.keychains import NamedSecrets, PullSecretReader


class PullSecretStates:
    """Says of each Secret whether the kubelet could use it, and nothing of what it holds."""

    def __init__(self, reader: PullSecretReader) -> None:
        self._reader = reader

    async def answer(self, question: PullSecretQuestion, inquiry: Inquiry) -> PullSecretAnswer:
        """
        Return the state of each Secret that counts for the workload.

        What memory says against an image is read anew: a person may have mended it since.
        Raises `Unavailable`.
        """
        workload, deadline = inquiry.workload, inquiry.deadline
        named = await self._reader.named_secrets(workload, deadline=deadline)
        answer = _answer(workload.namespace, named, question.reference)
        if _is_good(answer):
            return answer
        named = await self._reader.named_secrets(workload, deadline=deadline, fresh=True)
        return _answer(workload.namespace, named, question.reference)


def _is_good(answer: PullSecretAnswer) -> bool:
    states = {secret.state for secret in answer.secrets}
    return SecretState.USABLE in states and SecretState.UNPARSABLE not in states


def _answer(namespace: str, named: NamedSecrets, reference: ImageReference) -> PullSecretAnswer:
    states = (
        _state(name, secret, reference)
        for name, secret in zip(named.names, named.secrets, strict=True)
    )
    return PullSecretAnswer(
        namespace=namespace,
        secrets=tuple(states),
        service_account=named.account,
        account_missing=not named.account_exists,
        left_out=named.left_out,
    )


def _state(name: str, secret: Secret | None, reference: ImageReference) -> NamedSecret:
    if secret is None:
        return NamedSecret(name, SecretState.MISSING)
    if secret.type not in SECRET_KEYS:
        return NamedSecret(name, SecretState.WRONG_TYPE, remark=secret.type)
    try:
        credentials = credentials_of_secret(secret.type, secret.data)
    except InvalidDockerConfig as problem:
        return NamedSecret(name, SecretState.UNPARSABLE, remark=str(problem))
    positions = FiledKeys(each.key for each in credentials).positions(reference)
    if not positions:
        return NamedSecret(name, SecretState.NO_ENTRY)
    if not any(credentials[at].username or credentials[at].password for at in positions):
        return NamedSecret(name, SecretState.NO_PASSWORD)
    return NamedSecret(name, SecretState.USABLE)
