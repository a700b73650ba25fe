"""A real TUF repository on loopback, whose files a test can change, spoil and keep back."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from securesystemslib.signer._crypto_signer import CryptoSigner
from tuf.api._payload import (
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.metadata import Metadata

from landwaiter.trusted_roots import TUFTarget
from realparts.in_a_thread import InAThread

NAME = "trusted_root.json"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time; closing then resets the connection."""

FAULTS: Mapping[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "reset": lambda _: b"",
    "altered": lambda content: content.replace(b"1", b"2") + b" ",
    "no JSON": lambda _: b"{",
    "another JSON": lambda _: b"[]",
    "empty": lambda _: b"",
    "too large": lambda content: content + b" " * 8_000_000,
}
"""What is sent instead of a file; all but what is cut says how long it is."""

ROLES = ("root", "timestamp", "snapshot", "targets")


@dataclass
class Repository:
    """
    Its files by path; `asked` has the paths of all requests, `held` keeps answers back.

    `fault` is one of `FAULTS`, or a status, and `spoilt` the path of the request that meets it.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int = 200
    fault: str = ""
    spoilt: str = ""
    held: threading.Event = field(default_factory=threading.Event)
    version: int = 0
    signers: dict[str, CryptoSigner] = field(
        default_factory=lambda: {role: CryptoSigner.generate_ed25519() for role in ROLES}
    )

    def __post_init__(self) -> None:
        self.held.set()
        root = Root(expires=_in_days(365), consistent_snapshot=False)
        for role, signer in self.signers.items():
            root.add_key(signer.public_key, role)
        self.root = self._signed("root", root)
        self.files["/1.root.json"] = self.root

    def publish(self, content: bytes, *, days: float = 7) -> None:
        """Distribute a content; the repository's word holds for some days."""
        self.version += 1
        expires = _in_days(days)
        target = TargetFile.from_data(NAME, content, ["sha256"])
        targets = self._signed(
            "targets", Targets(self.version, expires=expires, targets={NAME: target})
        )
        meta = {"targets.json": MetaFile(self.version)}
        snapshot = self._signed("snapshot", Snapshot(self.version, expires=expires, meta=meta))
        timestamp = Timestamp(self.version, expires=expires, snapshot_meta=MetaFile(self.version))
        digest = target.hashes["sha256"]
        self.files |= {
            "/targets.json": targets,
            "/snapshot.json": snapshot,
            "/timestamp.json": self._signed("timestamp", timestamp),
            f"/targets/{digest}.{NAME}": content,
            f"/targets/{NAME}": content,
        }

    def target(self, name: str = NAME, *, root: bytes | None = None) -> TUFTarget:
        return TUFTarget(self.url, root or self.root, name)

    def _signed(self, role: str, signed: Root | Timestamp | Snapshot | Targets) -> bytes:
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self.signers[role])
        return metadata.to_bytes()


def _in_days(days: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


@contextmanager
def serving(repository: Repository) -> Iterator[Repository]:
    """Serve the repository's files by HTTP inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            repository.asked.append(self.path)
            repository.held.wait(20)
            content = repository.files.get(self.path)
            if self.path == repository.spoilt:
                self._spoil(content or b"", repository.fault)
                return
            status = 404 if content is None and repository.status == 200 else repository.status
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def _spoil(self, content: bytes, fault: str) -> None:
            sent = FAULTS[fault](content) if fault in FAULTS else b""
            status = int(fault) if fault.isdecimal() else 200
            if fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            else:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content if fault == "cut" else sent)))
                self.end_headers()
                self.wfile.write(sent)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    repository.url = f"http://127.0.0.1:{server.server_address[1]}"
    with InAThread(server):
        try:
            yield repository
        finally:
            repository.held.set()


@contextmanager
def a_repository() -> Iterator[Repository]:
    """Serve a repository without content inside the block."""
    with serving(Repository()) as repository:
        yield repository
