"""One instant by which a request must be answered, passed down to everything that waits."""

import asyncio
import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """An instant, in seconds on the clock of `time.monotonic`, which is the event loop's too."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return the instant that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining_seconds(self) -> float:
        """Return the seconds that are left, never less than zero."""
        return max(0.0, self.at - time.monotonic())

    def earlier(self, seconds: float) -> "Deadline":
        """Return the instant that many seconds before this one."""
        return Deadline(self.at - seconds)

    def timeout(self) -> asyncio.Timeout:
        """Return the context manager that cancels its body at this instant (`TimeoutError`)."""
        return asyncio.timeout(self.remaining_seconds())
