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
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from landwaiter.cosign.command import Command
from landwaiter.cosign.outcome import FinishedRun
from landwaiter.errors import CosignUnavailable
from landwaiter.pipes import BoundedPipe
from landwaiter.processes import ChildProcess

STDOUT_MAX_BYTES = 16_777_216
"""
cosign prints parts of what it verified, at most 4 MiB in one run (`SIGNATURE_LIMITS` in
`material.py`). JSON writes some bytes with six, but what is printed is signed by somebody whom the
policy trusts: nobody else can have that limit broken.
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
        process = _started(command, stdout, stderr)
        stdout.overflow = stderr.overflow = process.kill_group
        try:
            status = await process.exit_status()
            if status != 0:
                process.kill_group()
            await _drained(stdout, stderr)
        except ChildProcessError as cause:
            raise CosignUnavailable(f"how cosign ended is not known: {cause.strerror}") from cause
        except BaseException:
            process.kill_group()
            raise
        finally:
            await process.reap()
        return FinishedRun(
            exit_code=status if status >= 0 else None,
            signal=-status if status < 0 else None,
            stdout=stdout.content(),
            stderr=stderr.content(),
        )


def _pipe(max_bytes: int, *, kept_bytes: int) -> BoundedPipe:
    try:
        return BoundedPipe(max_bytes=max_bytes, kept_bytes=kept_bytes)
    except OSError as cause:
        raise CosignUnavailable(f"no pipe to cosign could be made: {cause.strerror}") from cause


def _started(command: Command, stdout: BoundedPipe, stderr: BoundedPipe) -> ChildProcess:
    """Start the process, and leave it alone with the ends of the pipes that are its own."""
    try:
        process = ChildProcess.start(
            command.argv, command.environment, stdout=stdout.writer, stderr=stderr.writer
        )
    except OSError as cause:
        raise CosignUnavailable(
            f'cosign could not be started: "{command.argv[0]}": {cause.strerror}; '
            "the program of cosign 3 is wanted there"
        ) from cause
    stdout.close_writer()
    stderr.close_writer()
    return process


async def _drained(stdout: BoundedPipe, stderr: BoundedPipe) -> None:
    """Wait for the rest of the output of a process that has ended."""
    _, still_held = await asyncio.wait({stdout.ended, stderr.ended}, timeout=DRAIN_SECONDS)
    if stdout.is_over_limit or stderr.is_over_limit:
        raise CosignUnavailable("cosign printed more than the limit and was ended")
    if still_held:
        raise CosignUnavailable("cosign left a process behind that holds its output")
