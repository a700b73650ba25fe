"""
Runs the programs that give credentials, and leaves nothing of them behind.

Guaranteed for every run, however it ends (success, failure, limit, cancellation):

- it ends within its limit, and what it prints is bounded;
- it leads a process group of its own, which is killed whole before it is reaped, also after a
  success: what it started ends with it;
- a process that left the group and holds its output cannot make us wait;
- it reads what it is asked on its standard input, and has an environment of its own: what the
  install declares for it, `PATH`, and a private folder for `HOME` and `TMPDIR`, removed afterwards;
- what it prints on standard error goes nowhere: it may hold a password.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from landwaiter.errors import CredentialsLate, CredentialsUnavailable
from landwaiter.pipes import BoundedPipe
from landwaiter.processes import ChildProcess

LIMIT_SECONDS: Final = 20.0
"""
The kubelet waits for a minute, and nobody waits for it. Cloud providers answer in some hundred
milliseconds, and in a few seconds where they try again.
"""

OUTPUT_MAX_BYTES: Final = 262_144
"""The largest tokens known (Azure) have some 5 KiB; a provider may give one for many registries."""

REQUEST_MAX_BYTES: Final = 4096
"""What a pipe takes at once in every case; the longest name of an image has some 520 bytes."""

DRAIN_SECONDS: Final = 1.0
"""How long output may still arrive after the group was killed: all of it is in the pipe by then."""

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Program:
    """A program with what the install declares for it; `name` is how it is called in messages."""

    name: str
    path: Path
    arguments: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, negative for a signal, and all that it printed."""

    status: int
    output: bytes = field(repr=False)


class ProgramRunner:
    """Runs one program; how often at once is up to the caller."""

    def __init__(self, program: Program, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._program = program
        self._limit_seconds = limit_seconds

    async def run(self, request: bytes) -> Finished:
        """
        Return how the program ended that was given the request to read.

        Raises `CredentialsUnavailable` where it cannot be started or breaks a limit, of which
        `CredentialsLate` is that of time; the message is what it did, to stand behind its name.
        """
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await self._run(request)
        except TimeoutError as cause:
            raise CredentialsLate(
                f"took longer than the limit of {self._limit_seconds:g} s and was ended"
            ) from cause
        except OSError as cause:
            raise CredentialsUnavailable(f"could not be run: {cause.strerror}") from cause

    async def _run(self, request: bytes) -> Finished:
        with (
            tempfile.TemporaryDirectory(
                prefix="landwaiter-provider-", ignore_cleanup_errors=True
            ) as folder,
            BoundedPipe(max_bytes=OUTPUT_MAX_BYTES, kept_bytes=OUTPUT_MAX_BYTES) as stdout,
        ):
            process = self._started(request, stdout, folder)
            stdout.overflow = process.kill_group
            try:
                status = await process.exit_status()
                process.kill_group()
                await _drained(stdout)
            finally:
                process.kill_group()
                await process.reap()
            return Finished(status, stdout.content())

    def _started(self, request: bytes, stdout: BoundedPipe, folder: str) -> ChildProcess:
        program = self._program
        own = {"PATH": _PATH, "HOME": folder, "TMPDIR": folder}
        with _readable(request) as stdin:
            process = ChildProcess.start(
                (str(program.path), *program.arguments),
                {**own, **program.environment},
                stdin=stdin,
                stdout=stdout.writer,
                stderr=None,
            )
        stdout.close_writer()
        return process


@contextmanager
def _readable(request: bytes) -> Iterator[int]:
    """Give a descriptor from which the request can be read, once."""
    if len(request) > REQUEST_MAX_BYTES:
        raise CredentialsUnavailable(f"would be asked with more than {REQUEST_MAX_BYTES} bytes")
    reader, writer = os.pipe()
    try:
        try:
            os.write(writer, request)
        finally:
            os.close(writer)
        yield reader
    finally:
        os.close(reader)


async def _drained(stdout: BoundedPipe) -> None:
    """Wait for the rest of the output of a program whose group has ended."""
    _, still_held = await asyncio.wait({stdout.ended}, timeout=DRAIN_SECONDS)
    if stdout.is_over_limit:
        raise CredentialsUnavailable(f"printed more than {OUTPUT_MAX_BYTES} bytes and was ended")
    if still_held:
        raise CredentialsUnavailable("left a process behind that holds its output")
