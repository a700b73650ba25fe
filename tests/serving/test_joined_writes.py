"""An answer is written as a whole, and nothing of it is lost."""

import asyncio

import pytest

from landwaiter.serving.joined_writes import JoinedWrites


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"head"], []),
        ([b"head", b"body"], [b"headbody"]),
        ([b"head", b""], [b"head"]),
        ([b"head", b"body", b"more"], [b"headbody", b"more"]),
    ],
    ids=["head", "whole", "no body", "in pieces"],
)
def test_the_head_goes_with_the_first_of_the_body(
    pieces: list[bytes], expected: list[bytes]
) -> None:
    """Each piece after it goes out at once."""
    wire = Wire()
    joined = JoinedWrites(wire)
    for piece in pieces:
        joined.write(piece)

    assert expected == wire.written


def test_a_head_without_a_body_goes_out_at_the_end() -> None:
    """As when an application fails in between."""
    wire = Wire()
    joined = JoinedWrites(wire)
    joined.write(b"head")
    before = joined.is_closing()
    joined.close()

    assert (False, [b"head"], True) == (before, wire.written, joined.is_closing())


def test_nothing_is_written_twice() -> None:
    """Closing after an answer ends the connection, and no more."""
    wire = Wire()
    joined = JoinedWrites(wire)
    joined.write(b"head")
    joined.write(b"body")
    joined.close()

    assert ([b"headbody"], True) == (wire.written, wire.is_closed)
