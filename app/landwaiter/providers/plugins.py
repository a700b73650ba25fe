"""
Asks the kubelet's credential provider plugins, as the kubelet does.

Every plugin whose `matchImages` cover an image is asked for it, by its name without tag and digest.
What they give is filed together like the entries of Secrets: the key decides first, and between
equal keys the order of the plugins. An answer is remembered for the image, for its registry or for
all images of the plugin, as it says itself.

Source: provide and getCachedCredentials in pkg/credentialprovider/plugin/plugin.go, Lookup in
plugins.go of Kubernetes 1.36.3.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final

from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.providers.answers import provider_answer, provider_request
from landwaiter.providers.asking import Answer, RememberedAnswers, Warn, silently
from landwaiter.providers.config import Provider
from landwaiter.providers.observer import UNOBSERVED, ProgramObserver
from landwaiter.providers.programs import LIMIT_SECONDS, ProgramRunner
from landwaiter.registry.keychain import NOTHING_GIVEN, Given, Keychain

_EVERYTHING: Final = "<global>"
"""No image has this name."""


class Plugin:
    """One plugin, with what it answered of late."""

    def __init__(
        self,
        provider: Provider,
        *,
        clock: Callable[[], float],
        limit_seconds: float,
        warn: Warn,
        observer: ProgramObserver,
    ) -> None:
        self._provider = provider
        self._coverage = provider.coverage()
        self._runner = ProgramRunner(provider.program, limit_seconds=limit_seconds)
        self._answers = RememberedAnswers(
            provider.program.name, "plugin", clock=clock, warn=warn, observer=observer
        )

    def covers(self, reference: ImageReference) -> bool:
        """Say whether it is asked for an image."""
        return self._coverage.covers(reference)

    async def given(self, reference: ImageReference, *, deadline: Deadline) -> Given:
        """Return what it gives, whichever image that is for. Raises `DeadlineExceeded`."""
        image = f"{reference.registry}/{reference.repository}"
        return await self._answers.given(
            (image, reference.registry, _EVERYTHING), lambda: self._ask(image), deadline=deadline
        )

    async def _ask(self, image: str) -> Answer:
        version = self._provider.api_version
        found = provider_answer(await self._runner.run(provider_request(version, image)), version)
        key = {"Image": image, "Registry": image.partition("/")[0], "Global": _EVERYTHING}
        seconds = self._provider.default_seconds if found.seconds is None else found.seconds
        return Answer(found.credentials, key[found.cache_key_type], seconds)

    async def close(self) -> None:
        """End all runs that are under way."""
        await self._answers.close()


class Plugins:
    """All plugins of the install, in the order in which the admin wrote them."""

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        clock: Callable[[], float] = time.monotonic,
        limit_seconds: float = LIMIT_SECONDS,
        warn: Warn = silently,
        observer: ProgramObserver = UNOBSERVED,
    ) -> None:
        self._plugins = tuple(
            Plugin(each, clock=clock, limit_seconds=limit_seconds, warn=warn, observer=observer)
            for each in providers
        )

    async def given(self, reference: ImageReference, *, deadline: Deadline) -> Given:
        """Return what they give for an image, in order. Raises `DeadlineExceeded`."""
        asked = [each for each in self._plugins if each.covers(reference)]
        if not asked:
            return NOTHING_GIVEN
        found = await asyncio.gather(*(each.given(reference, deadline=deadline) for each in asked))
        every = Keychain(tuple(chain.from_iterable(each.credentials for each in found)))
        return Given(
            every.candidates(reference),
            "; ".join(each.fault for each in found if each.fault is not None) or None,
        )

    async def close(self) -> None:
        """End all runs that are under way."""
        await asyncio.gather(*(each.close() for each in self._plugins))
