"""
Kubernetes objects as values: only the fields that are needed, checked.

The same models read the answers of an API server and manifests. Nothing of an object's content
gets into an error: it may be a Secret.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server sets on every namespace, and holds to its name."""

_OMITTED = BeforeValidator(lambda value: {} if value is None else value)
_NO_LIST = BeforeValidator(lambda value: [] if value is None else value)


class _Model(BaseModel):
    """Kubernetes reads null as not given, and ignores what it does not know."""

    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


_ModelType = TypeVar("_ModelType", bound=_Model)


class _Metadata(_Model):
    name: str
    namespace: str = ""
    labels: Annotated[dict[str, str], _OMITTED] = {}
    resource_version: str = Field(default="", alias="resourceVersion")


class _Namespace(_Model):
    metadata: _Metadata


class _LocalReference(_Model):
    name: str = ""


class _ServiceAccount(_Model):
    metadata: _Metadata
    pull_secrets: Annotated[list[_LocalReference], _NO_LIST] = Field(
        default=[], alias="imagePullSecrets"
    )


class _ConfigMap(_Model):
    metadata: _Metadata
    data: Annotated[dict[str, str], _OMITTED] = {}


class _Secret(_Model):
    metadata: _Metadata
    type: str = "Opaque"
    data: Annotated[dict[str, str], _OMITTED] = {}
    string_data: Annotated[dict[str, str], _OMITTED] = Field(default={}, alias="stringData")


class Undecodable(ValueError):
    """An object does not have the form of its kind; the message names fields and no values."""


def decode_namespace(content: bytes | Mapping[str, Any]) -> Namespace:
    """Return a namespace. Raises `Undecodable`."""
    metadata = _decoded(_Namespace, content).metadata
    return Namespace(metadata.name, {**metadata.labels, NAME_LABEL: metadata.name})


def decode_service_account(content: bytes | Mapping[str, Any]) -> ServiceAccount:
    """Return a service account. Raises `Undecodable`."""
    account = _decoded(_ServiceAccount, content)
    names = tuple(each.name for each in account.pull_secrets)
    return ServiceAccount(account.metadata.namespace, account.metadata.name, names)


def decode_secret(content: bytes | Mapping[str, Any]) -> Secret:
    """Return a Secret; `stringData`, which only manifests have, wins. Raises `Undecodable`."""
    secret = _decoded(_Secret, content)
    entries = {key: _entry(key, text) for key, text in secret.data.items()}
    entries |= {key: text.encode() for key, text in secret.string_data.items()}
    metadata = secret.metadata
    return Secret(
        metadata.namespace, metadata.name, secret.type, entries, metadata.resource_version
    )


def decode_config_map(content: bytes | Mapping[str, Any]) -> ConfigMap:
    """Return a ConfigMap. Raises `Undecodable`."""
    found = _decoded(_ConfigMap, content)
    return ConfigMap(found.metadata.namespace, found.metadata.name, found.data)


def _entry(key: str, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Undecodable(f'data["{key:.100}"]: not base64, which is wanted') from None


def _decoded(model: type[_ModelType], content: bytes | Mapping[str, Any]) -> _ModelType:
    try:
        if isinstance(content, bytes):
            return model.model_validate_json(content)
        return model.model_validate(content)
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "the object"
        raise Undecodable(f"{field}: {first['msg']}") from cause
