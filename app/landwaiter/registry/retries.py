"""
When a request to a registry is tried again, and when a registry is left alone for a while.

- A fault that may pass (5xx, 429, a reset connection) is met with at most `MAX_ATTEMPTS`
  attempts, a jittered and growing wait before each. A timeout is not: it has used up the time.
- A registry that throttles us is left alone, by every request of a caller, until the time that it
  asked for has passed; without one, for a time that doubles with each refusal. Requests wait for
  that where their deadline allows it and fail at once where it does not, without being sent: the
  more a registry throttles, the less it is asked.
- A 429 is about whoever met it: what a registry gives out is counted by login, and by address for
  nobody. So it is left alone for that caller, lest whoever uses up what is theirs, or nobody's,
  keep others from their images. A 5xx that says when to come back is about the registry.
- Requests that were under way when the throttling began count once.
"""

import asyncio
import email.utils
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import tenacity
from cachetools import TTLCache

from landwaiter.deadline import Deadline
from landwaiter.errors import RegistryUnavailable

MAX_ATTEMPTS: Final = 3
FIRST_WAIT_SECONDS: Final = 0.2
LONGEST_WAIT_SECONDS: Final = 2.0
"""Between attempts after a 5xx or a reset: long enough for a restart behind a load balancer."""

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 300.0
"""No registry can make itself unreachable for longer with one answer."""

_MOST_DOUBLINGS: Final = 9
"""The longest pause is reached before that."""

_REMEMBERED_LANES: Final = 4096
_STRIKES_LAST_SECONDS: Final = 600.0

_EVERYBODY: Final = None
_Lane = tuple[str, str | None]
"""A host and a caller, or everybody."""

Result = TypeVar("Result")


class PassingFault(RegistryUnavailable):
    """
    A fault that the next attempt may not meet.

    `throttled` says that the registry asked to be left alone, for `retry_after_seconds` where it
    is not None, and by more than this caller with `for_everybody`.
    """

    def __init__(
        self,
        message: str,
        *,
        throttled: bool = False,
        retry_after_seconds: float | None = None,
        for_everybody: bool = False,
    ) -> None:
        super().__init__(message)
        self.throttled = throttled
        self.retry_after_seconds = retry_after_seconds
        self.for_everybody = for_everybody


@dataclass(frozen=True, slots=True)
class _Pause:
    until: float
    strikes: int


@dataclass(slots=True)
class Patience:
    """
    Runs attempts, and remembers which registries asked to be left alone.

    A caller is a text that tells logins apart, empty for nobody. The memory is bounded in hosts and
    callers, and forgets one ten minutes after its last refusal.
    `clock`, `sleep` and `jitter` (0 to 1) are arguments for the tests.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    _pauses: TTLCache[_Lane, _Pause] = field(init=False)

    def __post_init__(self) -> None:
        """Count the time of the memory on the same clock."""
        self._pauses = TTLCache(_REMEMBERED_LANES, _STRIKES_LAST_SECONDS, timer=self.clock)

    async def run(
        self,
        host: str,
        attempt: Callable[[], Awaitable[Result]],
        deadline: Deadline,
        *,
        caller: str = "",
    ) -> Result:
        """
        Return what the attempt returns, as soon as one succeeds.

        Raises the last `PassingFault` when no attempt is left or the deadline leaves no time to
        wait for another; whatever else the attempt raises is passed on at once.
        """
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(PassingFault),
            wait=self._wait_seconds,
            stop=lambda state: (
                state.attempt_number >= MAX_ATTEMPTS
                or state.upcoming_sleep >= deadline.remaining_seconds()
            ),
            sleep=self.sleep,
            reraise=True,
        )
        return await retrying(self._attempt, host, caller, attempt, deadline)

    async def _attempt(
        self, host: str, caller: str, attempt: Callable[[], Awaitable[Result]], deadline: Deadline
    ) -> Result:
        while (pause := self.pause_seconds(host, caller)) > 0:
            if pause >= deadline.remaining_seconds():
                raise RegistryUnavailable(
                    f"{host} asked to be left alone for another {pause:.0f} s (it throttles)"
                )
            # The jitter keeps those that waited from coming back all at once.
            await self.sleep(pause * (1 + self.jitter() / 4))
        try:
            result = await attempt()
        except PassingFault as fault:
            if fault.throttled:
                lane = (host, _EVERYBODY if fault.for_everybody else caller)
                self._strike(lane, fault.retry_after_seconds)
            raise
        for lane in ((host, caller), (host, _EVERYBODY)):
            if self._pause_seconds(lane) == 0:  # Not for one sent before the throttling began.
                self._pauses.pop(lane, None)
        return result

    def pause_seconds(self, host: str, caller: str = "") -> float:
        """Return for how long the host is to be left alone by a caller, in seconds."""
        return max(self._pause_seconds((host, each)) for each in (caller, _EVERYBODY))

    def _pause_seconds(self, lane: _Lane) -> float:
        pause = self._pauses.get(lane)
        return max(0.0, pause.until - self.clock()) if pause else 0.0

    def _strike(self, lane: _Lane, retry_after_seconds: float | None) -> None:
        known = self._pauses.get(lane)
        strikes = known.strikes if known else 0
        if self._pause_seconds(lane) == 0:
            strikes += 1
        seconds = retry_after_seconds
        if seconds is None:
            seconds = FIRST_PAUSE_SECONDS * 2 ** min(strikes - 1, _MOST_DOUBLINGS)
        until = self.clock() + min(max(seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        self._pauses[lane] = _Pause(max(until, known.until if known else until), strikes)

    def _wait_seconds(self, state: tenacity.RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, PassingFault) and fault.throttled:
            return 0.0
        longest: float = min(
            LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (state.attempt_number - 1)
        )
        return longest * (1 + self.jitter()) / 2


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """
    Return the seconds that a `Retry-After` header asks for, None where there is none to read.

    `now` is the time in seconds since 1970, for the form that is a date.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
