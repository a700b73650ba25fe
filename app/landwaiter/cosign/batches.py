"""
Puts images that wait for the same criterion and format into one run of cosign.

Most of a run is its start, so sixteen images in one run cost little more than one. Nothing waits
for company: where a place is free a run begins with what there is, and while none is, a batch
gathers.

Company must not change a verdict. The first image that is not good ends a run; those behind it
are judged by another. A run that proves nothing (killed, over a limit, an answer that does not
fit) is taken back and each of its images is judged alone, so that nobody's signatures can keep
another's image from being verified.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.command import Command, files_for, verify_command
from landwaiter.cosign.documents import served_repository
from landwaiter.cosign.endpoint import Service
from landwaiter.cosign.material import SIGNATURE_LIMITS, SignatureMaterial
from landwaiter.cosign.outcome import Outcome, SignatureFormat, Unjudged, meaning_of
from landwaiter.cosign.payloads import SignedName, as_written
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.runner import RunPlace
from landwaiter.errors import CosignUnavailable

BATCH_MAX_IMAGES = 16
"""
Images in one run. From there on the start of cosign is a small part of it, and more would only
make the first of them wait for the last.
"""

BATCH_MAX_BYTES = SIGNATURE_LIMITS.easy_bytes
"""
Signatures of several images in one run: what it prints grows with them (`STDOUT_MAX_BYTES` in
`runner.py`). An image that has more is alone.
"""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What images must have in common to share a run."""

    criterion: str
    format: SignatureFormat


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One image that waits to be judged; `alone` keeps it from sharing a run."""

    criterion: Criterion
    material: SignatureMaterial
    answer: asyncio.Future[Outcome]
    alone: bool = False


class Batches:
    """
    Judges material with cosign.

    Owns a task for each image that waits; `close` ends them. Used on one event loop only.
    """

    def __init__(self, program: CosignProgram, signed_name: SignedName = as_written) -> None:
        self._program = program
        self._signed_name = signed_name
        self._waiting: dict[_Kind, deque[_Job]] = {}
        self._turns: set[asyncio.Task[None]] = set()

    async def judge(
        self, criterion: Criterion, material: SignatureMaterial, signature_format: SignatureFormat
    ) -> Outcome:
        """
        Return whether one of the signatures of this format meets the criterion.

        Raises `CosignUnavailable` when cosign could not say. Whoever waits may be cancelled; the
        image then leaves the queue.
        """
        kind = _Kind(criterion.fingerprint, signature_format)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._enqueue(kind, _Job(criterion, material, answer))
        return await answer

    async def close(self) -> None:
        """End all runs and wait until they have ended."""
        for turn in self._turns:
            turn.cancel()
        await asyncio.gather(*self._turns, return_exceptions=True)

    def _enqueue(self, kind: _Kind, *jobs: _Job) -> None:
        """Let the images wait, each with a turn: whichever turn comes first takes several."""
        waiting = self._waiting.setdefault(kind, deque())
        for job in jobs:
            waiting.append(job)
            turn = asyncio.create_task(self._take_turn(kind))
            self._turns.add(turn)
            turn.add_done_callback(self._turns.discard)
        self._tell_queue()

    async def _take_turn(self, kind: _Kind) -> None:
        async with self._program.runner.place() as place:
            jobs = self._next_batch(kind)
            if not jobs:
                return
            unanswered = jobs
            try:
                outcomes = await self._outcomes(kind, jobs, place)
                unanswered = []
                self._settle(kind, jobs, outcomes)
            except CosignUnavailable as fault:
                unanswered = []
                self._take_back(kind, jobs, fault)
            finally:
                # Left over when this turn is ended from outside: nobody shall wait for it.
                for job in unanswered:
                    _fail(job, CosignUnavailable("the run of cosign was ended"))

    def _next_batch(self, kind: _Kind) -> list[_Job]:
        """Take what may share the next run, in the order of arrival."""
        waiting = self._waiting.get(kind, deque())
        jobs: list[_Job] = []
        size_bytes = 0
        while waiting and len(jobs) < BATCH_MAX_IMAGES:
            if waiting[0].answer.done():
                waiting.popleft()
                continue
            size_bytes += waiting[0].material.size_bytes
            if jobs and (waiting[0].alone or size_bytes > BATCH_MAX_BYTES):
                break
            jobs.append(waiting.popleft())
            if jobs[0].alone:
                break
        if not waiting:
            self._waiting.pop(kind, None)
        self._tell_queue()
        return jobs

    def _tell_queue(self) -> None:
        self._program.observer.queue_changed(
            sum(len(waiting) for waiting in self._waiting.values())
        )

    async def _outcomes(
        self, kind: _Kind, jobs: Sequence[_Job], place: RunPlace
    ) -> tuple[Outcome | Unjudged, ...]:
        criterion = jobs[0].criterion
        served = [
            (job.material.subject, served_repository(job.material, kind.format, criterion))
            for job in jobs
        ]
        with self._program.endpoint.serving(served) as service:
            build = self._build(criterion, kind.format, service, place)
            files = files_for(criterion)
            run = await self._program.run(place, build, files, form=kind.format, images=len(jobs))
            return meaning_of(
                run, service.asked(), kind.format, criterion.wanted, self._signed_name
            )

    def _build(
        self,
        criterion: Criterion,
        signature_format: SignatureFormat,
        service: Service,
        place: RunPlace,
    ) -> Callable[[Path], Command]:
        return lambda folder: verify_command(
            self._program.path,
            folder,
            service.operands,
            signature_format=signature_format,
            criterion=criterion,
            limit_seconds=place.limit_seconds,
        )

    def _settle(
        self, kind: _Kind, jobs: Sequence[_Job], outcomes: Sequence[Outcome | Unjudged]
    ) -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Unjudged):
                self._enqueue(kind, job)
            elif not job.answer.done():
                job.answer.set_result(outcome)

    def _take_back(self, kind: _Kind, jobs: Sequence[_Job], fault: CosignUnavailable) -> None:
        """Judge each image of a run that proved nothing alone, unless it was alone already."""
        if len(jobs) > 1:
            self._enqueue(kind, *(replace(job, alone=True) for job in jobs))
        else:
            _fail(jobs[0], fault)


def _fail(job: _Job, fault: CosignUnavailable) -> None:
    if not job.answer.done():
        job.answer.set_exception(fault)
