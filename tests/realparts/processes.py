"""
Child processes that cannot outlive the tests: started, waited for, stopped, all bounded in time.

Guaranteed: a child runs in a session and process group of its own, writes to a log file, and is
killed by the kernel when the thread that started it dies (`leash.py`). Leaving its context, or
`stop`, ends its whole group, helpers included. Nothing here waits without a limit.
"""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

LEASH = Path(__file__).resolve().with_name("leash.py")
POLL_SECONDS = 0.02
LOGGED_POLL_SECONDS = 0.5
FREEZE_SECONDS = 10.0
LOG_TAIL_LINES = 30
KILLED_WITHIN_SECONDS = 10.0
"""How long a killed process may take to be gone: only a hung disk exceeds it."""

Result = TypeVar("Result")


class ProcessError(Exception):
    """A child did not do what was wanted of it; the message ends with its last lines."""


class NotReadyError(ProcessError):
    """A child ended, or its time ran out, before it was ready."""


class CommandFailedError(ProcessError):
    """A command ended with another exit code than 0, or not in time."""


class ChildProcess:
    """
    A program that runs until it is stopped.

    `program` is looked up on PATH unless it is a path. The environment is exactly the one given.
    Raises `RuntimeError` outside the main thread, whose end would kill the child.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str],
        directory: Path | None = None,
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"{name}: start it from the main thread, it dies with its thread")
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                _leashed(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Return the process id, which is also the id of its group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Say whether it has not ended; it is not reaped, so that its group's id stays taken."""
        if self._process.returncode is not None:
            return False
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code (a signal is negative), None until it was stopped or waited for."""
        return self._process.returncode

    def wait_until_ready(self, is_ready: Callable[[], bool], *, within_seconds: float) -> None:
        """Return once the predicate holds; raise `NotReadyError` at its end or the time's end."""
        deadline = time.monotonic() + within_seconds
        while not is_ready():
            if not self.is_running:
                self.stop()
                raise NotReadyError(f"{self.name} ended with {self.exit_code}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                problem = f"{self.name} is not ready after {within_seconds:.0f} s"
                raise NotReadyError(f"{problem}:\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def wait(self, *, within_seconds: float) -> bool:
        """Say whether it ended by itself in time; it is left running or unreaped."""
        return _holds(lambda: not self.is_running, within_seconds)

    def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Ask it to end, kill its whole group after the grace or its end, and reap it."""
        if self._process.returncode is not None:
            return
        self._signal_group(signal.SIGTERM)
        self.wait(within_seconds=grace_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill its whole group at once and reap it."""
        if self._process.returncode is not None:
            return
        self._signal_group(signal.SIGKILL)
        self._process.wait(timeout=KILLED_WITHIN_SECONDS)

    def freeze(self) -> None:
        """Stop its whole group from running, without ending it; return once it stands still."""
        self._signal_group(signal.SIGSTOP)
        tasks = Path(f"/proc/{self._process.pid}/task")
        wait_until(
            lambda: all(_stands_still(task) for task in tasks.iterdir()),
            within_seconds=FREEZE_SECONDS,
            what=f"{self.name} to stand still",
        )

    def thaw(self) -> None:
        """Let its group run again after `freeze`."""
        self._signal_group(signal.SIGCONT)

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """Return the last lines of its output and where the rest is."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join([*text.splitlines()[-lines:], f"(log: {self.log})"])

    def _signal_group(self, number: signal.Signals) -> None:
        # The leader is not reaped yet, so the group's id cannot be another's.
        os.killpg(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    timeout_seconds: float,
    directory: Path | None = None,
    stdin: str = "",
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """
    Return what a short command answered.

    Raises `CommandFailedError` when it does not end in time, its group is killed then, and, with
    `check`, when its exit code is not 0.
    """
    arguments = [str(each) for each in command]
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=directory,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        output, problems = process.communicate(stdin, timeout=timeout_seconds)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, problems = process.communicate(timeout=KILLED_WITHIN_SECONDS)
        if isinstance(error, subprocess.TimeoutExpired):
            raise CommandFailedError(
                f"{_shown(arguments)} did not end within {timeout_seconds:.0f} s:\n{problems}"
            ) from error
        raise
    if check and process.returncode != 0:
        ending = f"{_shown(arguments)} ended with {process.returncode}"
        raise CommandFailedError(f"{ending}:\n{problems}{output}")
    return subprocess.CompletedProcess(arguments, process.returncode, output, problems)


def run_logged(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    timeout_seconds: float,
    on_wait: Callable[[], None],
    directory: Path | None = None,
) -> None:
    """
    Run a long command whose output goes to a log; `on_wait` is called often meanwhile.

    Raises `CommandFailedError` with the log's last lines when it fails or does not end in time.
    """
    deadline = time.monotonic() + timeout_seconds
    with ChildProcess(
        name, command, log=log, environment=environment, directory=directory
    ) as child:
        while not child.wait(within_seconds=LOGGED_POLL_SECONDS):
            on_wait()
            if time.monotonic() > deadline:
                problem = f"{name} did not end within {timeout_seconds:.0f} s"
                raise CommandFailedError(f"{problem}:\n{child.log_tail()}")
    if child.exit_code != 0:
        raise CommandFailedError(f"{name} ended with {child.exit_code}:\n{child.log_tail()}")


def _stands_still(task: Path) -> bool:
    """Whether a thread is stopped: the signal takes a moment to reach those that run."""
    try:
        return (task / "stat").read_text("utf-8").rpartition(")")[2].split()[0] in {"T", "t"}
    except OSError:
        return True  # It has ended.


def wait_until(holds: Callable[[], bool], *, within_seconds: float, what: str) -> None:
    """Return once the predicate holds; raise `TimeoutError` naming what was waited for."""
    if not _holds(holds, within_seconds):
        raise TimeoutError(f"{what}: not within {within_seconds:.0f} s")


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago; another may take it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def retried_on_port_clash(launch: Callable[[], Result], *, attempts: int = 5) -> Result:
    """Return what `launch` returns; call it again when its child found a port taken meanwhile."""
    for attempt in range(1, attempts + 1):
        try:
            return launch()
        except NotReadyError as error:
            if attempt == attempts or "address already in use" not in str(error).lower():
                raise
    raise ValueError(f"attempts: {attempts}, wanted at least 1")


def http_status(
    url: str,
    *,
    context: ssl.SSLContext | None = None,
    timeout_seconds: float = 2.0,
) -> int | None:
    """Return the status of a GET, None where nothing answers; proxies are never asked."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, port, timeout=timeout_seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _holds(predicate: Callable[[], bool], within_seconds: float) -> bool:
    """Poll until the predicate holds or the time is over; it is asked at least once."""
    deadline = time.monotonic() + within_seconds
    while not predicate():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _leashed(command: Sequence[str | Path]) -> list[str]:
    program, *arguments = [str(each) for each in command]
    found = shutil.which(program)
    if found is None:
        raise ProcessError(f"{program!r} is not a program")
    interpreter = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]
    return [*interpreter, str(Path(found).absolute()), *arguments]


def _shown(arguments: Sequence[str]) -> str:
    return " ".join([Path(arguments[0]).name, *arguments[1:]])
