"""All that an install has besides pull secrets, in order: its plugins, then its own file."""

import asyncio
from dataclasses import dataclass

from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.providers.own import OwnCredentials
from landwaiter.providers.plugins import Plugins
from landwaiter.registry.keychain import Given


@dataclass(frozen=True, slots=True)
class InstallCredentials:
    """
    What is tried after the credentials of a Pod's Secrets.

    `own` is None where the install has no docker config.
    """

    plugins: Plugins
    own: OwnCredentials | None = None

    async def given(self, reference: ImageReference, *, deadline: Deadline) -> Given:
        """Return what to try for an image, in order. Raises `DeadlineExceeded`."""
        found = [await self.plugins.given(reference, deadline=deadline)]
        if self.own is not None:
            found.append(await self.own.given(reference, deadline=deadline))
        return Given(
            tuple(credential for each in found for credential in each.credentials),
            "; ".join(each.fault for each in found if each.fault is not None) or None,
        )

    async def close(self) -> None:
        """End all programs that are under way."""
        await asyncio.gather(
            self.plugins.close(), *((self.own.close(),) if self.own is not None else ())
        )
