"""Sets Python's garbage collector for a server that answers many requests at once."""

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


def spare_what_stays() -> None:
    """Keep what the server has made so far out of the collector's way, and its passes short."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
