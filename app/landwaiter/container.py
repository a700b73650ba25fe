"""
What the kernel lets this process have: cores and memory, as the limits of its container say.

A limit stands in a file of a control group, and all groups above it count too, as far as they are
to be seen: in a container the group that is mounted is often its own, whatever `/proc/self/cgroup`
calls it. What cannot be read, or is no limit, is as if it were not there: nobody is kept from
starting by a file of the kernel.

Source: docs.kernel.org/admin-guide/cgroup-v2.html, cgroup-v1/memory.html and
scheduler/sched-bwc.html; man cgroup_namespaces(7), read 2026-11.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path("/")
HUGE_BYTES: Final = 2**50
"""No machine has so much memory; version 1 writes a number beyond it where there is no limit."""

_READ_MAX_BYTES: Final = 65_536
_DIGITS_MAX: Final = 20
"""Of the largest number that the kernel writes, 2^64."""

_LEVELS_MAX: Final = 64
_UNIFIED: Final = ""
"""What version 2 has in the place of a controller's name."""


@dataclass(frozen=True, slots=True)
class Container:
    """What there is: `cores` to compute on, at least one; `memory_bytes` is None for no limit."""

    cores: int
    memory_bytes: int | None = None


def this_container(root: Path = ROOT) -> Container:
    """Return what this process may have; the files are looked for below `root`."""
    groups = _own_groups(root)
    memory = [limit for limit in _memory_limits(root, groups) if limit < HUGE_BYTES]
    cores = [len(os.sched_getaffinity(0)), *_core_quotas(root, groups)]
    return Container(min(cores), min(memory, default=None))


def _own_groups(root: Path) -> dict[str, PurePosixPath]:
    """Return the groups that we are in, by controller."""
    groups: dict[str, PurePosixPath] = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            groups[controller] = PurePosixPath(path)
    return groups


def _memory_limits(root: Path, groups: dict[str, PurePosixPath]) -> Iterator[int]:
    mount = root / "sys/fs/cgroup"
    for folder in _with_those_above(mount, groups.get(_UNIFIED)):
        yield from _numbers(_text(folder / "memory.max"))[:1]
    for folder in _with_those_above(mount / "memory", groups.get("memory")):
        yield from _numbers(_text(folder / "memory.limit_in_bytes"))[:1]


def _core_quotas(root: Path, groups: dict[str, PurePosixPath]) -> Iterator[int]:
    """Yield to how many cores time is limited; a part of a core counts as one."""
    mount = root / "sys/fs/cgroup"
    for folder in _with_those_above(mount, groups.get(_UNIFIED)):
        yield from _cores_of(_text(folder / "cpu.max"))
    for name in ("cpu", "cpu,cpuacct"):
        for folder in _with_those_above(mount / name, groups.get("cpu")):
            quota, period = (
                _text(folder / f"cpu.cfs_{each}_us").strip() for each in ("quota", "period")
            )
            yield from _cores_of(f"{quota} {period}")


def _cores_of(text: str) -> Iterator[int]:
    """Yield the cores of a quota and its period, nothing where that is none."""
    match _numbers(text):
        case [quota, period]:
            yield math.ceil(quota / period)


def _with_those_above(mount: Path, group: PurePosixPath | None) -> Iterator[Path]:
    """Yield the folder of a group and of those above it, up to what is mounted."""
    parts = () if group is None else group.parts[1:][:_LEVELS_MAX]
    if ".." in parts:  # It is not below what this process can see.
        parts = ()
    for count in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:count])


def _numbers(text: str) -> list[int]:
    """Return the numbers above zero that a file consists of, none where it has anything else."""
    words = text.split()
    if not all(len(word) <= _DIGITS_MAX and word.isascii() and word.isdecimal() for word in words):
        return []
    numbers = [int(word) for word in words]
    return numbers if all(numbers) else []


def _text(file: Path) -> str:
    """Return what a file begins with, nothing where it cannot be read."""
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as opened:
            return opened.read(_READ_MAX_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return ""
