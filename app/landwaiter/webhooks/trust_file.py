"""
The CA of certificates that somebody else keeps, as one file that is read again when it changes.

The CA before stays in the bundle for a while: replicas see a mounted file change minutes apart,
and each serves with what it has.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.errors import InvalidCertificate
from landwaiter.tls.bundles import BUNDLE_MAX_BYTES, certificates_in, joined

KEPT_SECONDS: Final = 3600.0
"""How long a CA that has left the file is trusted; the kubelet takes up to two minutes."""

READ_EVERY_SECONDS: Final = 5.0

_log = cast("FilteringBoundLogger", structlog.get_logger())


class TrustFileBundle:
    """
    The bundle of a file, with what has been in it lately.

    Raises `InvalidCertificate` for a file that is no bundle at the start; later the last good one
    is kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._path = path
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._current = _read(path)
        self._left: dict[bytes, float] = {}
        self._problem = ""
        self._due = clock() + READ_EVERY_SECONDS

    def bundle(self) -> bytes:
        """Return all CAs to be trusted now, in PEM."""
        now = self._clock()
        if now >= self._due:
            self._due = now + READ_EVERY_SECONDS
            self._read_again(now)
        self._left = {
            each: since for each, since in self._left.items() if now - since < self._kept_seconds
        }
        return joined((self._current, *self._left))

    def _read_again(self, now: float) -> None:
        try:
            content = _read(self._path)
        except InvalidCertificate as problem:
            if str(problem) != self._problem:
                self._problem = str(problem)
                _log.error("CA file not usable, the last one stays in use", error=str(problem))
            return
        self._problem = ""
        if content != self._current:
            self._left[self._current] = now
            self._left.pop(content, None)
            self._current = content


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(BUNDLE_MAX_BYTES + 1)
        certificates_in(content)
    except OSError as error:
        raise InvalidCertificate(f"{path}: cannot be read: {error.strerror}") from error
    except InvalidCertificate as problem:
        raise InvalidCertificate(f"{path}: {problem}") from problem
    return content
