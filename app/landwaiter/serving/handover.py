"""
A new certificate is taken into use when whoever connects trusts it.

The API server trusts what stands in the webhook object. Between a change of certificate files
here and of the object there, or between a changed Secret and its news at this replica, the
certificate that is in use is the one that is trusted, and it stays in use until the next one is.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

import structlog
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from landwaiter.serving.certificates import CertificatePair, CertificateSource, server_context
from landwaiter.serving.trust import distrust

TRUSTED_SECONDS: Final = 15.0
"""How long a certificate is trusted before it is used: an API server hears of it in one."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


class Trust(Protocol):
    """Whatever knows what those who connect trust."""

    def bundles(self) -> Sequence[bytes]:
        """Return every CA bundle that somebody goes by, in PEM; none if nobody connects."""
        ...

    @property
    def is_known(self) -> bool:
        """Whether the answer is more than a guess."""
        ...


@dataclass(frozen=True, slots=True)
class HandoverSettings:
    """Under which name we are trusted, and by which clocks."""

    host: str
    trusted_seconds: float = TRUSTED_SECONDS
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Handover:
    """A source that gives the newest certificate of another one once it is trusted."""

    def __init__(self, source: CertificateSource, trust: Trust, settings: HandoverSettings) -> None:
        self._source = source
        self._trust = trust
        self._settings = settings
        self._used: CertificatePair | None = None
        self._coming: tuple[CertificatePair, float] | None = None
        self._waiting: CertificatePair | None = None

    def problem(self) -> str | None:
        """Return why there is no certificate yet, None from the first one on."""
        return self._source.problem()

    async def ready(self) -> None:
        """Return once there is a certificate to read."""
        await self._source.ready()

    def read(self) -> CertificatePair:
        """Return the certificate to use now. Raises `InvalidCertificate`."""
        newest = self._source.read()
        if self._used is None or newest == self._used or self._may_change(self._used, newest):
            self._used, self._coming = newest, None
        return self._used

    def _may_change(self, used: CertificatePair, newest: CertificatePair) -> bool:
        server_context(newest)  # What cannot be used is no newer certificate.
        now = self._settings.now()
        if not _is_valid(used, now):
            return True
        if not _is_valid(newest, now) or not self._trust.is_known:
            return False
        if not self._is_trusted(newest):
            self._note_waiting(newest)
            return False
        if not self._is_trusted(used):
            return True
        since = self._settings.monotonic()
        if self._coming is None or self._coming[0] != newest:
            self._coming = (newest, since)
        return since - self._coming[1] >= self._settings.trusted_seconds

    def _note_waiting(self, newest: CertificatePair) -> None:
        """Log once that there is a certificate that nobody trusts yet."""
        self._coming = None
        if newest != self._waiting:
            self._waiting = newest
            _log.warning("a new certificate is not trusted yet", certificate=str(self._source))

    def _is_trusted(self, pair: CertificatePair) -> bool:
        host = self._settings.host
        return all(distrust(pair, bundle, host) is None for bundle in self._trust.bundles())

    def __str__(self) -> str:
        return str(self._source)


def _is_valid(pair: CertificatePair, now: float) -> bool:
    """Whether it has begun and has not ended, by the clock of those who connect."""
    try:
        leaf = x509.load_pem_x509_certificates(pair.chain)[0]
    except ValueError:
        return False
    return leaf.not_valid_before_utc.timestamp() <= now < leaf.not_valid_after_utc.timestamp()
