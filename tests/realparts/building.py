"""
Finds or builds one part, once for everyone on the machine.

A finished part in the cache is used as it is. Otherwise a program on PATH that says it is exactly
the pinned version is used, otherwise the part is built from its Go module. Go's own caches make an
interrupted build go on where it stopped.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from realparts.cache import cache_folder, locked, made_whole, require_free
from realparts.pins import BUILD_ENVIRONMENT, GoPins, Part
from realparts.processes import ProcessError, run, run_logged
from realparts.progress import Step
from realparts.toolchain import find_or_install_go, programs_on_path

BUILD_SECONDS = 3600.0
VERSION_SECONDS = 30.0


class BuildError(Exception):
    """A part could not be built; the message ends with the last lines of the build's output."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a part is, None where it has to be built, and how that is known."""

    path: Path | None
    state: str


def find(part: Part) -> Found:
    """Look for a part without building anything."""
    if (built := _place(part) / "bin" / part.program).is_file():
        return Found(built, "built")
    for name in part.names_on_path:
        for candidate in programs_on_path(name):
            if _says_its_version(part, candidate):
                return Found(candidate, "on PATH")
    return Found(None, "missing")


def find_or_build(part: Part, go: GoPins, step: Step) -> Path:
    """Return the path of a part's program, building it where it is missing."""
    if (path := find(part).path) is not None:
        return path
    with locked(part.key, on_wait=lambda: step.tick("waiting for another process that builds it")):
        if (path := find(part).path) is not None:
            return path
        program = find_or_install_go(go, tick=step.tick)
        for folder in (cache_folder(), *_caches_of(program)):
            require_free(folder, part.disk_mib, what=part.name)
        with made_whole(_place(part)) as folder:
            _build(part, program, folder, step)
    return _place(part) / "bin" / part.program


def _place(part: Part) -> Path:
    return cache_folder() / "parts" / part.key


def _caches_of(go: Path) -> list[Path]:
    """Return the folders in which Go keeps what it compiles and downloads."""
    try:
        answer = run(
            [go, "env", "GOCACHE", "GOMODCACHE"],
            environment={**os.environ, **BUILD_ENVIRONMENT},
            timeout_seconds=VERSION_SECONDS,
        )
    except ProcessError as error:
        raise BuildError(str(error)) from error
    return [Path(line) for line in answer.stdout.splitlines()]


def _build(part: Part, go: Path, folder: Path, step: Step) -> None:
    program = folder / "bin" / part.program
    log = cache_folder() / "logs" / f"{part.key}.log"
    log.unlink(missing_ok=True)
    temporary = folder / "tmp"
    temporary.mkdir()
    linking = ["-ldflags", part.module.linker_flags]
    try:
        run_logged(
            f"the build of {part.name} {part.version}",
            [go, "build", *part.module.build_flags, *linking, "-o", program, part.package],
            log=log,
            environment={**os.environ, **BUILD_ENVIRONMENT, "GOTMPDIR": str(temporary)},
            timeout_seconds=BUILD_SECONDS,
            on_wait=lambda: step.tick("building"),
            directory=part.module.folder,
        )
    except ProcessError as error:
        raise BuildError(str(error)) from error
    shutil.rmtree(temporary)
    if not _says_its_version(part, program):
        raise BuildError(f"{part.name} was built, but does not say that it is {part.version}")


def _says_its_version(part: Part, program: Path) -> bool:
    """Ask a program for its version; whatever goes wrong means that it is not the one wanted."""
    with tempfile.TemporaryDirectory(prefix="realparts-") as home:
        try:
            answer = run(
                [program, *part.version_arguments],
                environment={"HOME": home, "PATH": os.defpath},
                timeout_seconds=VERSION_SECONDS,
            )
        except (ProcessError, OSError):
            return False
    return part.is_named_in(answer.stdout + answer.stderr)
