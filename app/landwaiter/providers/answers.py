"""
What a program answered, read as the kubelet and Docker read it; never quoted.

Source: decodeResponse and ExecPlugin in pkg/credentialprovider/plugin/plugin.go of Kubernetes
1.36.3 (unknown fields are refused, the version has to be the one that was asked in);
client/client.go and credentials/error.go of docker-credential-helpers 0.9.5.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeGuard, cast

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from landwaiter.errors import CredentialsUnavailable
from landwaiter.providers.documents import PluginDocument
from landwaiter.providers.durations import seconds_of
from landwaiter.providers.programs import Finished
from landwaiter.registry.credentials import Credential

CacheKeyType = Literal["Image", "Registry", "Global"]

ENTRIES_MAX: Final = 1000
"""In one answer; each is a registry or a part of one."""

NOT_FOUND: Final = b"credentials not found in native keychain"
_TOKEN_USER: Final = "<token>"  # noqa: S105  # Not a password: it stands in the protocol.
"""Stands for a user where the secret is an identity token."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """
    What a plugin gave, for which images, and for how long.

    `seconds` is None where the plugin leaves that to the install.
    """

    credentials: tuple[Credential, ...] = field(repr=False)
    cache_key_type: CacheKeyType
    seconds: float | None


def _is_text(value: object) -> TypeGuard[str]:
    """Say whether it is a string that can be sent: JSON can spell halves of characters."""
    return isinstance(value, str) and value == value.encode(errors="replace").decode()


def _check_text(text: str) -> str:
    if not _is_text(text):
        raise ValueError("half a character")
    return text


_Text = Annotated[str, AfterValidator(_check_text)]


class _Login(PluginDocument):
    username: _Text = ""
    password: _Text = ""


def _duration(text: object) -> object:
    if text is not None and not isinstance(text, str):
        raise ValueError("a duration is wanted")
    return None if text is None else seconds_of(text)


class _Response(PluginDocument):
    api_version: str
    kind: Literal["CredentialProviderResponse"]
    cache_key_type: CacheKeyType
    cache_duration: Annotated[float | None, BeforeValidator(_duration)] = None
    auth: Annotated[dict[str, _Login] | None, Field(max_length=ENTRIES_MAX)] = None


def provider_request(api_version: str, image: str) -> bytes:
    """Return what a plugin is asked with."""
    request = {"kind": "CredentialProviderRequest", "apiVersion": api_version, "image": image}
    return json.dumps(request).encode()


def provider_answer(finished: Finished, api_version: str) -> ProviderAnswer:
    """Return what a plugin answered. Raises `CredentialsUnavailable`, saying what it did."""
    _check_success(finished)
    document = _document(finished.output)
    if document.get("apiVersion") != api_version:
        raise CredentialsUnavailable("answered in another version than it was asked in")
    try:
        response = _Response.model_validate(document)
    except ValidationError:
        # What is wrong with which value is not told: the value could be a password.
        response = None
    if response is None:
        raise CredentialsUnavailable("did not answer with a CredentialProviderResponse")
    return ProviderAnswer(
        tuple(
            Credential(key, login.username, login.password)
            for key, login in (response.auth or {}).items()
        ),
        response.cache_key_type,
        response.cache_duration,
    )


def helper_answer(finished: Finished, key: str) -> tuple[Credential, ...]:
    """
    Return the credential that a Docker credential helper gave, none where it has none.

    Raises `CredentialsUnavailable`, saying what it did.
    """
    if finished.status > 0 and finished.output.strip() == NOT_FOUND:
        return ()
    _check_success(finished)
    document = _document(finished.output)
    username, secret = document.get("Username"), document.get("Secret")
    if not _is_text(username) or not _is_text(secret):
        raise CredentialsUnavailable("did not answer with a user name and a secret")
    if username == _TOKEN_USER:
        return (Credential(key, "", "", secret),)
    return (Credential(key, username, secret),)


def _check_success(finished: Finished) -> None:
    if finished.status < 0:
        raise CredentialsUnavailable(f"was ended by signal {-finished.status}")
    if finished.status > 0:
        raise CredentialsUnavailable(f"ended with exit status {finished.status}")


def _document(output: bytes) -> dict[str, Any]:
    try:
        document: object = json.loads(output)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # Raised outside of the handler, because the decoder's own error holds the document.
        raise CredentialsUnavailable("did not answer with a JSON object")
    return cast("dict[str, Any]", document)
