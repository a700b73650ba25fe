"""
The serving certificate: loaded from files, and again when they change.

Files are compared by content every few seconds, which sees a Secret's swapped symbolic link as
well as a file written in place. A pair that does not load, be it half written, keeps the old one
in use. New handshakes get the new certificate and the new client CA; connections live on.

The listener keeps one TLS context for its life. Each handshake is moved to the newest context by
the server name callback, which OpenSSL calls also for clients that send no name. Session tickets
are off, so every connection is a full handshake with the CA of the day.
"""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
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

    def certificate_loaded(self, *, expires: float) -> None:
        """Note that a certificate came into use; `expires` is in seconds since the epoch."""
        ...

    def certificate_refused(self) -> None:
        """Note that changed files could not be used."""
        ...


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: a chain, its private key, and the CA of callers, None for anybody."""

    chain: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class _Content:
    chain: bytes
    key: bytes
    client_ca: bytes | None


class ServingCertificate:
    """
    What TLS is served with now.

    `context` is for the listener. Raises `InvalidCertificate` when the files cannot be used.
    """

    def __init__(self, files: CertificateFiles, observer: CertificateObserver) -> None:
        self._files = files
        self._observer = observer
        self._problem: str | None = None
        self._content = _read(files)
        self._current = _context(files, self._content)
        self.context = _context(files, self._content)
        self.context.sni_callback = self._move_to_current
        self._note_loaded(self._content)

    def reload(self) -> None:
        """Take the files into use if they are not those in use already."""
        try:
            content = _read(self._files)
            if content == self._content:
                return
            self._current = _context(self._files, content)
        except InvalidCertificate as problem:
            self._note_refused(str(problem))
        else:
            self._content = content
            self._note_loaded(content)

    def problem(self) -> str | None:
        """Return why no caller can trust what is in use, None while it is valid."""
        if self._ends > datetime.now(UTC):
            return None
        return f"it ended at {self._ends.isoformat()}"

    async def watch(self, poll_seconds: float) -> None:
        """Reload for as long as the task lives."""
        while True:
            await asyncio.sleep(poll_seconds)
            self.reload()

    def _move_to_current(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._current

    def _note_refused(self, problem: str) -> None:
        """Tell of a problem once, although the files are tried again and again."""
        if problem != self._problem:
            self._problem = problem
            self._observer.certificate_refused()
            _log.error("certificate files not usable, the old ones stay in use", error=problem)

    def _note_loaded(self, content: _Content) -> None:
        self._problem = None
        ends = x509.load_pem_x509_certificates(content.chain)[0].not_valid_after_utc
        self._ends = ends
        self._observer.certificate_loaded(expires=ends.timestamp())
        _log.info("certificate in use", certificate=self._files.chain, expires=ends.isoformat())


def _read(files: CertificateFiles) -> _Content:
    return _Content(
        _read_file(files.chain),
        _read_file(files.key),
        None if files.client_ca is None else _read_file(files.client_ca),
    )


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise InvalidCertificate(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > FILE_LIMIT_BYTES:
        raise InvalidCertificate(f"{path}: more than {FILE_LIMIT_BYTES} bytes, wanted PEM")
    return content


def _context(files: CertificateFiles, content: _Content) -> ssl.SSLContext:
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
        x509.load_pem_x509_certificates(content.chain)
        # An encrypted key would make OpenSSL ask at the terminal, and wait.
        context.load_cert_chain(files.chain, files.key, password=lambda: b"")
    except (OSError, ValueError) as error:
        problem = f"{files.chain} and {files.key} are not a certificate chain and its key"
        raise InvalidCertificate(f"{problem}: {_reason(error)}") from error
    if content.client_ca is not None:
        _require_client_certificate(context, files, content.client_ca)
    return context


def _require_client_certificate(
    context: ssl.SSLContext, files: CertificateFiles, client_ca: bytes
) -> None:
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii", errors="replace"))
    except (OSError, ValueError) as error:
        problem = f"{files.client_ca}: not CA certificates in PEM"
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
