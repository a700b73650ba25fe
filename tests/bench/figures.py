"""
Figures: what was measured of ours and of what it is compared with, round by round.

Both sides of a comparison are measured in turns, so that what disturbs the machine disturbs both;
the ratio is taken within each round. A figure is the median of its rounds. Its range is the one in
which the true median lies with at least `CONFIDENCE`, from the order of the rounds alone, so that
nothing is assumed about how noise is spread.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import Any, Literal, Self, TypeVar

CONFIDENCE = 0.95

Round = TypeVar("Round")


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure has to reach."""

    kind: Literal["at least", "at most"]
    value: float

    def is_met_by(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.value if self.kind == "at least" else value <= self.value

    def __str__(self) -> str:
        return f"{self.kind} {self.value:g}"


def at_least(value: float) -> Target:
    """Return the target of a figure that had better be large."""
    return Target("at least", value)


def at_most(value: float) -> Target:
    """Return the target of a figure that had better be small."""
    return Target("at most", value)


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One line of the table.

    `ours` and `theirs` are the rounds, in `unit`; `theirs` is empty where ours stands alone.
    `note` says sizes and the state of caches, where the case does not say it of all its figures.
    """

    case: str
    name: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()
    target: Target | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """What tells the figure from all others, also in an earlier file."""
        return f"{self.case}: {self.name}"

    @property
    def rounds(self) -> tuple[float, ...]:
        """What is judged: the ratios of the rounds, or ours where there is nothing beside."""
        if not self.theirs:
            return self.ours
        return tuple(our / their for our, their in zip(self.ours, self.theirs, strict=True))

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)

    @property
    def range(self) -> tuple[float, float]:
        """Where the true median lies."""
        return median_range(self.rounds)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.target.is_met_by(self.value)

    def to_json(self) -> dict[str, Any]:
        """Return everything about it, the rounds among it."""
        return {
            **asdict(self),
            "value": self.value,
            "range": self.range,
            "met": self.is_met,
        }

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Self:
        """Return the figure of `to_json`."""
        target = found["target"]
        return cls(
            found["case"],
            found["name"],
            found["unit"],
            tuple(found["ours"]),
            tuple(found["theirs"]),
            None if target is None else Target(target["kind"], target["value"]),
            found["note"],
        )


def in_turns(
    rounds: int, ours: Callable[[], Round], theirs: Callable[[], Round]
) -> tuple[list[Round], list[Round]]:
    """
    Return the rounds of two sides, measured in turns.

    Whoever goes first meets what the other has left behind, so they take turns at that too.
    """
    of_ours: list[Round] = []
    of_theirs: list[Round] = []
    for number in range(rounds):
        if number % 2:
            of_theirs.append(theirs())
            of_ours.append(ours())
        else:
            of_ours.append(ours())
            of_theirs.append(theirs())
    return of_ours, of_theirs


def median_range(rounds: Sequence[float]) -> tuple[float, float]:
    """
    Return the narrowest pair of rounds around the median with the confidence wanted.

    The true median lies outside the k-th smallest and largest of n with twice the probability of
    fewer than k heads in n throws. Under six rounds no pair is that certain: then it is the two
    outermost.
    """
    ordered = sorted(rounds)
    count = len(ordered)
    kept = 0
    outside = 2 / 2**count
    while 2 * (kept + 1) < count and outside <= 1 - CONFIDENCE:
        kept += 1
        outside += 2 * comb(count, kept) / 2**count
    kept = max(0, kept - (outside > 1 - CONFIDENCE))
    return ordered[kept], ordered[count - 1 - kept]


def differs(before: Figure, now: Figure) -> bool:
    """
    Whether two figures differ beyond noise: their ranges have nothing in common.

    Of two medians that are equal this is said wrongly in under one of a hundred cases.
    """
    (low, high), (lower, upper) = before.range, now.range
    return high < lower or upper < low
