"""
One process that leads a group of its own: started, waited for, killed with its group, reaped.

Written on `posix_spawn` and not on asyncio's processes, for three reasons. A process is started
without an `await`, in which a cancellation could lose it. It is reaped here and nowhere else,
always after its group was killed: until then the kernel gives its number to nobody, so that no
other process can be hit. And uvloop forks, with all that the server has in memory, and stands
still for several milliseconds; `posix_spawn` borrows the memory until the program is loaded.

The process inherits nothing but three descriptors and the working directory, which it has no use
for. Source: Linux man pages posix_spawn(3), pidfd_open(2), waitid(2), read 2026-11.
"""

import asyncio
import errno
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

REAP_SECONDS = 5.0
"""A killed process is gone in milliseconds, unless the kernel holds it."""

_RESTORED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these, and a program would inherit that."""


class ChildProcess:
    """A process from its start until it is reaped."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_reaped = False

    @classmethod
    def start(
        cls,
        argv: tuple[str, ...],
        environment: Mapping[str, str],
        *,
        stdout: int,
        stderr: int | None,
        stdin: int | None = None,
    ) -> Self:
        """
        Start a program with these descriptors to write to and to read from, None for nothing.

        Raises `OSError` when there is no such program or it cannot be run. A bare name is no
        program: it would be looked for in the working directory, which can be somebody's
        checkout in CI.
        """
        if os.sep not in argv[0]:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
        pid = os.posix_spawn(
            argv[0],
            argv,
            environment,
            file_actions=[
                _attached(stdin, 0, os.O_RDONLY),
                _attached(stdout, 1, os.O_WRONLY),
                _attached(stderr, 2, os.O_WRONLY),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_RESTORED_SIGNALS,
        )
        return cls(pid)

    async def exit_status(self) -> int:
        """
        Return the exit code, or the negative number of the signal, once it has ended.

        Raises `ChildProcessError` when somebody else has reaped it: the system does where
        SIGCHLD is ignored.
        """
        await self._ended()
        return self._status()

    def _status(self) -> int:
        result = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if result is None:
            raise ChildProcessError(errno.ECHILD, "the process has not ended")
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    def kill_group(self) -> None:
        """Kill it and all that it started and that is still in its group."""
        if not self._is_reaped:
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    async def reap(self) -> None:
        """
        Take it out of the kernel's table, once it has ended; to be called in the end, once.

        Goes on when the caller is cancelled meanwhile.
        """
        await asyncio.shield(asyncio.ensure_future(self._reap()))

    async def _reap(self) -> None:
        with suppress(TimeoutError, ChildProcessError):
            async with asyncio.timeout(REAP_SECONDS):
                await self._ended()
        self._take()

    def _take(self) -> None:
        self._is_reaped = True
        with suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)

    async def _ended(self) -> None:
        """Wait for the end, without reaping."""
        try:
            descriptor = os.pidfd_open(self._pid)
        except OSError:
            # Linux before 5.3 has no descriptors of processes.
            await asyncio.to_thread(os.waitid, os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _attached(descriptor: int | None, number: int, mode: int) -> tuple[object, ...]:
    """Return what gives a process a descriptor under a number of its own."""
    if descriptor is None:
        return (os.POSIX_SPAWN_OPEN, number, os.devnull, mode, 0)
    return (os.POSIX_SPAWN_DUP2, descriptor, number)
