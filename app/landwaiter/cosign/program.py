"""
The cosign program: where it is, what it reads from, how many of it may run, and its version.

Everything that verifies shares one of these, so that the limit on runs holds for all of it.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from landwaiter.cosign.command import Command, version_command
from landwaiter.cosign.endpoint import LoopbackEndpoint
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.observer import Observer, RunEnd, RunForm
from landwaiter.cosign.outcome import FinishedRun
from landwaiter.cosign.quoting import quoted, quoted_value
from landwaiter.cosign.runner import CosignRunner, RunLimits, RunPlace
from landwaiter.deadline import Deadline
from landwaiter.errors import CosignUnavailable
from landwaiter.telemetry.steps import step

COSIGN_MAJOR = "3"
"""The flags and the output of cosign 3 are what `command.py` and `outcome.py` are written for."""


class CosignProgram:
    """One program with its runner and its endpoint; whoever opens it closes it."""

    def __init__(
        self,
        path: Path,
        limits: RunLimits,
        observer: Observer,
        *,
        temporary_folder: Path | None = None,
    ) -> None:
        self.path = path
        self.observer = observer
        self.runner = CosignRunner(limits, temporary_folder=temporary_folder)
        self.endpoint = LoopbackEndpoint()
        self._versions: Flights[str, str | Failure] = Flights(1)
        self._version: str | None = None

    async def open(self) -> None:
        """Begin to listen. Raises `OSError`."""
        await self.endpoint.open()

    async def close(self) -> None:
        """End what is under way, and stop listening."""
        await self._versions.close()
        await self.endpoint.close()

    async def version(self, *, deadline: Deadline) -> str:
        """
        Return cosign's version, such as "v3.1.3"; once known, it is not asked again.

        Raises `CosignUnavailable`, saying what is wanted, when cosign is missing or another one.
        """
        if self._version is None:
            found = await self._versions.join("version", self._find_version, deadline=deadline)
            if isinstance(found, Failure):
                raise found.error()
            self._version = found
        return self._version

    async def run(
        self,
        place: RunPlace,
        build: Callable[[Path], Command],
        files: Mapping[str, bytes],
        *,
        form: RunForm,
        images: int,
    ) -> FinishedRun:
        """Run a command about so many images, as `RunPlace.run` does, and have it counted."""
        began = time.monotonic()
        end: RunEnd = "fault"
        try:
            with step("cosign", format=form, images=images):
                run = await place.run(build, files)
            end = "exit 0" if run.exit_code == 0 else "exit not 0"
            return run
        finally:
            self.observer.run_finished(form, end, images=images, seconds=time.monotonic() - began)

    async def _find_version(self) -> str | Failure:
        try:
            async with self.runner.place() as place:
                run = await place.run(lambda folder: version_command(self.path, folder), {})
        except CosignUnavailable as fault:
            return Failure.of(fault)
        version = _printed_version(run.stdout) if run.exit_code == 0 else None
        if version is None or version.removeprefix("v").partition(".")[0] != COSIGN_MAJOR:
            seen = "no version" if version is None else quoted_value(version)
            return Failure(
                CosignUnavailable,
                f'"{self.path}" prints {seen}, cosign {COSIGN_MAJOR} is wanted'
                f"{quoted(run.stderr, {})}",
            )
        return version


def _printed_version(stdout: bytes) -> str | None:
    try:
        printed = json.loads(stdout)
    except (ValueError, RecursionError):
        return None
    match printed:
        case {"gitVersion": str(version)}:
            return version
    return None
