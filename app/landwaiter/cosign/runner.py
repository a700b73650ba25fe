"""
Starts cosign, and leaves nothing of it behind: the only place that starts a process.

Guaranteed for every run, however it ends (success, failure, limit, cancellation):

- no more than `runs_at_once` run at the same time; waiting for a place is up to the caller's
  own timeout;
- it ends within `limit_seconds`; what it prints is bounded; both limits are ours and so raise
  `CosignUnavailable`, which is no verdict about an image;
- it leads a process group of its own, which is killed on any exit but success, and it is reaped;
- a process that it left behind and that holds its output cannot make us wait;
- its private folder, readable by us alone, is removed.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from landwaiter.cosign.command import Command
from landwaiter.cosign.outcome import FinishedRun
from landwaiter.cosign.pipes import BoundedPipe
from landwaiter.errors import CosignUnavailable

STDOUT_MAX_BYTES = 16_777_216
"""
cosign prints parts of what it verified, at most 2 MiB in one run (`TOTAL_MAX_BYTES` in
`material.py`), and JSON writes a byte with at most six: 12 MiB, and room for the rest.
"""

STDERR_MAX_BYTES = 8_388_608
"""
More than this ends the run. Each of 500 bad signatures may add a line to the last error.
"""

STDERR_KEPT_BYTES = 65_536
"""How much of the end of standard error is kept, to be quoted."""

DRAIN_SECONDS = 1.0
"""
How long output may still arrive after cosign has ended.

All that it printed is in the pipe by then; only a process that it left behind keeps the pipe open.
"""

REAP_SECONDS = 5.0
"""A killed process is gone in milliseconds, unless the kernel holds it."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How many runs there may be at the same time, and how long one may take, in seconds."""

    runs_at_once: int
    limit_seconds: float


class CosignRunner:
    """Runs commands, a bounded number at a time. Holds nothing but the count of free places."""

    def __init__(self, limits: RunLimits, *, temporary_folder: Path | None = None) -> None:
        self._limits = limits
        self._temporary_folder = temporary_folder
        self._places = asyncio.Semaphore(limits.runs_at_once)

    @asynccontextmanager
    async def place(self) -> AsyncIterator["RunPlace"]:
        """Wait for one of the places and hold it; waits as long as the caller lets it."""
        async with self._places:
            yield RunPlace(self._limits, self._temporary_folder)


@dataclass(frozen=True, slots=True)
class RunPlace:
    """The right to run one process at a time; only good inside `CosignRunner.place`."""

    _limits: RunLimits
    _temporary_folder: Path | None

    @property
    def limit_seconds(self) -> float:
        """How long a run may take."""
        return self._limits.limit_seconds

    async def run(
        self, build: Callable[[Path], Command], files: Mapping[str, bytes]
    ) -> FinishedRun:
        """
        Run the command that `build` returns for a private folder which holds `files`.

        Raises `CosignUnavailable` when it cannot be started or breaks a limit.
        """
        with _private_folder(self._temporary_folder, files) as folder:
            command = build(folder)
            try:
                async with asyncio.timeout(self._limits.limit_seconds):
                    return await _run(command)
            except TimeoutError as cause:
                raise CosignUnavailable(
                    f"cosign took longer than the limit of {self._limits.limit_seconds:g} s "
                    "and was ended"
                ) from cause


@contextmanager
def _private_folder(parent: Path | None, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Yield a new folder with these files, and remove it with all that was put there since."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="landwaiter-cosign-", dir=parent))
    except OSError as cause:
        raise CosignUnavailable(f"no folder for cosign could be made: {cause.strerror}") from cause
    try:
        try:
            for name, content in files.items():
                _write_private(folder / name, content)
        except OSError as cause:
            raise CosignUnavailable(
                f"a file for cosign could not be written: {cause.strerror}"
            ) from cause
        yield folder
    finally:
        # Files that cosign may have left unreadable do not keep the rest from being removed.
        shutil.rmtree(folder, ignore_errors=True)


def _write_private(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, mode=0o600), "wb") as file:
        file.write(content)


async def _run(command: Command) -> FinishedRun:
    with (
        _pipe(STDOUT_MAX_BYTES, kept_bytes=STDOUT_MAX_BYTES) as stdout,
        _pipe(STDERR_MAX_BYTES, kept_bytes=STDERR_KEPT_BYTES) as stderr,
    ):
        process = await _started(command, stdout.writer, stderr.writer)
        stdout.close_writer()
        stderr.close_writer()
        return await _finished(process, stdout, stderr)


def _pipe(max_bytes: int, *, kept_bytes: int) -> BoundedPipe:
    try:
        return BoundedPipe(max_bytes=max_bytes, kept_bytes=kept_bytes)
    except OSError as cause:
        raise CosignUnavailable(f"no pipe to cosign could be made: {cause.strerror}") from cause


async def _started(command: Command, stdout: int, stderr: int) -> Process:
    """Start the process, never leaving one that was begun when the caller is cancelled."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command.argv,
            stdin=DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=dict(command.environment),
            cwd=command.folder,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            await _end(await starting)
        raise
    except OSError as cause:
        raise CosignUnavailable(
            f'cosign could not be started: "{command.argv[0]}": {cause.strerror}; '
            "the program of cosign 3 is wanted there"
        ) from cause


async def _finished(process: Process, stdout: BoundedPipe, stderr: BoundedPipe) -> FinishedRun:
    """Wait for the end of the process and of what it prints; kill its group unless it exits 0."""
    stdout.overflow = stderr.overflow = lambda: _kill_group(process.pid)
    try:
        code = await process.wait()
        if code != 0:
            _kill_group(process.pid)
        await _drained(stdout, stderr)
    except BaseException:
        await _end(process)
        raise
    return FinishedRun(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        stdout=stdout.content(),
        stderr=stderr.content(),
    )


async def _drained(stdout: BoundedPipe, stderr: BoundedPipe) -> None:
    """Wait for the rest of the output of a process that has ended."""
    _, still_held = await asyncio.wait({stdout.ended, stderr.ended}, timeout=DRAIN_SECONDS)
    if stdout.is_over_limit or stderr.is_over_limit:
        raise CosignUnavailable("cosign printed more than the limit and was ended")
    if still_held:
        raise CosignUnavailable("cosign left a process behind that holds its output")


async def _end(process: Process) -> None:
    """Kill the group of a process and reap its leader."""
    _kill_group(process.pid)
    with suppress(TimeoutError):
        # After that time the child watcher still reaps it, whenever the kernel lets it go.
        async with asyncio.timeout(REAP_SECONDS):
            await process.wait()


def _kill_group(leader: int) -> None:
    """
    Kill a process group, also when its leader has been reaped and a helper lives on.

    While any member lives, the kernel gives the number to no other process.
    """
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
