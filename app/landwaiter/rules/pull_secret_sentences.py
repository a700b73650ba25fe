"""
What a person is told about pull secrets: what each is worth, and the line that mends it.

No name of a request gets into a command unless it could be the name of a Secret, for a person will
paste it into a shell. What a Secret holds is never told, nor for which other registries it is.
"""

import re
from collections.abc import Sequence

from landwaiter.images.reference import DOCKER_HUB
from landwaiter.manifests.names import is_dns_subdomain
from landwaiter.rules.pull_secret_answers import NamedSecret, PullSecretAnswer, SecretState
from landwaiter.workloads.values import ImageUse

_DOCKER_HUB_SERVER = "https://index.docker.io/v1/"
"""What `kubectl create secret docker-registry` and the kubelet call Docker Hub."""

_NAME_MAX_CHARACTERS = 63
_PLACE = re.compile(r"\.(containers|initContainers|ephemeralContainers|volumes)\[")
_BEST_FIRST = tuple(SecretState)
"""The states by how little is wrong; the remedy is for the Secret that lacks the least."""

_TO_REPLACE = {
    SecretState.LOGIN_REFUSED: "write the password of today into it",
    SecretState.EXPIRED: "write a new token into it",
    SecretState.NO_PASSWORD: "write a user name and a password into it",
    SecretState.EMPTY: "write an entry into it",
}
_INSTEAD = {
    SecretState.OTHER_PATH: "have an entry for the whole registry, or for this path: ",
    SecretState.TOKEN_ALONE: "have an entry with a user name, and a password or access token: ",
    SecretState.WRONG_TYPE: "make another, for a Secret keeps its type: ",
    SecretState.TOO_LARGE: "have a Secret for this registry alone: ",
}


def nothing_named(answer: PullSecretAnswer) -> str:
    """Return why no Secret counts for the Pod."""
    if answer.is_late:
        return (
            "the Pod names no pull secret, and one that is there gets none of its ServiceAccount's"
        )
    where = f'namespace "{answer.namespace}"'
    if answer.service_account is None:
        return "the Pod lists imagePullSecrets without a name, so its ServiceAccount's do not apply"
    account = f'ServiceAccount "{answer.service_account:.100}"'
    if answer.account_missing:
        return f"the Pod names no pull secret, and {account} does not exist in {where}"
    return f"neither the Pod nor {account} in {where} names a pull secret"


def listed(answer: PullSecretAnswer, secrets: Sequence[NamedSecret]) -> str:
    """Return whose Secrets these are, and what each of them is worth."""
    account = f'ServiceAccount "{answer.service_account or "":.100}"'
    if len(answer.secrets) + answer.left_out == 1:
        (secret,) = secrets
        if answer.service_account is None:
            return f"the Pod's pull secret {secret}"
        return f'pull secret "{secret.name:.100}" of {account} {secret.worth}'
    whose = "the Pod's" if answer.service_account is None else f"{account}'s"
    return f"among {whose} pull secrets, {', '.join(map(str, secrets))}"


def not_looked_at(answer: PullSecretAnswer) -> str:
    """Return what else there is to say of the names, to follow `listed`."""
    more = f" and {answer.left_out} more that were not looked at" if answer.left_out else ""
    if answer.repeated:
        twice = ", ".join(f'"{name:.100}"' for name in answer.repeated[:3])
        more += f"; {twice} is named more than once, which adds nothing"
    return more


def how_to_name_one(use: ImageUse, answer: PullSecretAnswer) -> str:
    """Return the command that makes a Secret, and where to name it."""
    return f"run `{_creating(use, answer)}` and {_naming(use, answer)}"


def how_to_mend(use: ImageUse, answer: PullSecretAnswer) -> str:
    """Return the line that mends the Secret that lacks the least."""
    secret = min(answer.secrets, key=lambda each: _BEST_FIRST.index(each.state))
    place = f"{use.reference.repository} at {use.reference.registry}"
    if secret.state is SecretState.NOT_SHOWN:
        return f"push {use.reference}, or let the Secret's user see {place}"
    if secret.state is SecretState.PULL_REFUSED:
        return f"let the Secret's user pull {place}, or {how_to_name_one(use, answer)}"
    if secret.state in _TO_REPLACE:
        return f"{_TO_REPLACE[secret.state]}: {_replacing(use, answer, secret)}"
    missing = (each.name for each in answer.in_state(SecretState.MISSING))
    if (name := next(filter(is_dns_subdomain, missing), None)) is not None:
        return f"run `{_creating(use, answer, name)}`"
    return f"{_INSTEAD.get(secret.state, '')}{how_to_name_one(use, answer)}"


def how_to_parse(answer: PullSecretAnswer, broken: NamedSecret) -> str:
    """Return the line that shows what does not parse."""
    return (
        f"mend it, or no longer name it: `kubectl get secret {_safe(broken.name)} "
        f"--namespace {_safe(answer.namespace)} --output yaml`"
    )


def how_to_name_none(use: ImageUse, answer: PullSecretAnswer) -> str:
    """Return where the name of a Secret that has to go away stands."""
    if answer.service_account is None:
        return f"take it out of {_list_of(use)}, or the entry out of the Secret"
    return (
        "take the entry out of the Secret, or have the Pod use an account without it: name that "
        f"in {_list_of(use).removesuffix('imagePullSecrets')}serviceAccountName"
    )


def _creating(use: ImageUse, answer: PullSecretAnswer, name: str | None = None) -> str:
    registry = use.reference.registry
    host = _DOCKER_HUB_SERVER if registry == DOCKER_HUB else registry
    return (
        f"kubectl create secret docker-registry {name or _name_for(registry)} "
        f"--namespace {_safe(answer.namespace)} --docker-server={host} "
        "--docker-username=USER --docker-password=PASSWORD"
    )


def _replacing(use: ImageUse, answer: PullSecretAnswer, secret: NamedSecret) -> str:
    creating = _creating(use, answer, _safe(secret.name))
    return (
        f"`{creating} --dry-run=client --output=yaml | kubectl replace --filename=-` leaves it "
        "with that entry alone"
    )


def _naming(use: ImageUse, answer: PullSecretAnswer) -> str:
    where = f"name it in {_list_of(use)}"
    if ".ephemeralContainers[" in use.path or answer.is_late:
        where += " of a new Pod, for those of a running one cannot be changed"
    return where


def _list_of(use: ImageUse) -> str:
    """Return the field of the Pod's spec that names its pull secrets."""
    return f"{_PLACE.split(use.path, maxsplit=1)[0]}.imagePullSecrets"


def _name_for(registry: str) -> str:
    """Return a name that a new Secret for a registry can have."""
    name = re.sub(r"[^a-z0-9]+", "-", registry.lower()).strip("-")
    return name[:_NAME_MAX_CHARACTERS].strip("-") or "pull-secret"


def _safe(name: str) -> str:
    """Return a name as it may stand in a command, which a person will paste into a shell."""
    return name if is_dns_subdomain(name) else "NAME"
