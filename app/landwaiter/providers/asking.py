"""
Asks a program once for what many want to know, and remembers what it answered.

What a program gave is good for as long as it says, or the install. What came of a failure is good
for some seconds, so that a program that hangs does not hold up every request about its images.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from cachetools import TLRUCache, TTLCache

from landwaiter.cosign.flights import Flights
from landwaiter.deadline import Deadline
from landwaiter.errors import CredentialsLate, CredentialsUnavailable
from landwaiter.providers.observer import UNOBSERVED, ProgramEnd, ProgramKind, ProgramObserver
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import Given

SHORTEST_SECONDS: Final = 10.0
"""
How long an answer is used at least, which may say that it is for one pull alone.

Looking at one image takes some ten requests, in the time that the kubelet takes for a pull.
"""

LONGEST_SECONDS: Final = 86_400.0
FAULT_SECONDS: Final = 10.0
ANSWERS_MAX_BYTES: Final = 4 * 1024 * 1024
FAULTS_MAX: Final = 1000
UNDER_WAY_MAX: Final = 200
RUNS_AT_ONCE: Final = 4
"""Of one program; who waits for a place may find that its answer has come meanwhile."""

_ENTRY_BYTES: Final = 512
"""What an entry takes besides its texts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Credentials, the key under which they are remembered, and for how many seconds."""

    credentials: tuple[Credential, ...] = field(repr=False)
    key: str
    seconds: float

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        texts = (
            text
            for each in self.credentials
            for text in (each.key, each.username, each.password, each.identity_token)
        )
        return _ENTRY_BYTES * (1 + len(self.credentials)) + sum(map(len, texts))


Ask = Callable[[], Coroutine[Any, Any, Answer]]
Warn = Callable[[str], None]


def silently(_: str) -> None:
    """Tell nobody: whoever asks is told of what matters for the image."""


class RememberedAnswers:
    """
    What one program answered.

    At most `ANSWERS_MAX_BYTES` of answers; the least recently used go when there are more. Used on
    one event loop only, so it needs no lock. `name` is that of the program, for messages; `warn` is
    told of each failure, and the `observer` of each run.
    """

    def __init__(
        self,
        name: str,
        kind: ProgramKind,
        *,
        clock: Callable[[], float] = time.monotonic,
        warn: Warn = silently,
        observer: ProgramObserver = UNOBSERVED,
    ) -> None:
        self._name = name
        self._kind: ProgramKind = kind
        self._observer = observer
        self._warn = warn
        self._flights: Flights[str, Given] = Flights(UNDER_WAY_MAX, lane_of=_registry_of)
        self._answers: TLRUCache[str, Answer] = TLRUCache(
            ANSWERS_MAX_BYTES, ttu=_end, timer=clock, getsizeof=lambda answer: answer.size
        )
        self._faults: TTLCache[str, str] = TTLCache(FAULTS_MAX, FAULT_SECONDS, clock)
        self._places = asyncio.Semaphore(RUNS_AT_ONCE)

    async def close(self) -> None:
        """End all runs that are under way."""
        await self._flights.close()

    async def given(self, keys: tuple[str, ...], ask: Ask, *, deadline: Deadline) -> Given:
        """
        Return what is remembered under one of the keys, else what `ask` finds out.

        The first key is that of the question. Raises `DeadlineExceeded`, while asking goes on.
        """
        remembered = self._remembered(keys)
        if remembered is not None:
            return remembered
        fault = self._faults.get(keys[0])
        if fault is not None:
            return Given(fault=fault)
        return await self._flights.join(
            keys[0], lambda: self._find_out(keys, ask), deadline=deadline
        )

    def _remembered(self, keys: tuple[str, ...]) -> Given | None:
        for key in keys:
            answer: Answer | None = self._answers.get(key)
            if answer is not None:
                return Given(answer.credentials)
        return None

    async def _find_out(self, keys: tuple[str, ...], ask: Ask) -> Given:
        async with self._places:
            remembered = self._remembered(keys)
            if remembered is not None:
                return remembered
            try:
                answer = await self._observed(ask)
            except CredentialsUnavailable as problem:
                fault = self._faults[keys[0]] = f"{self._name} {problem}"
                self._warn(f"{keys[0]}: {fault}")
                return Given(fault=fault)
        self._answers[answer.key] = answer
        return Given(answer.credentials)

    async def _observed(self, ask: Ask) -> Answer:
        """Ask, and tell what came of it; a run that is cancelled is none."""
        began = time.monotonic()

        def finished(end: ProgramEnd) -> None:
            self._observer.program_finished(self._kind, end, seconds=time.monotonic() - began)

        try:
            answer = await ask()
        except CredentialsUnavailable as problem:
            finished("timed out" if isinstance(problem, CredentialsLate) else "failed")
            raise
        finished("ok")
        return answer


def _registry_of(question: str) -> str:
    return question.partition("/")[0].lower()


def _end(_: str, answer: Answer, now: float) -> float:
    return now + min(max(answer.seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
