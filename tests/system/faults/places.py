"""The files that a replica depends on, what harm is done to them, and what is left of it."""

import errno
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from realparts.processes import wait_until

FULL_SECONDS: Final = 20.0
HANGS_FOR: Final = f"86{os.getpid():08d}"
"""A number of seconds by which the processes of this run are known."""
HANGS: Final = f"#!/bin/sh\n/bin/sleep {HANGS_FOR} &\n/bin/sleep {HANGS_FOR}\n"
"""What stands in the place of a cosign that does not end."""


@dataclass(frozen=True, slots=True)
class Place:
    """The files that a replica depends on."""

    folder: Path

    @property
    def disk(self) -> Path:
        """Return its temporary folder, which only it can see."""
        return self.folder / "disk"

    @property
    def resolv_conf(self) -> Path:
        """Return what its resolver reads."""
        return self.folder / "resolv.conf"

    @property
    def cosign(self) -> Path:
        """Return the program that it takes for cosign."""
        return self.folder / "cosign"

    def filler(self, pid: int) -> Path:
        """Return a file on the disk that the process of the replica sees."""
        return Path(f"/proc/{pid}/root{self.disk}/filler")

    @property
    def clock(self) -> Path:
        """Return the file that says how far its time of day is from the true one."""
        return self.folder / "clock"


def put(file: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file in one step."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.rename(file)


def fill(file: Path) -> None:
    """Write until there is no room for another byte, nor will be when a run of cosign has ended."""

    def no_room_comes_free() -> bool:
        _write_to_the_end(file)
        return not any(file.parent.glob("landwaiter-cosign-*"))

    wait_until(no_room_comes_free, within_seconds=FULL_SECONDS, what="a full disk")


def _write_to_the_end(file: Path) -> None:
    with file.open("ab", buffering=0) as output:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    output.write(b"\0" * size)
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise


def processes_with(text: str) -> list[int]:
    """Return the processes whose command has a text in it."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in each.read_bytes():
                found.append(int(each.parent.name))
        except OSError:
            continue  # It has ended meanwhile.
    return found


def end_what_hangs() -> None:
    """End what a replica that was killed has left behind."""
    for pid in processes_with(HANGS_FOR):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
