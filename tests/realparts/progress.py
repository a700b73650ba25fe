"""
Says on standard error what a long installation is doing, so that nobody takes it for hung.

On a terminal one line is redrawn each second; elsewhere, as in CI, a new line comes at once and
then every 15 seconds. Standard output stays free for answers.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

TICK_SECONDS = 1.0
LINE_SECONDS = 15.0


@dataclass(slots=True)
class Step:
    """One part being made ready; `tick` is called often and prints when something is due."""

    label: str
    expected_seconds: int
    stream: TextIO
    clock: Callable[[], float]
    started: float
    _due: float = 0.0
    _width: int = 0

    def tick(self, doing: str) -> None:
        """Say what is being done and for how long, if that is due."""
        now = self.clock()
        if now < self._due:
            return
        elapsed = now - self.started
        text = (
            f"{self.label}: {doing}, {elapsed:.0f} s (about {self.expected_seconds} s on 2 cores)"
        )
        if self.stream.isatty():
            self._due = now + TICK_SECONDS
            self._redraw(text)
        else:
            self._due = now + LINE_SECONDS
            print(text, file=self.stream, flush=True)

    def say(self, outcome: str) -> None:
        """Print a lasting line."""
        text = f"{self.label}: {outcome}"
        if self._width:
            self._redraw(text)
            print(file=self.stream, flush=True)
        else:
            print(text, file=self.stream, flush=True)

    def _redraw(self, text: str) -> None:
        print(f"\r{text:<{self._width}}", end="", file=self.stream, flush=True)
        self._width = max(self._width, len(text))


@contextmanager
def step(
    label: str,
    expected_seconds: int,
    stream: TextIO | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Step]:
    """Give a step to report on; its last line tells how long it took, or that it failed."""
    current = Step(
        label=label,
        expected_seconds=expected_seconds,
        stream=stream or sys.stderr,
        clock=clock,
        started=clock(),
    )
    try:
        yield current
    except BaseException:
        current.say("failed")
        raise
    current.say(f"ready after {clock() - current.started:.0f} s")
