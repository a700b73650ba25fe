"""Lines reach a slow reader, and nobody waits for it."""

import fcntl
import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from landwaiter.telemetry.lines import AT_ONCE_MAX_BYTES, LineWriter

PIPE_BYTES = 4096


@contextmanager
def a_pipe() -> Iterator[tuple[int, TextIO]]:
    """Give the reading end of a small pipe, and a stream at its other end."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with os.fdopen(writing, "w") as stream:
        yield reading, stream


def read_until(reading: int, last: str) -> list[str]:
    """Return the lines that come, up to one that ends so."""
    found = b""
    while not found.endswith(last.encode() + b"\n"):
        found += os.read(reading, 65_536)
    os.close(reading)
    return found.decode().splitlines()


def test_nobody_waits_for_a_reader_that_is_stuck() -> None:
    """Ten times what the pipe holds is taken at once, and is read in order afterwards."""
    lines = [f"{number} {'x' * 100}" for number in range(10 * PIPE_BYTES // 100)]
    with a_pipe() as (reading, stream):
        writer = LineWriter(stream)
        began = time.monotonic()
        for line in lines:
            writer.msg(line)
        took = time.monotonic() - began
        found = read_until(reading, lines[-1])

    assert lines == found
    assert took < 1


def test_a_line_longer_than_a_pipe_takes_at_once_waits_for_nobody() -> None:
    """An empty pipe says that it has room, and has not enough for this line."""
    line = "x" * (3 * AT_ONCE_MAX_BYTES)
    with a_pipe() as (reading, stream):
        writer = LineWriter(stream)
        writer.msg(line)
        writer.msg("last")

        assert [line, "last"] == read_until(reading, "last")


def test_what_is_lost_is_counted_in_the_log_itself() -> None:
    """Memory is bounded, and whoever reads the log is told that it has a gap."""
    written, kept, lost = 20_000, 0, 0
    with a_pipe() as (reading, stream):
        writer = LineWriter(stream, waiting_max_bytes=10)
        for _ in range(written):
            writer.msg("more")
        for line in lines_of(reading):
            if line == "more":
                kept += 1
            else:
                told = json.loads(line)
                lost += told["lines"]
                assert ("lines of this log were lost", "error") == (told["event"], told["level"])
            if kept + lost == written:
                break
        os.close(reading)

    assert (written, True) == (kept + lost, lost > 0)


def lines_of(reading: int) -> Iterator[str]:
    """Yield the lines that come, without their ends."""
    rest = b""
    while piece := os.read(reading, 65_536):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in whole)


def test_the_end_waits_a_moment_for_what_is_not_written() -> None:
    """And no longer, when nobody reads."""
    with a_pipe() as (reading, stream):
        writer = LineWriter(stream)
        for _ in range(3):
            writer.msg("x" * AT_ONCE_MAX_BYTES)
        began = time.monotonic()
        writer.close(seconds=0.1)
        took = time.monotonic() - began
        writer.msg("last")
        found = read_until(reading, "last")

    assert (4, True) == (len(found), 0.1 <= took < 5)


@pytest.mark.parametrize("is_file", [True, False])
def test_files_and_texts_are_written_at_once(is_file: bool, tmp_path: "os.PathLike[str]") -> None:  # noqa: FBT001
    """They always have room; a full disk is an error, and errors are passed over."""
    path = os.path.join(tmp_path, "log")  # noqa: PTH118
    with open(path, "w+") if is_file else io.StringIO() as stream:  # noqa: PTH123
        LineWriter(stream).msg("x" * (2 * AT_ONCE_MAX_BYTES))
        stream.seek(0)

        assert "x" * (2 * AT_ONCE_MAX_BYTES) + "\n" == stream.read()
