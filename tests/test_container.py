"""What the kernel's files say of cores and memory, whatever stands in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from landwaiter.container import Container, this_container
from realparts.memory_group import memory_group

MIB = 2**20
CORES = len(os.sched_getaffinity(0))
NO_LIMIT_OF_VERSION_1 = 9_223_372_036_854_771_712
OWN = "proc/self/cgroup"
TOP = "sys/fs/cgroup"
DEEP = f"{TOP}/kubepods.slice/pod.slice/one.scope"
DEEP_OWN = "0::/kubepods.slice/pod.slice/one.scope\n"
PRIVATE = {OWN: "0::/\n"}


def a_root(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Return a folder that has these files, as a container has them in its root."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


LIMITS: dict[str, tuple[dict[str, str | bytes], int | None]] = {
    "a namespace of its own": ({**PRIVATE, f"{TOP}/memory.max": f"{512 * MIB}\n"}, 512 * MIB),
    "no limit": ({**PRIVATE, f"{TOP}/memory.max": "max\n"}, None),
    "its own group": ({OWN: DEEP_OWN, f"{DEEP}/memory.max": f"{MIB}\n"}, MIB),
    "the one above is less": (
        {OWN: DEEP_OWN, f"{DEEP}/memory.max": "9000000", f"{TOP}/kubepods.slice/memory.max": "7"},
        7,
    ),
    "the one above has none": (
        {OWN: DEEP_OWN, f"{DEEP}/memory.max": "9", f"{TOP}/kubepods.slice/memory.max": "max"},
        9,
    ),
    "a name that is not to be seen here": ({OWN: DEEP_OWN, f"{TOP}/memory.max": "8"}, 8),
    "a group beside what is to be seen": (
        {OWN: "0::/../../one\n", f"{TOP}/memory.max": "8", "one/memory.max": "3"},
        8,
    ),
    "version 1": (
        {OWN: "4:memory:/docker/a\n", f"{TOP}/memory/docker/a/memory.limit_in_bytes": "6\n"},
        6,
    ),
    "version 1 in a container": (
        {OWN: "4:cpu,memory:/docker/a\n", f"{TOP}/memory/memory.limit_in_bytes": "5\n"},
        5,
    ),
    "version 1 without a limit": (
        {OWN: "4:memory:/\n", f"{TOP}/memory/memory.limit_in_bytes": str(NO_LIMIT_OF_VERSION_1)},
        None,
    ),
    "no file at all": ({}, None),
    "no file of groups": ({f"{TOP}/memory.max": "8"}, 8),
    "groups that are none": ({OWN: b"\xff\xfe\0:::\n\n::", f"{TOP}/memory.max": "8"}, 8),
    "a name that is endless": ({OWN: f"0::/{'a' * 70_000}\n", f"{TOP}/memory.max": "8"}, 8),
    "a path that is endless": ({OWN: f"0::/{'a/' * 30_000}\n", f"{TOP}/memory.max": "8"}, 8),
    "a folder": ({**PRIVATE, f"{TOP}/memory.max/x": ""}, None),
    **{
        f"a limit of {content[:20]!r}": ({**PRIVATE, f"{TOP}/memory.max": content}, None)
        for content in (
            *("", "0\n", "-1\n", "1e3", "12 MiB", "0x10", "\u0664\u0662", "1_000", "9" * 400),
            *(b"\xff\xff", "9" * 18, "9" * 100_000, "nan"),
        )
    },
}


@pytest.mark.parametrize("case", LIMITS)
def test_the_memory_limit_is_the_least_that_is_to_be_seen(tmp_path: Path, case: str) -> None:
    """What is no limit, or cannot be read, is as if it were not there."""
    files, expected = LIMITS[case]

    assert Container(CORES, expected) == this_container(a_root(tmp_path, files))


QUOTAS: dict[str, tuple[dict[str, str | bytes], int]] = {
    "none": ({**PRIVATE, f"{TOP}/cpu.max": "max 100000\n"}, 8),
    "two cores": ({**PRIVATE, f"{TOP}/cpu.max": "200000 100000\n"}, 2),
    "a part of a core more": ({**PRIVATE, f"{TOP}/cpu.max": "250000 100000\n"}, 3),
    "a part of a core": ({**PRIVATE, f"{TOP}/cpu.max": "1000 100000\n"}, 1),
    "more than there are": ({**PRIVATE, f"{TOP}/cpu.max": "6400000 100000\n"}, 8),
    "of the group above": ({OWN: DEEP_OWN, f"{TOP}/kubepods.slice/cpu.max": "300000 100000"}, 3),
    "version 1": (
        {
            OWN: "3:cpu,cpuacct:/docker/a\n",
            f"{TOP}/cpu/docker/a/cpu.cfs_quota_us": "200000\n",
            f"{TOP}/cpu/docker/a/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    "version 1, both names": (
        {
            OWN: "3:cpu,cpuacct:/\n",
            f"{TOP}/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
            f"{TOP}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "version 1, none": (
        {
            OWN: "3:cpu:/\n",
            f"{TOP}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{TOP}/cpu/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    "a period of nothing": ({**PRIVATE, f"{TOP}/cpu.max": "100000 0"}, 8),
    "one number": ({**PRIVATE, f"{TOP}/cpu.max": "100000"}, 8),
    "words": ({**PRIVATE, f"{TOP}/cpu.max": "many cores"}, 8),
    "three numbers": ({**PRIVATE, f"{TOP}/cpu.max": "1 1 1"}, 8),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_cores_are_those_that_there_is_time_on(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than the scheduler gives us, and at least one."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    files, expected = QUOTAS[case]

    assert expected == this_container(a_root(tmp_path, files)).cores


def test_files_that_may_not_be_read_are_as_if_they_were_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container can hide them."""

    def refused(*_: object) -> bool:
        raise PermissionError

    root = a_root(tmp_path, {**PRIVATE, f"{TOP}/memory.max": "8"})
    monkeypatch.setattr(Path, "open", refused)

    assert Container(CORES, None) == this_container(root)


@pytest.mark.system
def test_a_real_limit_of_the_kernel_is_found() -> None:
    """By a process that is in a group which has one."""
    program = (
        "import sys\nsys.stdin.read()\n"
        "from landwaiter.container import this_container\n"
        "print(this_container().memory_bytes)"
    )
    with memory_group(f"landwaiter-container-{os.getpid()}") as group:
        group.limit(300)
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            group.add(child.pid)
            output, _ = child.communicate("", timeout=30)

    assert str(300 * MIB) == output.strip()
