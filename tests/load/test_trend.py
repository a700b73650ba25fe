"""The estimate of growth finds what is there and is not deceived by what comes and goes."""

import random

import pytest

from load.trend import Sample, Trend, trend

MEBIBYTE = 1024 * 1024


def samples(*, slope: float, seed: int, seconds: int = 300) -> list[Sample]:
    """Return memory as it is: rough, with steps of an allocator and bursts that pass."""
    chance = random.Random(seed)  # noqa: S311  # Nothing is secret here.
    found = []
    burst = 0.0
    for tick in range(seconds * 4):
        burst = 20 * MEBIBYTE if chance.random() < 0.02 else burst * 0.5
        rough = chance.gauss(0, 100_000) + burst
        found.append((tick / 4, 90 * MEBIBYTE + slope * tick / 4 + rough))
    return found


@pytest.mark.parametrize("slope", [0.0, 5_000.0, 100_000.0])
def test_the_slope_lies_where_it_is_said_to_lie(slope: float) -> None:
    """
    In 38 of 40 series, as 95 % are; two more are left to chance.

    The series are the same in each run.
    """
    within = 0
    for seed in range(40):
        found = trend(samples(slope=slope, seed=seed), block_seconds=5)
        within += found.low <= slope <= found.high

    assert within >= 36


def test_what_comes_and_goes_is_no_growth() -> None:
    """Twenty mebibytes for a second now and then, and still less than ten kilobytes a second."""
    found = trend(samples(slope=0.0, seed=1), block_seconds=5)

    assert -10_000 < found.low <= found.slope <= found.high < 10_000


def test_a_straight_line_has_one_slope() -> None:
    """And an amount for each of those that come in a second."""
    line = [(float(second), 7.0 * second) for second in range(40)]
    found = trend(line, block_seconds=4)

    assert Trend(0.7, 0.7, 0.7, 39.0) == found.per(10)


def test_too_little_is_no_basis() -> None:
    """Whoever measures for a moment is told so."""
    with pytest.raises(ValueError, match="seen 2 blocks of samples, wanted at least 8"):
        trend([(0.0, 1.0), (6.0, 1.0)], block_seconds=5)
