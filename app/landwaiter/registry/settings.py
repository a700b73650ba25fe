"""
What the admin says about single registries, in the file `registries.yaml` of the install.

    registries:
      - host: registry.corp.example:5000
        caFile: corp-ca.pem
        tokenRealms: [login.corp.example]
        clientCertificate: landwaiter.crt
        clientKey: landwaiter.key
      - host: 10.0.0.5:5000
        plainHTTP: true
    nodeCredentials: ["*.dkr.ecr.*.amazonaws.com"]

    mirrors:
      - signedAs: docker.io
        pulledAs: [harbor.corp.example/dockerhub]

Naming a host, without wildcard and with its port, is also what lets it have a non-public
address. Docker Hub is named `docker.io`; port 443 is the same as
no port, and port 80 for plain HTTP. What mirrors are is told in `mirrors.py`. `nodeCredentials` are
images for which the nodes have credentials of their own, written as in `matchImages` of the
kubelet's `CredentialProviderConfig`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from landwaiter.errors import InvalidInput
from landwaiter.registry.client_certificates import (
    ClientCertificate,
    check_client_certificate,
)
from landwaiter.registry.credentials import ImageCoverage
from landwaiter.registry.hosts import api_host
from landwaiter.registry.mirrors import NO_MIRRORS, Mirror, Mirrors, Place

_MAX_REGISTRIES: Final = 1000
"""Far above what an install has; keeps a mistaken file from being read for minutes."""

_MAX_PLACES: Final = 8
"""Of one mirror: each may be asked in turn, within the time of one request."""

_HOST_PATTERN: Final = (
    r"^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$"
)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """
    What holds for one registry.

    `ca_file` holds authorities that are trusted besides the system's. `realms` are the
    host[:port] of token services that may be given the registry's credentials over https.
    `client` is shown to the registry when it asks who we are.
    """

    plain_http: bool = False
    ca_file: Path | None = None
    realms: tuple[str, ...] = ()
    client: ClientCertificate | None = None


_UNNAMED: Final = HostSettings()


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """
    The registries that the admin named, by host[:port], and what mirrors what.

    `node_credentials` are patterns of images, as for `ImageCoverage`.
    """

    hosts: Mapping[str, HostSettings] = field(default_factory=lambda: MappingProxyType({}))
    mirrors: Mirrors = NO_MIRRORS
    node_credentials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Keep the hosts in the spelling that is compared, without the default port."""
        spelled = {
            api_host(host).removesuffix(":80" if settings.plain_http else ":443"): settings
            for host, settings in self.hosts.items()
        }
        for host in self.mirrors.hosts():
            spelled.setdefault(api_host(host), _UNNAMED)
        object.__setattr__(self, "hosts", MappingProxyType(spelled))

    def names(self, host: str) -> bool:
        """Say whether the admin named this host[:port]."""
        return self._named(host) is not None

    def of(self, host: str) -> HostSettings:
        """Return what holds for a host[:port], the defaults where it is not named."""
        return self._named(host) or _UNNAMED

    def _named(self, host: str) -> HostSettings | None:
        spelled = api_host(host)
        named = self.hosts.get(spelled)
        if named is None and spelled.endswith(":80"):
            named = self.hosts.get(spelled.removesuffix(":80"))
            return named if named and named.plain_http else None
        return named


NO_REGISTRY_SETTINGS: Final = RegistrySettings()

HostName = Annotated[str, StringConstraints(pattern=_HOST_PATTERN, max_length=261)]
"""host[:port]; a name has at most 255 characters (RFC 1035), a port five and its colon."""


def _match_image(pattern: str) -> str:
    ImageCoverage((pattern,))
    return pattern


MatchImage = Annotated[
    str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_match_image)
]
"""A pattern of `matchImages`."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class RegistryEntry(_Model):
    """One registry of the file."""

    host: HostName
    plain_http: Annotated[bool, Field(alias="plainHTTP", strict=True)] = False
    ca_file: Path | None = None
    token_realms: tuple[HostName, ...] = ()
    client_certificate: Path | None = None
    client_key: Path | None = None

    def settings(self, folder: Path) -> HostSettings:
        """Return what the entry says. Raises `InvalidInput`, which begins with the field."""
        ca_file = folder / self.ca_file if self.ca_file else None
        if ca_file and not ca_file.is_file():
            raise InvalidInput(f"caFile: there is no file {str(ca_file)!r}")
        return HostSettings(
            plain_http=self.plain_http,
            ca_file=ca_file,
            realms=tuple(api_host(realm) for realm in self.token_realms),
            client=self._client(folder),
        )

    def _client(self, folder: Path) -> ClientCertificate | None:
        if self.client_certificate is None and self.client_key is None:
            return None
        if self.client_certificate is None or self.client_key is None:
            raise InvalidInput("clientCertificate and clientKey are wanted together")
        if self.plain_http:
            raise InvalidInput("clientCertificate: plainHTTP: true given, nothing is shown then")
        found = ClientCertificate(folder / self.client_certificate, folder / self.client_key)
        check_client_certificate(found)
        return found


PlaceName = Annotated[str, StringConstraints(min_length=1, max_length=517)]
"""host[:port], and perhaps a path of at most 255 characters behind a slash."""


class MirrorEntry(_Model):
    """One mirror of the file."""

    signed_as: PlaceName
    pulled_as: Annotated[tuple[PlaceName, ...], Field(max_length=_MAX_PLACES)] = ()
    read_from: Annotated[tuple[PlaceName, ...], Field(max_length=_MAX_PLACES)] = ()

    def mirror(self) -> Mirror:
        """Return what the entry says. Raises `InvalidInput`, also where it says nothing."""
        pulled_as, read_from = (
            tuple(Place.parse(each) for each in places)
            for places in (self.pulled_as, self.read_from)
        )
        if not pulled_as and not read_from:
            raise InvalidInput("pulledAs, readFrom or both are wanted, this mirror does nothing")
        return Mirror(Place.parse(self.signed_as), pulled_as, read_from)


class RegistriesFile(_Model):
    """The file `registries.yaml`."""

    registries: Annotated[tuple[RegistryEntry, ...], Field(max_length=_MAX_REGISTRIES)] = ()
    mirrors: Annotated[tuple[MirrorEntry, ...], Field(max_length=_MAX_REGISTRIES)] = ()
    node_credentials: Annotated[tuple[MatchImage, ...], Field(max_length=_MAX_REGISTRIES)] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("registries, mirrors or nodeCredentials are wanted")
        return self

    @classmethod
    def of(cls, document: object) -> Self:
        """Return the file's model; `InvalidInput` names field, value seen and value wanted."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            problems = "; ".join(
                f"{_path(problem['loc'])}: {problem['input']!r:.100} does not do, {problem['msg']}"
                for problem in error.errors(include_url=False)[:5]
            )
        raise InvalidInput(f"registries: {problems}")

    def settings(self, folder: Path) -> RegistrySettings:
        """
        Return what the file says; relative names of files are taken from `folder`.

        Raises `InvalidInput` for a host that is named twice, for files that cannot be used, and for
        mirrors that are none.
        """
        hosts: dict[str, HostSettings] = {}
        for index, entry in enumerate(self.registries):
            where = f"registries[{index}]"
            host = api_host(entry.host)
            if host in hosts:
                raise InvalidInput(f"{where}.host: {entry.host!r} is named twice, once is wanted")
            try:
                hosts[host] = entry.settings(folder)
            except InvalidInput as problem:
                raise InvalidInput(f"{where}.{problem}") from problem
        return RegistrySettings(hosts, Mirrors(tuple(self._mirrors())), self.node_credentials)

    def _mirrors(self) -> Iterator[Mirror]:
        for index, entry in enumerate(self.mirrors):
            try:
                yield entry.mirror()
            except InvalidInput as problem:
                raise InvalidInput(f"mirrors[{index}]: {problem}") from problem


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return re.sub(r"^\.", "", text) or "the document"
