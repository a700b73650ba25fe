"""
A limit of the kernel on the memory of a process and of all that it starts, as a container has one.

What the process had before it was moved here does not count (Linux, control groups version 1); all
that is started later does. Needs root.

Source: docs.kernel.org/admin-guide/cgroup-v1/memory.html, cgroup-v2.html.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from realparts.processes import wait_until

ROOT = Path("/sys/fs/cgroup")
EMPTY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """A control group; `version` is 1 or 2."""

    folder: Path
    version: int

    def limit(self, mebibytes: int) -> None:
        """Let the group have no more than this."""
        name = "memory.limit_in_bytes" if self.version == 1 else "memory.max"
        (self.folder / name).write_text(str(mebibytes * 1024 * 1024), encoding="ascii")

    def add(self, pid: int) -> None:
        """Move a process here."""
        (self.folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def kills(self) -> int:
        """Return how many processes the kernel has ended because of the limit."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        lines = (self.folder / name).read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def processes(self) -> list[int]:
        """Return the processes that are in it."""
        return [int(each) for each in (self.folder / "cgroup.procs").read_text("ascii").split()]


@contextmanager
def memory_group(name: str) -> Iterator[MemoryGroup]:
    """Give a group beside our own; what is left in it goes back to where we are."""
    parent, version = _own()
    group = MemoryGroup(parent / name, version)
    group.folder.mkdir()
    try:
        yield group
    finally:
        back = MemoryGroup(parent, version)

        def is_empty() -> bool:
            for pid in group.processes():
                back.add(pid)
            return not group.processes()

        wait_until(is_empty, within_seconds=EMPTY_SECONDS, what="an empty control group")
        group.folder.rmdir()


def _own() -> tuple[Path, int]:
    """Return the control group that we are in, and its version."""
    for line in Path("/proc/self/cgroup").read_text("ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _folder(ROOT / "memory", path), 1
    path = Path("/proc/self/cgroup").read_text("ascii").strip().rpartition(":")[2]
    return _folder(ROOT, path), 2


def _folder(mount: Path, path: str) -> Path:
    """Return the folder of a group, which in a container is often the one that is mounted."""
    found = mount / path.lstrip("/")
    return found if found.is_dir() else mount
