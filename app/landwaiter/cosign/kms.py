"""
Asks key management services for public keys, by cosign, and remembers them.

A signature by such a key is then verified like one by any other key, without network: what cosign
says of it is a verdict (ADR 19). That a service does not give its key is a fault and never
one.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cachetools import TTLCache

from landwaiter.cosign.command import Command, public_key_command
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.kms_settings import KMSAccess, KMSSettings
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.quoting import quoted
from landwaiter.deadline import Deadline
from landwaiter.errors import CosignUnavailable, InvalidPublicKey
from landwaiter.public_keys import KMSReference, PublicKey

KEY_SECONDS: Final = 900.0
"""How long a key is good for that a service has given; services are paid by the call."""

FRESH_SECONDS: Final = 10.0
"""A key of that age is fresh: a burst of images that it has not signed is one call."""

FAULT_SECONDS: Final = 5.0
KEYS_MAX: Final = 1_000


class KMSKeys:
    """
    The public keys of services that the install has named.

    Remembered by reference. Its state is used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        program: CosignProgram,
        settings: KMSSettings,
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._program = program
        self._settings = settings
        self._environment = environment
        self._clock = clock
        self._flights: Flights[KMSReference, PublicKey | Failure] = Flights(KEYS_MAX)
        self._keys: TTLCache[KMSReference, tuple[PublicKey, float]] = TTLCache(
            KEYS_MAX, KEY_SECONDS, clock
        )
        self._faults: TTLCache[KMSReference, Failure] = TTLCache(KEYS_MAX, FAULT_SECONDS, clock)

    async def close(self) -> None:
        """End all work that is under way."""
        await self._flights.close()

    async def key(
        self, reference: KMSReference, *, deadline: Deadline, fresh: bool = False
    ) -> PublicKey:
        """
        Return the public key; with `fresh` it was asked for a moment ago at most, if it can be.

        Raises `CosignUnavailable` where the service does not give it, and `DeadlineExceeded`.
        """
        access = self._settings.services.get(reference.scheme)
        if access is None:
            raise CosignUnavailable(
                f'"{reference.scheme}" is no KMS of this install; its file of --kms names those'
            )
        known = self._keys.get(reference)
        if known is not None and (not fresh or self._clock() - known[1] < FRESH_SECONDS):
            return known[0]
        found = self._faults.get(reference)
        if found is None:
            joined = await self._flights.join(
                reference, lambda: self._find_out(reference, access), deadline=deadline
            )
            if isinstance(joined, PublicKey):
                return joined
            found = joined
        if known is not None:
            return known[0]
        raise found.error()

    async def _find_out(self, reference: KMSReference, access: KMSAccess) -> PublicKey | Failure:
        try:
            key = await self._asked(reference, access)
        except CosignUnavailable as fault:
            self._faults[reference] = Failure.of(fault)
            return self._faults[reference]
        self._keys[reference] = (key, self._clock())
        return key

    async def _asked(self, reference: KMSReference, access: KMSAccess) -> PublicKey:
        names = (name for name in access.environment if name in self._environment)
        variables = {name: self._environment[name] for name in names}

        def build(folder: Path) -> Command:
            return public_key_command(
                self._program.path, folder, reference, variables=variables, plugins=access.plugins
            )

        async with self._program.runner.place() as place:
            run = await place.run(build, {})
        scheme = reference.scheme
        if run.exit_code != 0:
            said = quoted(run.stderr, {reference.text: f"{scheme}://..."})
            raise CosignUnavailable(f'the KMS "{scheme}" does not give its public key{said}')
        try:
            return PublicKey.parse(run.stdout.decode(errors="replace"))
        except InvalidPublicKey as problem:
            raise CosignUnavailable(f'the KMS "{scheme}" gives no key: {problem}') from problem
