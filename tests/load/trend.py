"""
How fast something grows, by an estimate that outliers do not move, with its uncertainty.

Samples are put together in blocks, of which the median counts: neighbours say nearly the same, and
would otherwise pretend to be more than they are. The slope is the median of the slopes between all
pairs of blocks (Theil and Sen); its interval of 95 % follows from the variance of Kendall's rank
statistic (P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", 1968).
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

NORMAL_95: Final = 1.96
BLOCKS_WANTED: Final = 8

Sample = tuple[float, float]
"""A time in seconds, and what was measured then."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What is added in a second: the estimate, and from where to where it may be."""

    slope: float
    low: float
    high: float
    seconds: float

    def per(self, each_second: float) -> "Trend":
        """Return what is added with each of the things of which there are so many a second."""
        return Trend(
            self.slope / each_second, self.low / each_second, self.high / each_second, self.seconds
        )


def trend(samples: Sequence[Sample], *, block_seconds: float) -> Trend:
    """Return how samples grow. Raises `ValueError` for fewer than eight blocks of them."""
    blocks = list(_blocks(samples, block_seconds))
    if len(blocks) < BLOCKS_WANTED:
        raise ValueError(f"seen {len(blocks)} blocks of samples, wanted at least {BLOCKS_WANTED}")
    slopes = sorted(
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in itertools.combinations(blocks, 2)
    )
    count = len(blocks)
    spread = NORMAL_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    seconds = samples[-1][0] - samples[0][0]
    return Trend(statistics.median(slopes), slopes[low], slopes[high], seconds)


def _blocks(samples: Iterable[Sample], block_seconds: float) -> Iterable[Sample]:
    for _, each in itertools.groupby(samples, key=lambda sample: sample[0] // block_seconds):
        times, values = zip(*each, strict=True)
        yield statistics.median(times), statistics.median(values)
