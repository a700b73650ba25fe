"""
Answers the questions of `pullSecrets` from the facts of a fixture.

    secrets    what each Secret that counts for the Pod is worth: a name of `SecretState`, or
               that and a remark
    account    the ServiceAccount that was looked up, where the Pod names no Secret
    no_account true when there is no such account
    nodes      true when nodes have credentials of their own
    tried      what `checkAccess` makes of the Secrets: as `secrets`, where a credential is tried
"""

from collections.abc import Mapping
from typing import Any

from landwaiter.rules.protocol import Question
from landwaiter.rules.pull_secret_answers import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)


def answer(question: Question[Any], section: Mapping[str, Any]) -> PullSecretAnswer:
    assert isinstance(question, PullSecretQuestion)
    secrets = section["secrets"]
    if question.check_access != "Never":
        secrets |= section["tried"]
    return PullSecretAnswer(
        namespace="shop",
        secrets=tuple(a_secret(name, worth) for name, worth in secrets.items()),
        service_account=section.get("account"),
        account_missing=section.get("no_account", False),
        node_credentials=question.node_credentials and section.get("nodes", False),
    )


def a_secret(name: str, worth: str) -> NamedSecret:
    state, _, remark = worth.partition(": ")
    return NamedSecret(name, SecretState[state], remark)
