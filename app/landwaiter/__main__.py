"""
Runs the command line, as `landwaiter` and as `python -m landwaiter`.

The first process of a container gets no signal that it has no handler for, and what is imported
below takes seconds on a busy node: a Pod that is told to end meanwhile would be killed when its
time is over, two minutes later. So the handler comes first.
"""

import importlib
import signal
import sys
from types import FrameType
from typing import Final

ENDED_BY_SIGTERM: Final = 128 + signal.SIGTERM
"""What a shell says of a process that SIGTERM has ended; 0 would be a verdict."""


def main() -> None:
    """Run the verb that the command line names."""
    signal.signal(signal.SIGTERM, _end)
    importlib.import_module("landwaiter.cli").main()


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(ENDED_BY_SIGTERM)


if __name__ == "__main__":
    main()
