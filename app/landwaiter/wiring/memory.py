"""Sets what keeps the server's memory: Python's garbage collector and the C library's allocator."""

import ctypes
import gc
from typing import Final

COLLECTOR_THRESHOLDS: Final = (1_000, 5, 50)
"""
How many objects come to stay before the young are looked through, and how many such passes make one
through the middle-aged, and how many of these one through all.

A review leaves next to no cycles, so passes find little; but each keeps everybody waiting for as
long as it takes to look at its objects. With 64 reviews under way, passes through 10,000 of them
take most of the 5 ms that the event loop may be kept, and Python's own thresholds go beyond it.
"""

M_MMAP_THRESHOLD: Final = -3
"""The parameter's number in glibc's malloc.h (mallopt(3))."""

MAPPED_FROM_BYTES: Final = 128 * 1024
"""From which size a block gets pages of its own, which go back to the system with it."""


def spare_what_stays() -> None:
    """Keep what the server has made so far out of the collector's way, and its passes short."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def map_large_blocks() -> None:
    """
    Keep large blocks out of the heap for good, where the C library is glibc.

    It begins with this size, and raises it to that of the largest block that is given back: from
    the first large review on, large blocks leave holes in the heap between small ones that stay,
    and it grows for half an hour until the holes are large enough. Such a block is a question to
    the system, so what is made for every review must not be one (`serving/shared_reads.py`).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
