"""A long installation shows that it is alive, in a way that fits where it is read."""

import io

import pytest

from realparts.progress import step


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then() -> None:
    """Outside a terminal a line comes at once, and then not before 15 seconds."""
    now = iter([100.0, 100.0, 101.0, 115.0, 120.0])
    stream = io.StringIO()

    with step("[1/2] tool v1", 30, stream, clock=lambda: next(now)) as current:
        for _ in range(3):
            current.tick("building")

    assert [
        "[1/2] tool v1: building, 0 s (about 30 s on 2 cores)",
        "[1/2] tool v1: building, 15 s (about 30 s on 2 cores)",
        "[1/2] tool v1: ready after 20 s",
    ] == stream.getvalue().splitlines()


def test_a_terminal_has_one_line_redrawn() -> None:
    """On a terminal the line is drawn over, and the last one covers what was longer."""
    now = iter([100.0, 100.0, 101.0, 102.0])
    stream = Terminal()

    with step("tool", 30, stream, clock=lambda: next(now)) as current:
        for _ in range(2):
            current.tick("building")

    first = "tool: building, 0 s (about 30 s on 2 cores)"
    second = "tool: building, 1 s (about 30 s on 2 cores)"
    last = f"{'tool: ready after 2 s':<{len(first)}}"
    assert f"\r{first}\r{second}\r{last}\n" == stream.getvalue()


def test_a_failure_ends_the_line() -> None:
    """What failed is not called ready."""
    stream = io.StringIO()

    with pytest.raises(ValueError, match="why"), step("tool", 30, stream):
        raise ValueError("why")

    assert "tool: failed\n" == stream.getvalue()
