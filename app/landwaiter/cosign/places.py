"""
How many images may be in hand at once, in all and of one registry.

An image in hand holds memory, so there is a limit in all. A registry that answers slowly keeps
its images in hand for long, and anybody who may write Pods can name such a registry: the limit
for one of them leaves places for the others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ImagePlaces:
    """
    Places for images. Used on one event loop only, so it needs no lock.

    Remembers a registry only while one of its images has, or waits for, a place.
    """

    def __init__(self, *, in_all: int, of_one_registry: int) -> None:
        self._in_all = asyncio.Semaphore(in_all)
        self._of_one_registry = of_one_registry
        self._of: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, registry: str) -> AsyncIterator[None]:
        """Wait for a place for an image of the registry and hold it; the registry's comes first."""
        folded = registry.lower()
        places = self._of.setdefault(folded, asyncio.Semaphore(self._of_one_registry))
        self._users[folded] = self._users.get(folded, 0) + 1
        try:
            async with places, self._in_all:
                yield
        finally:
            self._users[folded] -= 1
            if not self._users[folded]:
                del self._users[folded], self._of[folded]
