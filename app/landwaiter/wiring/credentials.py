"""The credentials that an install has besides pull secrets: plugins, helpers and its own file."""

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landwaiter.errors import InvalidInput
from landwaiter.providers.asking import Warn, silently
from landwaiter.providers.config import CredentialProviderConfig, Provider
from landwaiter.providers.install import InstallCredentials
from landwaiter.providers.observer import UNOBSERVED, ProgramObserver
from landwaiter.providers.own import OwnCredentials, OwnFiles
from landwaiter.providers.plugins import Plugins
from landwaiter.wiring.registries import one_document


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """
    Where the credentials come from, as the admin says; each None where there is nothing.

    `provider_config` is the kubelet's `CredentialProviderConfig`, `programs` the folder of its
    plugins and of Docker's credential helpers, `docker_config` the install's own, and `variables`
    are the names of variables of ours that helpers are given.
    """

    provider_config: Path | None = None
    programs: Path | None = None
    docker_config: Path | None = None
    variables: tuple[str, ...] = ()

    def providers(self) -> tuple[Provider, ...]:
        """Return the plugins. Raises `InvalidInput`."""
        if self.provider_config is None:
            return ()
        if self.programs is None:
            raise InvalidInput(
                "--image-credential-provider-config needs --image-credential-provider-bin-dir, the "
                "folder of its plugins"
            )
        document = one_document(self.provider_config, empty=None)
        try:
            return CredentialProviderConfig.of(document).plugins(self.programs)
        except InvalidInput as problem:
            raise InvalidInput(f"{self.provider_config}: {problem}") from problem

    def own(
        self,
        environment: Mapping[str, str],
        *,
        warn: Warn = silently,
        observer: ProgramObserver = UNOBSERVED,
    ) -> OwnCredentials | None:
        """Return what is the install's own, None where nothing is. Raises `InvalidInput`."""
        if self.docker_config is None:
            return None
        given = {name: environment[name] for name in self.variables if name in environment}
        files = OwnFiles(self.docker_config, self.programs, given)
        return OwnCredentials(files, warn=warn, observer=observer)


NO_CREDENTIAL_SETTINGS: Final = CredentialSettings()


@asynccontextmanager
async def further_credentials(
    settings: CredentialSettings,
    providers: Iterable[Provider],
    *,
    warn: Warn,
    observer: ProgramObserver,
) -> AsyncIterator[InstallCredentials | None]:
    """
    Give what is tried after pull secrets, None where that is nothing.

    `warn` is told of what fails, and the `observer` of each run. Raises `InvalidInput`.
    """
    found = tuple(providers)
    own = settings.own(os.environ, warn=warn, observer=observer)
    if not found and own is None:
        yield None
        return
    credentials = InstallCredentials(Plugins(found, warn=warn, observer=observer), own)
    try:
        yield credentials
    finally:
        await credentials.close()


def patterns_of(providers: Iterable[Provider]) -> Iterator[str]:
    """Yield the images for which nodes have credentials by their plugins."""
    for provider in providers:
        yield from provider.patterns
