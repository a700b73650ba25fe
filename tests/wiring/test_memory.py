"""How the C library keeps memory, in a process of its own: what is set there stays set."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from landwaiter.wiring.memory import map_large_blocks

FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()

class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Heap
if "set" in sys.argv:
    map_large_blocks()
largest = bytes(8 << 20)
del largest
before = mallinfo2().hblks
block = bytes(1 << 20)
print(mallinfo2().hblks - before)
"""
"""Prints how many blocks of their own a megabyte takes after something larger has come and gone."""


@pytest.mark.parametrize(("arguments", "blocks"), [(["set"], "1"), ([], "0")])
def test_large_blocks_stay_out_of_the_heap(arguments: list[str], blocks: str) -> None:
    """Else the first large review leads all others into the heap, which grows by the holes."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    assert blocks == printed.strip()
