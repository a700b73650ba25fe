"""
Everything in a folder of policies at one time: the documents, and the files that they name.

A folder can change while it is read: the kubelet swaps a mounted ConfigMap by one symbolic link,
an editor writes one file after another. So what is loaded counts only when the folder was the
same before and after. A snapshot can be packed into a ConfigMap, and unpacked where a new replica
finds a folder that does not load (design, semantics 22).
"""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from landwaiter.errors import InvalidPolicy

FILES_MAX: Final = 2000
BYTES_MAX: Final = 64 * 1024 * 1024
"""Of all files together: sixty ConfigMaps of the largest size in one projected volume."""

DEPTH_MAX: Final = 8
"""Folders inside folders; it also ends symbolic links that lead in circles."""

UNPACKED_MAX_BYTES: Final = 2 * BYTES_MAX
"""As JSON, where four characters stand for three bytes."""


@dataclass(frozen=True, slots=True)
class FolderSnapshot:
    """The files of a folder by their paths in it, `/` between the parts."""

    files: Mapping[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> "FolderSnapshot":
        """
        Return what is in a folder; names that begin with a dot are skipped.

        Raises `InvalidPolicy` when it cannot be read, and for more than anybody writes.
        """
        files: dict[str, bytes] = {}
        left = BYTES_MAX
        try:
            for path in _files(folder, depth=0):
                with path.open("rb") as file:
                    content = file.read(left + 1)
                left -= len(content)
                files[path.relative_to(folder).as_posix()] = content
                if left < 0 or len(files) > FILES_MAX:
                    raise InvalidPolicy(
                        f"{folder}: more than {FILES_MAX} files or {BYTES_MAX} bytes given, "
                        "less is wanted"
                    )
        except OSError as cause:
            raise InvalidPolicy(f"{folder}: cannot be read: {cause.strerror}") from cause
        return cls(files)

    @property
    def digest(self) -> str:
        """Return a hash of names and contents, as 64 hexadecimal digits."""
        found = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            found.update(f"{len(name.encode())} {len(content)}\n".encode())
            found.update(name.encode())
            found.update(content)
        return found.hexdigest()

    def packed(self) -> bytes:
        """Return it as bytes that `unpacked` reads; YAML shrinks to a fifth."""
        files = {name: base64.b64encode(each).decode() for name, each in self.files.items()}
        return zlib.compress(json.dumps(files, sort_keys=True).encode())

    @classmethod
    def unpacked(cls, packed: bytes) -> "FolderSnapshot":
        """Return what was packed. Raises `InvalidPolicy` for anything else, and for a bomb."""
        try:
            inflating = zlib.decompressobj()
            text = inflating.decompress(packed, UNPACKED_MAX_BYTES)
        except zlib.error as cause:
            raise InvalidPolicy("a packed set of policies cannot be read") from cause
        if not inflating.eof:
            raise InvalidPolicy("a packed set of policies is cut or too large")
        try:
            named = json.loads(text).items()
            files = {str(name): base64.b64decode(each, validate=True) for name, each in named}
        except (ValueError, TypeError, AttributeError, RecursionError) as cause:
            raise InvalidPolicy("a packed set of policies cannot be read") from cause
        if unsafe := [name for name in files if not _stays_inside(name)]:
            raise InvalidPolicy(f"a packed set of policies names {unsafe[0]!r:.100}")
        return cls(files)

    def write_to(self, folder: Path) -> None:
        """Write the files into an empty folder, readable by their owner alone."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(content)


def _files(folder: Path, *, depth: int) -> Iterator[Path]:
    if depth > DEPTH_MAX:
        return
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(folder / entry.name, depth=depth + 1)
        elif entry.is_file():
            yield folder / entry.name


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and name == "/".join(parts) and not any(p in {"..", "/"} for p in parts)
