"""
Writes whole lines to a stream, and never makes anybody wait who has one.

Behind standard error is a pipe, and who reads it may be slow or stuck. While the pipe has room a
line is written at once, which takes some microseconds. A line that might have to wait goes to a
thread, in order, and when too many wait there, further ones are lost and counted in the log itself:
neither a full disk nor a closed pipe behind the log may decide whether an object is admitted.
"""

import atexit
import json
import select
import stat
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from os import fstat
from typing import Final, TextIO

AT_ONCE_MAX_BYTES: Final = 4096
"""What a pipe takes without waiting once it is said to be writable (pipe(7), PIPE_BUF)."""

WAITING_MAX_BYTES: Final = 8 * 1024 * 1024
"""Of lines that wait for the thread: more than ten thousand usual ones."""

END_SECONDS: Final = 1.0
"""How long the end of the process waits for what is not written yet."""


class LineWriter:
    """Writes lines; its methods are called from any thread."""

    def __init__(self, stream: TextIO, *, waiting_max_bytes: int = WAITING_MAX_BYTES) -> None:
        self._stream = stream
        self._waiting_max_bytes = waiting_max_bytes
        self._poll = _poll_of(stream)
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def msg(self, line: str) -> None:
        """Write one line, or have it written."""
        with self._changed:
            if not self._waiting and not self._is_busy and self._has_room(line):
                self._write(line)
            elif self._waiting_bytes + len(line) > self._waiting_max_bytes:
                self._lost += 1
                self._wake()
            else:
                self._waiting.append(line)
                self._waiting_bytes += len(line)
                self._wake()

    log = debug = info = warn = warning = error = exception = critical = fatal = failure = msg

    def close(self, seconds: float = END_SECONDS) -> None:
        """Wait so long at most for what is not written yet."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._is_busy), timeout=seconds)

    def _has_room(self, line: str) -> bool:
        if self._poll is None:
            return True
        return len(line) < AT_ONCE_MAX_BYTES and bool(self._poll.poll(0))

    def _write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._lost)
                lines, lost = list(self._waiting), self._lost
                self._waiting.clear()
                self._waiting_bytes, self._lost, self._is_busy = 0, 0, True
            for line in lines:
                self._write(line)
            if lost:
                self._write(_lost_line(lost))


def _lost_line(lines: int) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    event = {"event": "lines of this log were lost", "lines": lines, "level": "error", "time": now}
    return json.dumps(event)


def _poll_of(stream: TextIO) -> "select.poll | None":
    """Return what tells whether the stream has room, None where it always has."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return None
    if stat.S_ISREG(fstat(descriptor).st_mode):
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll
