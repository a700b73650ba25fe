"""
Keeps the shared certificate: made where it is missing, renewed in time, repaired when damaged.

Every replica may write, each over the version that it has seen: who comes second reads again, and
finds nothing left to do. So two replicas that start at once agree on one CA, and none of them has
to be there for the others to go on.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.errors import ClusterConflict, ClusterUnavailable, InvalidCertificate
from landwaiter.tls.making import Identity
from landwaiter.tls.rotation import (
    Observed,
    RotationTimes,
    Step,
    advance,
    begin,
    kept_trusted,
    to_serve,
)
from landwaiter.tls.stored import Stored, decode, encode

TICK_SECONDS: Final = 1.0
"""How often time is looked at; what changes in the cluster is seen at once."""

RETRY_SECONDS: Final = 3.0
"""How long to leave a cluster alone that could not be written to."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """
    The entries of a Secret, and what the store needs to write over just this version.

    No representation shows either.
    """

    entries: Mapping[str, bytes] = field(repr=False)
    token: Any = field(repr=False)


class SecretStore(Protocol):
    """Where the certificate is kept; its text is how messages call it."""

    def problem(self) -> str | None:
        """Return why it is not known what is there, None where it is."""
        ...

    def latest(self) -> SecretVersion | None:
        """Return what is there, None for nothing; asked only where there is no problem."""
        ...

    async def write(self, entries: Mapping[str, bytes], over: SecretVersion | None) -> None:
        """Write over a version, or where there is none. Raises `ClusterUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """
    For which names, how long, and by which clocks.

    `trusted` gives how long every webhook object has had a CA; `now` is in seconds since the
    epoch, and best taken from whoever checks the certificates.
    """

    names: frozenset[str]
    trusted: Callable[[bytes], timedelta]
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    times: RotationTimes = field(default_factory=RotationTimes)


class CertificateKeeper:
    """
    The certificate that all replicas share; used on one event loop.

    `noted` is told of each step that this replica has made, in a sentence.
    """

    def __init__(
        self,
        store: SecretStore,
        settings: KeeperSettings,
        noted: Callable[[Step, str], None] = lambda _step, _text: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._noted = noted
        self._stored: Stored | None = None
        self._read: tuple[Mapping[str, bytes], Stored] | None = None
        self._current_since = 0.0
        self._woken = asyncio.Event()
        self._there = asyncio.Event()
        self._problem = "not read yet"

    def wake(self) -> None:
        """Look again at once: something has changed."""
        self._woken.set()

    def problem(self) -> str | None:
        """Return why there is no certificate yet, None from the first one on."""
        return None if self._stored is not None else f"{self._store}: {self._problem}"

    async def ready(self) -> None:
        """Return once there is a certificate."""
        await self._there.wait()

    @property
    def identity(self) -> Identity | None:
        """What to serve with, None until there is a certificate."""
        if self._stored is None:
            return None
        return to_serve(self._stored, self._settings.names)

    @property
    def bundle(self) -> bytes | None:
        """Every CA that has to be trusted, None until there is a certificate."""
        return None if self._stored is None else self._stored.bundle

    async def run(self) -> None:
        """Keep the certificate until cancelled."""
        while True:
            pause = TICK_SECONDS
            self._woken.clear()
            try:
                await self.round()
            except ClusterConflict:
                _log.info("another replica has written the certificate", secret=str(self._store))
            except ClusterUnavailable as fault:
                self._note_problem(str(fault))
                pause = RETRY_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def round(self) -> None:
        """Take over what is there, and do what is due. Raises `ClusterUnavailable`."""
        if (problem := self._store.problem()) is not None:
            self._note_problem(problem)
            return
        version = self._store.latest()
        stored = None if version is None else self._decoded(version.entries)
        if stored is not None and (kept := kept_trusted(stored, self._stored)) is not None:
            # Taken over only when it is written: until then nobody is told to trust less.
            await self._write(*kept, version)
            return
        if stored is not None:
            self._take(stored)
        await self._do_what_is_due(stored, version)

    def _decoded(self, entries: Mapping[str, bytes]) -> Stored | None:
        """Return what the entries say, None where they are damaged."""
        if self._read is None or self._read[0] != entries:
            try:
                self._read = (entries, decode(entries))
            except InvalidCertificate as damage:
                self._note_problem(f"it is damaged: {damage}")
                return None
        return self._read[1]

    async def _do_what_is_due(self, stored: Stored | None, version: SecretVersion | None) -> None:
        settings = self._settings
        now = datetime.fromtimestamp(settings.now(), UTC)
        if stored is None:
            lifetime = settings.times.lifetime
            due = begin(settings.names, self._stored, now=now, lifetime=lifetime)
        else:
            held = timedelta(seconds=settings.monotonic() - self._current_since)
            observed = Observed(now, settings.names, settings.trusted, held)
            found = advance(stored, observed, settings.times)
            if found is None:
                return
            due = found
        await self._write(*due, version)

    async def _write(self, stored: Stored, step: Step, version: SecretVersion | None) -> None:
        await self._store.write(encode(stored), version)
        self._take(stored)
        text = _told(step, stored)
        _log.info("certificate kept", secret=str(self._store), reason=step.value, text=text)
        self._noted(step, text)

    def _take(self, stored: Stored) -> None:
        """Serve and trust what this state says from now on."""
        if self._stored is None or self._stored.current != stored.current:
            self._current_since = self._settings.monotonic()
        self._stored = stored
        self._problem = ""
        self._there.set()

    def _note_problem(self, problem: str) -> None:
        """Log each kind of problem once, until it is over."""
        if problem != self._problem:
            self._problem = problem
            _log.warning("the certificate cannot be kept", secret=str(self._store), error=problem)


def _told(step: Step, stored: Stored) -> str:
    """Return a sentence for people about what was done."""
    until = stored.current.ends.date().isoformat()
    match step:
        case Step.MADE:
            return f"made a CA and a serving certificate, valid until {until}"
        case Step.REMADE:
            return "wrote the Secret again: the certificate in use stays until a new one is trusted"
        case Step.ANNOUNCED:
            return "made the next certificate; both CAs are trusted from now on"
        case Step.RENEWED:
            return f"serving with the next certificate, valid until {until}"
        case Step.KEPT:
            return "what is still served is trusted on, beside the certificate that was made anew"
        case Step.FORGOTTEN:
            return "the CA before this one is not trusted any more"
