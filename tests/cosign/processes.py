"""What can be told about processes that should be gone, and about what this one holds."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

ENDING_SECONDS = 5.0


async def all_end(pids: Iterable[int]) -> bool:
    """Wait until all of these processes have ended; False when one has not within seconds."""
    try:
        async with asyncio.timeout(ENDING_SECONDS):
            for pid in pids:
                await _end_of(pid)
    except TimeoutError:
        return False
    return True


async def _end_of(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def belonging_to(folder: Path) -> list[int]:
    """Return the processes in whose environment the folder is named."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and os.fsencode(folder) in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def unreaped() -> list[int]:
    """Return the processes that this one has started and that are dead but not reaped."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state == "Z" and int(parent) == os.getpid():
            found.append(int(entry.name))
    return found


def open_descriptors() -> int:
    """Return how many files, pipes and connections are open here."""
    return len(list(Path("/proc/self/fd").iterdir()))


def memory_bytes() -> int:
    """Return how much memory is resident here."""
    return _status("VmRSS")


def peak_memory_bytes() -> int:
    """Return how much memory was resident here at most."""
    return _status("VmHWM")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
