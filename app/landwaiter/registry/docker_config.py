"""
Reads the content of a pull secret as the kubelet does, faults included.

One entry that the kubelet cannot decode fails the keyring, and with it the pull of every image
of the Pod: a document that is not JSON, a member of the wrong type, an `auth` that is not
base64 of `user:password`. Those raise `InvalidDockerConfig`. Other oddities only give an empty
user and password: an entry that is null or `{}`, or has only an `identitytoken`. Member names
are compared without regard to case and the last one wins, as in Go.

Nothing here quotes the content, not even a key, which may hold a password.

Source: pkg/credentialprovider/config.go and secrets/secrets.go of Kubernetes 1.36.3 (`auth`
without padding is accepted), encoding/json and encoding/base64 of Go 1.26.8.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn

from landwaiter.errors import InvalidDockerConfig
from landwaiter.registry.credentials import Credential

SECRET_KEYS: Final[Mapping[str, str]] = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
"""The types of Secret that the kubelet reads, and the key of each under which the config is."""

MAX_CONFIG_BYTES: Final = 1024 * 1024
"""The API server accepts no Secret larger than this (MaxSecretSize, pkg/apis/core/types.go)."""

MAX_CONFIG_PIECES: Final = 3_000
"""
How many separators (one for each member, item, object and list) a document may have.

An entry with all its fields has ten, so 300 registries fit. A document of the largest size could
have 70,000 entries, which take two seconds to read and file: nobody pulls with such a Secret, and
everybody who may write one could stop the whole process with it.
"""

_PADDED: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_UNPADDED: Final = re.compile(r"[A-Za-z0-9+/]*", re.ASCII)
_QUANTUM: Final = 4
"""Base64 writes three bytes as four characters."""

_NOT_JSON: Final = object()
_FOLDED: Final = str.maketrans({"\N{LATIN SMALL LETTER LONG S}": "s", "\N{KELVIN SIGN}": "k"})
"""The two letters outside ASCII that Go takes for letters of ASCII in a member name."""


class OversizedDockerConfig(InvalidDockerConfig):
    """The document has more in it than is read; the kubelet may well read it."""


class _Object(list[tuple[str, object]]):
    """A JSON object with its members in order, repeated ones included."""


def credentials_of_secret(secret_type: str, content: Mapping[str, bytes]) -> tuple[Credential, ...]:
    """
    Return the credentials in a Secret, in the order written, none where the kubelet skips it.

    `content` is the Secret's data, decoded. The kubelet skips a Secret of another type, and one
    without content under the type's key. Raises `InvalidDockerConfig` where the content fails
    the kubelet's keyring.
    """
    key = SECRET_KEYS.get(secret_type)
    config = content.get(key, b"") if key else b""
    return parse_docker_config(secret_type, config) if config else ()


def parse_docker_config(secret_type: str, content: bytes) -> tuple[Credential, ...]:
    """
    Return the credentials of a docker config, in the order written.

    `secret_type` is one of `SECRET_KEYS`. Raises `InvalidDockerConfig` where the content fails
    the kubelet's keyring; the message says with what kind of fault.
    """
    document = _parse_json(content)
    if SECRET_KEYS[secret_type] == ".dockercfg":
        return tuple(_entries(document, "the document").values())
    found: dict[str, Credential] = {}
    for name, value in _members(document, "the document"):
        match name:
            case "auths" if value is None:
                found = {}
            case "auths":
                found |= _entries(value, "`auths`")
            case "httpheaders":
                _check_headers(value)
            case _:
                pass
    return tuple(found.values())


def _parse_json(content: bytes) -> object:
    if len(content) > MAX_CONFIG_BYTES:
        raise OversizedDockerConfig(
            f"the document has {len(content)} bytes, at most {MAX_CONFIG_BYTES} are accepted"
        )
    if (pieces := sum(map(content.count, (b":", b",", b"{", b"[")))) > MAX_CONFIG_PIECES:
        raise OversizedDockerConfig(
            f"the document has {pieces} members and items, at most {MAX_CONFIG_PIECES} are read"
        )
    try:
        document: object = json.loads(
            content.decode("utf-8", "replace"),
            object_pairs_hook=_Object,
            parse_int=lambda _: 0,
            parse_float=lambda _: 0,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        document = _NOT_JSON
    if document is _NOT_JSON:
        # Raised outside of the handler, because the decoder's own error holds the document.
        raise InvalidDockerConfig("the document is not JSON")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _members(value: object, where: str) -> Iterator[tuple[str, object]]:
    """Yield the members of a JSON object for a Go struct, none for null."""
    if value is None:
        return
    if not isinstance(value, _Object):
        raise InvalidDockerConfig(f"{where} is {_kind(value)}, a JSON object is wanted")
    for name, member in value:
        yield name.translate(_FOLDED).lower(), member


def _entries(value: object, where: str) -> dict[str, Credential]:
    if value is None:
        return {}
    if not isinstance(value, _Object):
        raise InvalidDockerConfig(f"{where} is {_kind(value)}, a JSON object is wanted")
    return {
        _text(key): _credential(_text(key), entry, f"entry {number} of {where}")
        for number, (key, entry) in enumerate(value, start=1)
    }


def _credential(key: str, entry: object, where: str) -> Credential:
    fields = {"username": "", "password": "", "email": "", "auth": "", "identitytoken": ""}
    for name, value in _members(entry, where):
        if name not in fields or value is None:
            continue
        if isinstance(value, str):
            fields[name] = _text(value)
        elif name != "identitytoken":
            raise InvalidDockerConfig(f"`{name}` in {where} is {_kind(value)}, a string is wanted")
    username, password = fields["username"], fields["password"]
    if fields["auth"]:
        username, password = _decode_auth(fields["auth"], where)
    return Credential(
        key=key, username=username, password=password, identity_token=fields["identitytoken"]
    )


def _decode_auth(auth: str, where: str) -> tuple[str, str]:
    encoded = auth.replace("\r", "").replace("\n", "")
    if auth.strip().endswith("="):
        is_base64 = _PADDED.fullmatch(encoded) and len(encoded) % _QUANTUM == 0
    else:
        is_base64 = _UNPADDED.fullmatch(encoded) and len(encoded) % _QUANTUM != 1
    if not is_base64:
        raise InvalidDockerConfig(f"`auth` in {where} is not base64")
    decoded = base64.b64decode(encoded + "=" * (-len(encoded) % _QUANTUM))
    username, colon, password = decoded.decode("utf-8", "replace").partition(":")
    if not colon:
        raise InvalidDockerConfig(f"`auth` in {where} is not base64 of `user:password`")
    return username, password


def _check_headers(value: object) -> None:
    if value is None:
        return
    if not isinstance(value, _Object):
        raise InvalidDockerConfig(f"`HttpHeaders` is {_kind(value)}, a JSON object is wanted")
    if any(header is not None and not isinstance(header, str) for _, header in value):
        raise InvalidDockerConfig("`HttpHeaders` has a value that is not a string")


def _text(value: str) -> str:
    """Return the text with lone surrogates replaced, as Go reads them."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _kind(value: object) -> str:
    match value:
        case _Object():
            return "a JSON object"
        case list():
            return "a list"
        case str():
            return "a string"
        case bool():
            return "true or false"
        case None:
            return "null"
        case _:
            return "a number"
