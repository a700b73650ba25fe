"""
Debian's programs that tests need, installed where missing.

They build and run the image without a Docker engine, and move clocks.
They are tools and no parts of what is tested, so Debian's own version is good enough.
"""

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from realparts.cache import cache_folder, locked
from realparts.processes import ProcessError, run_logged
from realparts.progress import Step

EMULATOR = "qemu-aarch64" if platform.machine() == "x86_64" else "qemu-x86_64"
"""Runs a program that was built for the other architecture."""

PACKAGES: Mapping[str, str] = {
    "buildah": "buildah",  # Builds a Dockerfile.
    "mmdebstrap": "mmdebstrap",  # Makes the bases that it builds on.
    "runc": "runc",  # Runs the image as a node does.
    EMULATOR: "qemu-user",
    "faketime": "faketime",  # Brings the library that tells a process another time of day.
}
"""The package of each program."""

INSTALL_SECONDS = 600.0


class NoToolError(Exception):
    """A tool is missing and cannot be installed; the message says what to do."""


def missing_tools() -> list[str]:
    """Return the programs that are not on PATH."""
    return [program for program in PACKAGES if shutil.which(program) is None]


def why_no_image() -> str | None:
    """Return why this machine can neither build nor run an image, None where it can."""
    if os.geteuid() != 0:
        return "the image is built and run without a Docker engine, which needs root"
    if (missing := missing_tools()) and shutil.which("apt-get") is None:
        names = " and ".join(missing)
        return f"the image needs {names}, and there is no apt-get to install them"
    return None


def faketime_library() -> Path:
    """Return the library that is loaded before all others; raise `NoToolError` without it."""
    for found in Path("/usr/lib").glob("*/faketime/libfaketime.so.1"):
        return found
    raise NoToolError("the program faketime is there, and its library is not")


def ensure_tools(step: Step) -> None:
    """Install what is missing; raise `NoToolError` where that fails."""
    if (reason := why_no_image()) is not None:
        raise NoToolError(reason)
    if not missing_tools():
        return
    with locked("debian-tools", on_wait=lambda: step.tick("waiting for another installation")):
        if missing := missing_tools():
            _install([PACKAGES[program] for program in missing], step)


def _install(packages: list[str], step: Step) -> None:
    names = ", ".join(packages)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    for command in (["apt-get", "update"], install):
        try:
            run_logged(
                f"the installation of {names}",
                command,
                log=cache_folder() / "logs" / "debian-tools.log",
                environment={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                timeout_seconds=INSTALL_SECONDS,
                on_wait=lambda: step.tick(f"installing Debian's {names}"),
            )
        except ProcessError as error:
            raise NoToolError(f"Debian's {names} are missing, and {error}") from error
