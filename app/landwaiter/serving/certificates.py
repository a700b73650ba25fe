"""
The serving certificate: read from its source, and again when that has another one.

Sources are asked every few seconds and compared by content, which sees a Secret's swapped symbolic
link as well as a file written in place. A pair that does not load, be it half written, keeps the
old one in use. New handshakes get the new certificate and the new client CA; connections live on.

The listener keeps one TLS context for its life. Each handshake is moved to the newest context by
the server name callback, which OpenSSL calls also for clients that send no name. Session tickets
are off, so every connection is a full handshake with the CA of the day.

OpenSSL, as Python gives it to us, loads keys from files only. They are handed over as files that
are in memory alone (memfd, Linux), so that no key is written to a disk by us.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

import structlog
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from landwaiter.errors import InvalidCertificate

FILE_LIMIT_BYTES: Final = 1024 * 1024
"""What a Secret can hold at most."""

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption; 1.3 has nothing else."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


class CertificateObserver(Protocol):
    """Whatever counts reloads."""

    def certificate_loaded(self, *, begins: float, expires: float) -> None:
        """Note that a certificate came into use; both times are in seconds since the epoch."""
        ...

    def certificate_refused(self) -> None:
        """Note that a changed certificate could not be used."""
        ...


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A chain and its private key, in PEM; no representation shows the key."""

    chain: bytes
    key: bytes = field(repr=False)


class CertificateSource(Protocol):
    """Where the certificate comes from; its text is how messages call it."""

    def problem(self) -> str | None:
        """Return why there is no certificate yet, None from the first one on."""
        ...

    async def ready(self) -> None:
        """Return once there is a certificate to read."""
        ...

    def read(self) -> CertificatePair:
        """Return the certificate of this moment. Raises `InvalidCertificate`."""
        ...


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files of a chain and its private key."""

    chain: Path
    key: Path

    def problem(self) -> str | None:
        """Return None: files are there from the start, or there is none."""
        return None

    async def ready(self) -> None:
        """Return at once."""

    def read(self) -> CertificatePair:
        """Return what the files hold now. Raises `InvalidCertificate`."""
        return CertificatePair(read_file(self.chain), read_file(self.key))

    def __str__(self) -> str:
        return f"{self.chain} and {self.key}"


@dataclass(frozen=True, slots=True)
class _Content:
    pair: CertificatePair
    client_ca: bytes | None


class ServingCertificate:
    """
    What TLS is served with now.

    `context` is for the listener, `client_ca` a file with the CA of callers, None for anybody;
    `now` is in seconds since the epoch, and best taken from whoever checks the certificate.
    Raises `InvalidCertificate` when the source has nothing that can be used.
    """

    def __init__(
        self,
        source: CertificateSource,
        observer: CertificateObserver,
        client_ca: Path | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._now = now
        self._client_ca = client_ca
        self._observer = observer
        self._problem: str | None = None
        self._content = self._read()
        self._current = self._context(self._content)
        self.context = self._context(self._content)
        self.context.sni_callback = self._move_to_current
        self._note_loaded(self._content)

    def reload(self) -> None:
        """Take what the source has into use if it is not in use already."""
        try:
            content = self._read()
            if content == self._content:
                return
            self._current = self._context(content)
        except InvalidCertificate as problem:
            self._note_refused(str(problem))
        else:
            self._content = content
            self._note_loaded(content)

    def problem(self) -> str | None:
        """Return why no caller can trust what is in use, None while it is valid."""
        now = self._now()
        if self._ends.timestamp() <= now:
            return f"it ended at {self._ends.isoformat()}"
        if self._begins.timestamp() > now:
            return f"it begins at {self._begins.isoformat()}"
        return None

    async def watch(self, poll_seconds: float) -> None:
        """Reload for as long as the task lives."""
        while True:
            await asyncio.sleep(poll_seconds)
            self.reload()

    def _move_to_current(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._current

    def _read(self) -> _Content:
        client_ca = None if self._client_ca is None else read_file(self._client_ca)
        return _Content(self._source.read(), client_ca)

    def _context(self, content: _Content) -> ssl.SSLContext:
        try:
            context = server_context(content.pair)
        except InvalidCertificate as problem:
            raise InvalidCertificate(f"{self._source}: {problem}") from problem
        if content.client_ca is not None:
            _require_client_certificate(context, self._client_ca, content.client_ca)
        return context

    def _note_refused(self, problem: str) -> None:
        """Tell of a problem once, although the source is asked again and again."""
        if problem != self._problem:
            self._problem = problem
            self._observer.certificate_refused()
            _log.error("certificate not usable, the old one stays in use", error=problem)

    def _note_loaded(self, content: _Content) -> None:
        self._problem = None
        leaf = x509.load_pem_x509_certificates(content.pair.chain)[0]
        self._begins, self._ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        self._observer.certificate_loaded(
            begins=self._begins.timestamp(), expires=self._ends.timestamp()
        )
        expires = self._ends.isoformat()
        _log.info("certificate in use", certificate=str(self._source), expires=expires)


def read_file(path: Path) -> bytes:
    """Return what is in a file of certificates or a key. Raises `InvalidCertificate`."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise InvalidCertificate(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > FILE_LIMIT_BYTES:
        raise InvalidCertificate(f"{path}: more than {FILE_LIMIT_BYTES} bytes, wanted PEM")
    return content


def server_context(pair: CertificatePair) -> ssl.SSLContext:
    """Return what serves with a certificate. Raises `InvalidCertificate`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= (
        ssl.OP_NO_COMPRESSION
        | ssl.OP_NO_RENEGOTIATION
        | ssl.OP_NO_TICKET
        | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        x509.load_pem_x509_certificates(pair.chain)
        with _in_memory(pair.chain) as chain, _in_memory(pair.key) as key:
            # An encrypted key would make OpenSSL ask at the terminal, and wait.
            context.load_cert_chain(chain, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise InvalidCertificate(f"no certificate chain and its key: {_reason(error)}") from error
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Give the path of a file that holds this content and is on no disk."""
    descriptor = os.memfd_create("landwaiter", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _require_client_certificate(
    context: ssl.SSLContext, file: Path | None, client_ca: bytes
) -> None:
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii", errors="replace"))
    except (OSError, ValueError) as error:
        problem = f"{file}: not CA certificates in PEM"
        raise InvalidCertificate(f"{problem}: {_reason(error)}") from error
    context.verify_mode = ssl.CERT_REQUIRED


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error)


def names_of(certificate: object) -> frozenset[str]:
    """
    Return the common names and alternative names of a verified peer certificate.

    `certificate` has the form of `ssl.SSLSocket.getpeercert()`; a connection without a verified
    certificate has no names.
    """
    if not isinstance(certificate, dict):
        return frozenset()
    names = {value for _kind, value in certificate.get("subjectAltName", ())}
    for relative_name in certificate.get("subject", ()):
        names |= {value for key, value in relative_name if key == "commonName"}
    return frozenset(names)
