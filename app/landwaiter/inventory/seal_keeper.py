"""
Keeps the key of the seal in a Secret: made where there is none, taken over where it is changed.

Every replica may make it, and takes over what the first one has written. Whoever deletes the Secret
takes back all that was kept: none of it is believed under the next key.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.errors import ClusterConflict, ClusterUnavailable
from landwaiter.inventory.sealing import KEY_BYTES, Seal
from landwaiter.tls.keeper import SecretStore

ENTRY: Final = "hmac.key"

LOOK_SECONDS: Final = 5.0
"""How often it is looked at, besides after each change; also the pause after a fault."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


class SealKeeper:
    """The seal that all replicas share; `taken` is awaited with each new one, on one event loop."""

    def __init__(self, store: SecretStore, taken: Callable[[Seal], Awaitable[None]]) -> None:
        self._store = store
        self._taken = taken
        self._seal: Seal | None = None
        self._woken = asyncio.Event()
        self._fault = ""

    def wake(self) -> None:
        """Look again at once: something has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Keep the seal until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.round()
            except ClusterConflict:
                _log.info("another replica has made the key", secret=str(self._store))
            except ClusterUnavailable as fault:
                self._note_fault(str(fault))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()

    async def round(self) -> None:
        """Take over the key that is there, or make one. Raises `ClusterUnavailable`."""
        if (problem := self._store.problem()) is not None:
            self._note_fault(problem)
            return
        version = self._store.latest()
        if version is not None and (others := version.entries.keys() - {ENTRY}):
            self._note_fault(f'it has an entry "{min(others):.100}", and so is not for this')
            return
        seal = None if version is None else _seal_in(version.entries)
        if seal is None:
            seal = Seal.new()
            await self._store.write({ENTRY: seal.key}, version)
            _log.info("a key for the seal of verified images was made", secret=str(self._store))
        self._fault = ""
        if seal != self._seal:
            self._seal = seal
            await self._taken(seal)

    def _note_fault(self, fault: str) -> None:
        """Log each kind of fault once, until it is over."""
        if fault != self._fault:
            self._fault = fault
            _log.warning("no key for verified images", secret=str(self._store), error=fault)


def _seal_in(entries: Mapping[str, bytes]) -> Seal | None:
    """Return the key in a Secret; one of another length is none, and is made anew."""
    key = entries.get(ENTRY, b"")
    return Seal(key) if len(key) == KEY_BYTES else None
