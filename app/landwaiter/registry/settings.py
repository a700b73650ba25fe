"""
What the admin says about single registries, in the file `registries.yaml` of the install.

    registries:
      - host: registry.corp.example:5000
        caFile: corp-ca.pem
        tokenRealms: [login.corp.example]
      - host: 10.0.0.5:5000
        plainHTTP: true

Naming a host, without wildcard and with its port, is also what lets it have a non-public
address. Docker Hub is named `docker.io`; port 443 is the same as
no port, and port 80 for plain HTTP.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from landwaiter.errors import InvalidInput

DOCKER_HUB_API: Final = "registry-1.docker.io"
_DOCKER_HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io", DOCKER_HUB_API})
_MAX_REGISTRIES: Final = 1000
"""Far above what an install has; keeps a mistaken file from being read for minutes."""

_HOST_PATTERN: Final = (
    r"^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$"
)


def api_host(registry: str) -> str:
    """Return the host[:port] that serves a registry's API, in the spelling that is compared."""
    host = registry.lower().removesuffix(":443")
    return DOCKER_HUB_API if host in _DOCKER_HUB_NAMES else host


@dataclass(frozen=True, slots=True)
class HostSettings:
    """
    What holds for one registry.

    `ca_file` holds authorities that are trusted besides the system's. `realms` are the
    host[:port] of token services that may be given the registry's credentials over https.
    """

    plain_http: bool = False
    ca_file: Path | None = None
    realms: tuple[str, ...] = ()


_UNNAMED: Final = HostSettings()


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """The registries that the admin named, by host[:port]."""

    hosts: Mapping[str, HostSettings] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Keep the hosts in the spelling that is compared, without the default port."""
        spelled = {
            api_host(host).removesuffix(":80" if settings.plain_http else ":443"): settings
            for host, settings in self.hosts.items()
        }
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


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class RegistryEntry(_Model):
    """One registry of the file."""

    host: HostName
    plain_http: Annotated[bool, Field(alias="plainHTTP", strict=True)] = False
    ca_file: Path | None = None
    token_realms: tuple[HostName, ...] = ()


class RegistriesFile(_Model):
    """The file `registries.yaml`."""

    registries: Annotated[tuple[RegistryEntry, ...], Field(max_length=_MAX_REGISTRIES)]

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
        Return what the file says; relative names of CA files are taken from `folder`.

        Raises `InvalidInput` for a host that is named twice and for a CA file that is not there.
        """
        hosts: dict[str, HostSettings] = {}
        for index, entry in enumerate(self.registries):
            where = f"registries[{index}]"
            host = api_host(entry.host)
            if host in hosts:
                raise InvalidInput(f"{where}.host: {entry.host!r} is named twice, once is wanted")
            ca_file = folder / entry.ca_file if entry.ca_file else None
            if ca_file and not ca_file.is_file():
                raise InvalidInput(f"{where}.caFile: there is no file {str(ca_file)!r}")
            hosts[host] = HostSettings(
                plain_http=entry.plain_http,
                ca_file=ca_file,
                realms=tuple(api_host(realm) for realm in entry.token_realms),
            )
        return RegistrySettings(hosts)


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return re.sub(r"^\.", "", text) or "the document"
