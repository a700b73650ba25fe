"""
Evaluates expressions in a process of their own, within limits of time and memory.

Whoever asks is told true, false or what is wrong for each expression; one that takes too long has
its process ended, and the next question starts another. Jobs that must not be able to hold each
other up belong to different evaluators: each has one process, and asks it one job at a time.
"""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

from landwaiter.cel.expressions import Expression
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ExpressionsUnavailable
from landwaiter.processes import ChildProcess

JOB_SECONDS: Final = 1.0
"""A condition takes some microseconds; what takes so long is a mistake or an attack."""

START_SECONDS: Final = 10.0
"""The start takes a tenth of a second, and far longer on a machine without a free core."""

INPUT_MAX_BYTES: Final = 2 * 1024 * 1024
"""Of one job as JSON: an object that etcd takes has at most 1.5 MiB, an UPDATE brings two."""

LINE_MAX_BYTES: Final = 65_536
"""The longest answer has some hundred characters."""

TOO_LONG: Final = "it takes too long or too much memory"


def too_large(limit_bytes: int) -> str:
    """Return what is said of objects that are not evaluated, for they are over the limit."""
    return f"the objects are over {limit_bytes} bytes or nested too deep"


TOO_LARGE: Final = too_large(INPUT_MAX_BYTES)
HOLDS_NUL: Final = "the objects hold the character U+0000, which expressions cannot read"

_WORKER: Final = ("-I", "-m", "landwaiter.cel.worker")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of an expression: `value` is None where it failed, and `problem` says why."""

    value: bool | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One expression to evaluate, and the number of the input that it is evaluated on."""

    expression: Expression
    input: int = 0


class Evaluates(Protocol):
    """Whatever evaluates expressions."""

    async def evaluate(
        self, tasks: Sequence[Task], inputs: Sequence[Mapping[str, Any]], *, deadline: Deadline
    ) -> tuple[Evaluated, ...]:
        """Return what came of each task. Raises `Unavailable` when nothing could be found out."""
        ...


JobEnd = Literal["whole", "overrun", "fault", "late"]


class JobObserver(Protocol):
    """Is told of jobs; its methods return at once and raise nothing."""

    def job_finished(self, scope: str, end: JobEnd, *, seconds: float) -> None:
        """Note what came of a job, and how long it took from being asked."""
        ...

    def jobs_changed(self, scope: str, under_way: int) -> None:
        """Note how many jobs are being evaluated or wait for their turn."""
        ...


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told of the jobs of one evaluator, and what it is called then."""

    observer: JobObserver
    scope: str


class Evaluator:
    """
    Evaluates jobs one after the other in one process, which is started when it is needed.

    Used on one event loop. As a context manager it ends the process.
    """

    def __init__(
        self,
        *,
        job_seconds: float = JOB_SECONDS,
        input_max_bytes: int = INPUT_MAX_BYTES,
        python: str = sys.executable,
        watcher: Watcher | None = None,
    ) -> None:
        self._watcher = watcher
        self._jobs = 0
        self._job_seconds = job_seconds
        self._input_max_bytes = input_max_bytes
        self._python = python
        self._turn = asyncio.Lock()
        self._worker: _Worker | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    async def evaluate(
        self, tasks: Sequence[Task], inputs: Sequence[Mapping[str, Any]], *, deadline: Deadline
    ) -> tuple[Evaluated, ...]:
        """
        Return what came of each task; all their expressions have the same variables.

        Raises `ExpressionsUnavailable` when there is no process to ask, and `DeadlineExceeded`
        when others had their turn until the deadline.
        """
        if not tasks:
            return ()
        job = _job(tasks, inputs, self._input_max_bytes)
        if isinstance(job, str):
            return (Evaluated(None, job),) * len(tasks)
        with self._told() as job_end:
            try:
                async with deadline.timeout(), self._turn:
                    answers = await self._asked(job, len(tasks))
            except TimeoutError as late:
                job_end.end = "late"
                raise DeadlineExceeded("conditions were not evaluated in time") from late
            job_end.end = "overrun" if answers[-1].problem == TOO_LONG else "whole"
            return answers

    @contextmanager
    def _told(self) -> Iterator["_Job"]:
        """Tell the watcher of a job and of its end, which is a fault unless it is set."""
        job = _Job(time.monotonic())
        self._count(1)
        try:
            yield job
        finally:
            self._count(-1)
            if (watcher := self._watcher) is not None:
                seconds = time.monotonic() - job.began
                watcher.observer.job_finished(watcher.scope, job.end, seconds=seconds)

    def _count(self, more: int) -> None:
        self._jobs += more
        if self._watcher is not None:
            self._watcher.observer.jobs_changed(self._watcher.scope, self._jobs)

    async def _asked(self, job: bytes, count: int) -> tuple[Evaluated, ...]:
        """Return the answers; whatever interrupts this, no answer is left for the next job."""
        is_whole = False
        try:
            if self._worker is None:
                self._worker = await _Worker.start(self._python)
            answers = await self._worker.answers(job, count, self._job_seconds)
            is_whole = len(answers) == count
        finally:
            if not is_whole:
                await self._end()
        missing = (Evaluated(None, TOO_LONG),) * (count - len(answers))
        return (*answers, *missing)

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()


@dataclass(slots=True)
class _Job:
    """A job under way, and how it has ended."""

    began: float
    end: JobEnd = "fault"


class _Worker:
    """One process, from its start until it is reaped."""

    def __init__(self, process: ChildProcess, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._received = b""

    @classmethod
    async def start(cls, python: str) -> "_Worker":
        """Start a process. Raises `ExpressionsUnavailable` when it is not ready in time."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003  # It takes no keyword.
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            process = ChildProcess.start(
                (python, *_WORKER), {}, stdout=theirs.fileno(), stderr=null
            )
        except OSError as cause:
            ours.close()
            raise ExpressionsUnavailable(f"{python} cannot be run: {cause.strerror}") from cause
        finally:
            theirs.close()
            os.close(null)
        worker = cls(process, ours)
        is_ready = False
        try:
            async with asyncio.timeout(START_SECONDS):
                is_ready = await worker._line() == b"ready"
        except TimeoutError as late:
            raise ExpressionsUnavailable("the process for expressions is not ready") from late
        finally:
            if not is_ready:
                await worker.end()
        if not is_ready:
            raise ExpressionsUnavailable("the process for expressions ended at its start")
        return worker

    async def answers(self, job: bytes, count: int, seconds: float) -> list[Evaluated]:
        """Return the answers that came in time, fewer than `count` where some did not."""
        answers: list[Evaluated] = []
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_sendall(self._channel, job)
                while len(answers) < count and (line := await self._line()):
                    answers.append(_answer(line))
        except (TimeoutError, ConnectionError):
            pass
        return answers

    async def _line(self) -> bytes:
        """Return the next line without its end, empty when there is none, or none of ours."""
        while b"\n" not in self._received:
            arrived = await asyncio.get_running_loop().sock_recv(self._channel, LINE_MAX_BYTES)
            if not arrived or len(self._received) > LINE_MAX_BYTES:
                return b""
            self._received += arrived
        line, _, self._received = self._received.partition(b"\n")
        return line

    async def end(self) -> None:
        """Kill the process and take it out of the kernel's table."""
        self._channel.close()
        self._process.kill_group()
        await self._process.reap()


def _job(
    tasks: Sequence[Task], inputs: Sequence[Mapping[str, Any]], limit_bytes: int
) -> bytes | str:
    """Return a job as a line, or what keeps it from being asked."""
    job = {
        "variables": tasks[0].expression.variables,
        "inputs": inputs,
        "tasks": [(task.expression.text, task.input) for task in tasks],
    }
    try:
        text = json.dumps(job, separators=(",", ":"), check_circular=False)
    except RecursionError:
        return too_large(limit_bytes)
    if "\\u0000" in text:
        # The library takes a text up to there, so that "a\0b" would be equal to "a".
        return HOLDS_NUL
    return text.encode() + b"\n" if len(text) <= limit_bytes else too_large(limit_bytes)


def _answer(line: bytes) -> Evaluated:
    answer = json.loads(line)
    if isinstance(answer, bool):
        return Evaluated(value=answer)
    return Evaluated(None, str(answer))
