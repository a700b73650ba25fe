"""
Which key management services an install lets policies name, in its file `kms.yaml`.

    kms:
      - scheme: awskms
        environment: [AWS_REGION, AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE]
      - scheme: example
        plugins: /opt/kms

The services that cosign knows are `awskms`, `azurekms`, `gcpkms` and `hashivault`; any other scheme
is a program `sigstore-kms-SCHEME` in the folder `plugins`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from landwaiter.errors import InvalidInput
from landwaiter.public_keys import check_scheme

KMS_MAX: Final = 50
VARIABLES_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class KMSAccess:
    """
    How one service is reached.

    `environment` are the names of variables of ours that cosign is given. `plugins` is None where
    cosign itself knows the service.
    """

    environment: tuple[str, ...] = ()
    plugins: Path | None = None


@dataclass(frozen=True, slots=True)
class KMSSettings:
    """The services that policies may name, by their schemes."""

    services: Mapping[str, KMSAccess] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def schemes(self) -> frozenset[str]:
        """The schemes that policies may name."""
        return frozenset(self.services)


NO_KMS: Final = KMSSettings()


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)


class KMSEntry(_Model):
    """One service."""

    scheme: Annotated[str, AfterValidator(check_scheme)]
    environment: list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]] = Field(
        default_factory=list, max_length=VARIABLES_MAX
    )
    plugins: str | None = Field(default=None, min_length=1, max_length=4096)


class KMSFile(_Model):
    """The whole file."""

    kms: list[KMSEntry] = Field(max_length=KMS_MAX)

    @classmethod
    def of(cls, document: object) -> Self:
        """Return what a document says. Raises `InvalidInput`, which names the field."""
        try:
            return cls.model_validate(document)
        except ValidationError as failure:
            first = failure.errors(include_url=False, include_context=False)[0]
            path = ".".join(map(str, first["loc"]))
            raise InvalidInput(f"{path}: {first['msg']}") from failure

    def settings(self, folder: Path) -> KMSSettings:
        """
        Return the settings; folders are taken from that of the file.

        Raises `InvalidInput` where a scheme is given twice or a folder does not exist.
        """
        services: dict[str, KMSAccess] = {}
        for entry in self.kms:
            if entry.scheme in services:
                raise InvalidInput(f'the scheme "{entry.scheme}" given twice, once is wanted')
            plugins = None if entry.plugins is None else (folder / entry.plugins).absolute()
            if plugins is not None and not plugins.is_dir():
                raise InvalidInput(f'plugins: "{plugins}" given, a folder is wanted')
            services[entry.scheme] = KMSAccess(tuple(entry.environment), plugins)
        return KMSSettings(MappingProxyType(services))
