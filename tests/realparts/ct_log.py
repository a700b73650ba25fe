"""
A certificate transparency log on loopback that promises to log whatever certificate it is shown.

It answers what Fulcio asks of such a log, with promises that cosign verifies, and keeps nothing.

Source: RFC 6962, sections 3.2 (signed certificate timestamp) and 4.2 (add-pre-chain).
"""

import base64
import hashlib
import json
import struct
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from realparts.in_a_thread import InAThread

POISON = bytes.fromhex("3013060a2b06010401d6790204030101ff04020500")
"""The critical extension that keeps what is shown to a log from being a certificate."""
PRECERTIFICATE_ENTRY, SHA256, ECDSA = 1, 4, 3


class CertificateLog(InAThread):
    """A log, from `with` or `start` to `stop`; it runs in a thread of the test's process."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.log = self
        super().__init__(self._server)
        public = self._key.public_key()
        self._id = hashlib.sha256(
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).digest()
        folder.mkdir(parents=True, exist_ok=True)
        self.public_key = folder / "ct-log.pub"
        self.public_key.write_bytes(
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )

    @property
    def url(self) -> str:
        """Return where the log is."""
        return f"http://127.0.0.1:{self._server.server_port}/log"

    def promise(self, chain: list[bytes]) -> dict[str, object]:
        """Return the signed timestamp for what a certificate will be, and its issuer."""
        milliseconds = int(time.time() * 1000)
        issuer = x509.load_der_x509_certificate(chain[1]).public_key()
        issuer_hash = hashlib.sha256(
            issuer.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).digest()
        certificate = without_poison(chain[0])
        signed = struct.pack(">BBQH", 0, 0, milliseconds, PRECERTIFICATE_ENTRY) + issuer_hash
        signed += len(certificate).to_bytes(3, "big") + certificate + struct.pack(">H", 0)
        signature = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return {
            "sct_version": 0,
            "id": base64.b64encode(self._id).decode(),
            "timestamp": milliseconds,
            "extensions": "",
            "signature": base64.b64encode(
                struct.pack(">BBH", SHA256, ECDSA, len(signature)) + signature
            ).decode(),
        }


def without_poison(precertificate: bytes) -> bytes:
    """Return what will be signed of a certificate, which is the last element of DER in it."""
    _, content, _ = _element(precertificate)
    _, to_be_signed, _ = _element(content)
    head, rest = b"", to_be_signed
    while rest:
        tag, extensions, after = _element(rest)
        if not after:
            _, inner, _ = _element(extensions)
            assert inner.count(POISON) == 1
            return _der(0x30, head + _der(tag, _der(0x30, inner.replace(POISON, b""))))
        head, rest = head + rest[: len(rest) - len(after)], after
    raise ValueError("a certificate without extensions")


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag and content of the first element, and what is behind it."""
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return data[0], data[start : start + length], data[start + length :]


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


class _Server(ThreadingHTTPServer):
    log: CertificateLog


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Server)
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/log/ct/v1/add-pre-chain":
            self.send_error(404)
            return
        chain = [base64.b64decode(each) for each in request["chain"]]
        body = json.dumps(self.server.log.promise(chain)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write no lines: faults show in what asked."""
