"""
Where policies say that something stands: in the policy itself, a file, a Secret or a ConfigMap.

What is in the policy or a file is read when the policy is loaded, and refused then when it cannot
be used. What is in the cluster is read when it is needed, so that a new key is used at once.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, cast

from pydantic import (
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from landwaiter.errors import InvalidInput, InvalidPolicy, InvalidTrust
from landwaiter.public_keys import PEM_MAX_CHARACTERS, KMSReference, PublicKey
from landwaiter.rules.settings import ClusterOnly, OwnNamespace, Settings
from landwaiter.trusted_roots import (
    ROOT_MAX_BYTES,
    AuthorityCertificates,
    TrustedRoot,
    TUFTarget,
)

A_FILE = ClusterOnly("it is a file where Landwaiter runs")
A_SERVICE = ClusterOnly("it is a service that Landwaiter would call")
AN_ADDRESS = ClusterOnly("it is an address that Landwaiter would ask")
TUF_ROOT_MAX_CHARACTERS = 500_000
"""What clients of The Update Framework accept; Sigstore's public root.json has some 6 kB."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """One entry of a Secret."""

    namespace: str
    name: str
    entry: str

    def __str__(self) -> str:
        return f'Secret "{self.namespace}/{self.name}", entry "{self.entry}"'


@dataclass(frozen=True, slots=True)
class ConfigMapEntry:
    """One entry of a ConfigMap."""

    namespace: str
    name: str
    entry: str

    def __str__(self) -> str:
        return f'ConfigMap "{self.namespace}/{self.name}", entry "{self.entry}"'


Entry = SecretEntry | ConfigMapEntry


class EntrySettings(Settings):
    """One entry of an object of the cluster."""

    namespace: Annotated[str, OwnNamespace()] = Field(min_length=1, max_length=63)
    """The object's namespace."""
    name: str = Field(min_length=1, max_length=253)
    """The object's name."""
    key: str = Field(min_length=1, max_length=253)
    """The entry."""


class PublicKeyEntrySettings(EntrySettings):
    """One entry of a Secret with a public key."""

    key: str = Field(default="cosign.pub", min_length=1, max_length=253)
    """The entry that holds the PEM block."""


class SourceSettings(Settings, Generic[Value]):
    """Where a value stands: exactly one of the fields."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    data: str | None
    file: str | None

    limit_bytes: ClassVar[int]

    @staticmethod
    def parsed(text: str) -> Any:  # noqa: ANN401 - pydantic knows no generic static methods.
        """Return the value of a text. Raises `InvalidInput`."""
        raise NotImplementedError

    def entry(self) -> Entry | None:
        """Return where in the cluster it stands, None where it does not."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        fields = type(self).model_fields
        given = [str(fields[name].alias) for name in fields if getattr(self, name) is not None]
        if len(given) != 1:
            *names, last = (str(field.alias) for field in fields.values())
            seen = " and ".join(given) or "nothing"
            raise ValueError(f"{seen} given, exactly one of {', '.join(names)} and {last} wanted")
        if self.data is not None:
            self.parsed(self.data)
        return self

    def value(self, folder: Path, field: str) -> Value | Entry:
        """
        Return the value, or where in the cluster it stands.

        A relative file name is taken from `folder`. Raises `InvalidPolicy`, which names `field`.
        """
        if (entry := self.entry()) is not None:
            return entry
        if self.data is not None:
            return cast("Value", self.parsed(self.data))
        where = f'{field}.file: "{self.file}"'
        text = _text(folder / (self.file or ""), self.limit_bytes, f"{field}.file")
        try:
            return cast("Value", self.parsed(text))
        except InvalidInput as problem:
            raise InvalidPolicy(f"{where}: {problem}") from problem


def _kms(value: object) -> KMSReference:
    if isinstance(value, KMSReference):
        return value
    if not isinstance(value, str):
        raise InvalidInput(f"the name of a key is a string, not {type(value).__name__}")
    return KMSReference.parse(value)


KMSField = Annotated[
    KMSReference,
    PlainValidator(_kms),
    PlainSerializer(lambda reference: reference.text, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1100}),
]
"""A model field that names a key of a KMS."""


class KeySettings(SourceSettings[PublicKey]):
    """A public key: exactly one of `data`, `file`, `secretRef` and `kms`."""

    data: str | None = Field(default=None, max_length=PEM_MAX_CHARACTERS)
    """The key itself, as a PEM block."""
    file: Annotated[str | None, A_FILE] = Field(default=None, min_length=1, max_length=4096)
    """A file that holds the PEM block, relative to the folder of the policy."""
    secret_ref: PublicKeyEntrySettings | None = None
    """A Secret in the cluster; it is read when it is needed, so a new key is used at once."""
    kms: Annotated[KMSField | None, A_SERVICE] = None
    """A key of a key management service, such as `awskms:///alias/signing`; see docs/kms.md."""

    limit_bytes: ClassVar[int] = PEM_MAX_CHARACTERS

    @staticmethod
    def parsed(text: str) -> PublicKey:
        """Return the public key in a PEM text. Raises `InvalidPublicKey`."""
        return PublicKey.parse(text)

    def entry(self) -> Entry | None:
        """Return the entry of a Secret, None where it is not in the cluster."""
        ref = self.secret_ref
        return None if ref is None else SecretEntry(ref.namespace, ref.name, ref.key)

    def signer(self, folder: Path) -> PublicKey | Entry | KMSReference:
        """Return the key, or where it is to be had. Raises `InvalidPolicy`."""
        return self.kms if self.kms is not None else self.value(folder, "key")


class _ClusterSourceSettings(SourceSettings[Value], Generic[Value]):
    """Where something public and long stands, also in the cluster."""

    data: str | None = Field(default=None, max_length=ROOT_MAX_BYTES)
    """The text itself."""
    file: Annotated[str | None, A_FILE] = Field(default=None, min_length=1, max_length=4096)
    """A file that holds it, relative to the folder of the policy."""
    config_map_ref: EntrySettings | None = None
    """A ConfigMap in the cluster; it is read when it is needed."""
    secret_ref: EntrySettings | None = None
    """A Secret in the cluster; it is read when it is needed."""

    limit_bytes: ClassVar[int] = ROOT_MAX_BYTES

    def entry(self) -> Entry | None:
        """Return the entry of a ConfigMap or Secret, None where it is not in the cluster."""
        if (ref := self.secret_ref) is not None:
            return SecretEntry(ref.namespace, ref.name, ref.key)
        if (ref := self.config_map_ref) is not None:
            return ConfigMapEntry(ref.namespace, ref.name, ref.key)
        return None


class TUFRootSettings(SourceSettings[bytes]):
    """The root.json of a TUF repository, of any version: exactly one of the fields."""

    data: str | None = Field(default=None, max_length=TUF_ROOT_MAX_CHARACTERS)
    """The text itself."""
    file: Annotated[str | None, A_FILE] = Field(default=None, min_length=1, max_length=4096)
    """A file that holds it, relative to the folder of the policy."""

    limit_bytes: ClassVar[int] = TUF_ROOT_MAX_CHARACTERS

    @staticmethod
    def parsed(text: str) -> bytes:
        """Return the text as it is. Raises `InvalidTrust` for what is clearly no root."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        match document:
            case {"signed": {"_type": "root"}, "signatures": list()}:
                return text.encode()
        raise InvalidTrust("something else than a root is given; the root.json of TUF is wanted")

    def entry(self) -> None:
        """Return None, for it does not stand in the cluster."""


class TUFSettings(Settings):
    """A repository of The Update Framework that distributes a trusted root."""

    mirror: str = Field(
        max_length=2048, pattern=r"^https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?(/[\w.~/-]*)?$"
    )
    """
    The repository's address, such as `https://tuf.example.com`.

    By HTTP it is asked only where the install's `registries` say so of the host.
    """
    root: TUFRootSettings
    """The root.json that the repository began with, or a later one."""
    target: str = Field(
        default="trusted_root.json",
        max_length=200,
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
    )
    """The name of the trusted root in the repository."""

    def value(self, folder: Path, field: str) -> TUFTarget:
        """Return where to read it. Raises `InvalidPolicy`, which names `field`."""
        root = self.root.value(folder, f"{field}.root")
        return TUFTarget(self.mirror, cast("bytes", root), self.target)


class TrustedRootSettings(_ClusterSourceSettings[TrustedRoot]):
    """A Sigstore trusted root in JSON: exactly one of the fields."""

    tuf: Annotated[TUFSettings | None, AN_ADDRESS] = None
    """A repository that distributes it; it is refreshed every hour."""

    def source(self, folder: Path, field: str) -> TrustedRoot | Entry | TUFTarget:
        """Return the root, or where it stands. Raises `InvalidPolicy`, which names `field`."""
        if self.tuf is not None:
            return self.tuf.value(folder, f"{field}.tuf")
        return self.value(folder, field)

    @staticmethod
    def parsed(text: str) -> TrustedRoot:
        """Return the trusted root in a JSON text. Raises `InvalidTrust`."""
        return TrustedRoot.parse(text.encode())


class CertificatesSettings(_ClusterSourceSettings[AuthorityCertificates]):
    """Certificates of authorities in PEM: exactly one of the fields."""

    @staticmethod
    def parsed(text: str) -> AuthorityCertificates:
        """Return the certificates in a PEM text. Raises `InvalidTrust`."""
        return AuthorityCertificates.parse(text)


def _text(path: Path, limit_bytes: int, field: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as cause:
        raise InvalidPolicy(f'{field}: "{path}" cannot be read: {cause.strerror}') from cause
    if len(content) > limit_bytes:
        raise InvalidPolicy(f'{field}: "{path}" has over {limit_bytes} bytes, less is wanted')
    return content.decode(errors="replace")
