"""
The install's own docker config: what `docker login` writes, its credential helpers included.

`credHelpers` name for a registry, and `credsStore` for all others that `auths` lists, a program
`docker-credential-NAME` that gives the credential. A store is not asked about any other registry:
anybody who may write a Pod could have it asked about any host. In a pull secret both mean nothing,
here as for the kubelet.

Source: cli/config/configfile/file.go and credentials/native_store.go of docker/cli 29.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from landwaiter.errors import InvalidDockerConfig, InvalidInput
from landwaiter.images.reference import ImageReference
from landwaiter.providers.config import checked_program
from landwaiter.providers.programs import Program
from landwaiter.registry.docker_config import MAX_CONFIG_BYTES, parse_docker_config
from landwaiter.registry.hosts import api_host
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain

_TYPE: Final = "kubernetes.io/dockerconfigjson"
_HELPERS_MAX: Final = 1000

HelperName = Annotated[
    str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)?$", max_length=128)
]
"""Empty for none, where a store is named for all registries but one."""

Key = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


@dataclass(frozen=True, slots=True)
class Helper:
    """A credential helper, and the key of the docker config that it is asked with."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class DockerFile:
    """What a docker config says; `helpers` are by host[:port], as `api_host` spells it."""

    entries: Keychain = EMPTY_KEYCHAIN
    helpers: Mapping[str, Helper] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return what is in a docker config. Raises `InvalidInput`, which quotes nothing of it."""
        credentials = parse_docker_config(_TYPE, content)
        named = _Helpers.of(content)
        helpers = {}
        if named.creds_store:
            stored = (each.key for each in credentials)
            helpers = {_host_of(key): Helper(named.creds_store, key) for key in stored}
        helpers |= {_host_of(key): Helper(name, key) for key, name in named.cred_helpers.items()}
        written = tuple(each for each in credentials if not each.is_empty)
        named_ones = {host: helper for host, helper in helpers.items() if helper.name}
        return cls(Keychain(written), MappingProxyType(named_ones))

    def helper(self, reference: ImageReference) -> Helper | None:
        """Return the helper for an image's registry, None where there is none."""
        return self.helpers.get(api_host(reference.registry))

    def programs(self, folder: Path | None, environment: Mapping[str, str]) -> dict[str, Program]:
        """
        Return the programs of all helpers, by their names; they stand in the folder.

        Raises `InvalidInput` where one is not there.
        """
        names = {each.name for each in self.helpers.values()}
        if names and folder is None:
            raise InvalidInput(
                "credential helpers are named, so --image-credential-provider-bin-dir is wanted"
            )
        return {
            name: Program(
                f'the credential helper "{name}"',
                checked_program(folder, f"docker-credential-{name}"),
                ("get",),
                environment,
            )
            for name in sorted(names)
            if folder is not None
        }


class _Helpers(BaseModel):
    """The two members of a docker config that name helpers; of all others nothing is known."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    creds_store: Annotated[HelperName | None, Field(alias="credsStore")] = None
    cred_helpers: Annotated[
        dict[Key, HelperName], Field(alias="credHelpers", max_length=_HELPERS_MAX)
    ] = Field(default_factory=dict)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return what names helpers. Raises `InvalidDockerConfig`."""
        try:
            return cls.model_validate(json.loads(content.decode("utf-8", "replace")))
        except ValidationError as failure:
            path = str(failure.errors(include_input=False)[0]["loc"][0])
        raise InvalidDockerConfig(f"`{path}`: names of programs docker-credential-NAME are wanted")


def _host_of(key: str) -> str:
    """Return the host[:port] that a key of a docker config is about."""
    return api_host(key.removeprefix("https://").removeprefix("http://").partition("/")[0])


def read_docker_file(path: Path) -> DockerFile:
    """Return what is in the file. Raises `InvalidInput`, which quotes nothing of it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as problem:
        raise InvalidInput(f"{path}: {problem.strerror}") from problem
    try:
        return DockerFile.parse(content)
    except InvalidDockerConfig as problem:
        raise InvalidInput(f"{path}: {problem}") from None
