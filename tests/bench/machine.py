"""What figures were measured on, and how programs are kept apart on it."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import landwaiter

LIBRARIES = ("fastapi", "httptools", "pydantic", "uvicorn", "uvloop")
CORES = sorted(os.sched_getaffinity(0))

SERVER_CORE = CORES[0]
LOAD_CORE = CORES[-1]
"""Servers share one core, and the load comes from another, where there are two."""


def description() -> dict[str, str]:
    """Return what machine this is, and which versions run on it."""
    return {
        "machine": f"{_processor()}, {len(CORES)} cores, {_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "landwaiter": f"{landwaiter.__version__} ({_revision()})",
        "load": f"{os.getloadavg()[0]:.1f} before the first case",
    }


def keep_on_core(pid: int, core: int) -> None:
    """Keep a process that runs already, all of its threads and what they start on one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def cpu_seconds(pid: int) -> float:
    """Return the processor time of all threads of a process so far, to the microsecond."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_mib(pid: int) -> float:
    """Return the memory of a process that is in use now, without what it shares with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/smaps_rollup has no line Pss")


def tree_mib(pid: int) -> float:
    """Return the same of a process and of all that it has started; who ends meanwhile has none."""
    try:
        own = resident_mib(pid)
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        listed = [(task / "children").read_text("ascii") for task in tasks]
    except (OSError, ValueError):
        return 0.0
    return own + sum(tree_mib(int(child)) for text in listed for child in text.split())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _revision() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],  # noqa: S607
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "no revision"
