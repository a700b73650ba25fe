"""Lets an install go through a fault while people ask, and holds what they are told to the page."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from system.faults.asking import GOOD, People, Told, people_asking
from system.faults.table import (
    ADMITTED,
    AWAY,
    FAULTS,
    MARGIN_SECONDS,
    REFUSED,
    WEBHOOK_TIMEOUT_SECONDS,
    Fault,
)
from system.faults.victim import PATIENCE_SECONDS

LIMIT_SECONDS = WEBHOOK_TIMEOUT_SECONDS + MARGIN_SECONDS


@dataclass(frozen=True, slots=True)
class Endured:
    """All that was told; the fault was there between two instants, and was then healed from."""

    name: str
    told: Sequence[Told]
    began: float
    ended: float
    healed_seconds: float

    @property
    def during(self) -> list[Told]:
        """What was asked and answered while the fault was there."""
        return [each for each in self.told if each.begun >= self.began and each.ended <= self.ended]

    def figures(self) -> str:
        """Return one line for people."""
        seen = Counter(each.verdict for each in self.during)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(seen.items()))
        worst = max(each.seconds for each in self.told if each.verdict != AWAY)
        fault = FAULTS[self.name]
        return (
            f"{self.name}: {len(self.told)} asked; in {self.ended - self.began:.1f} s of fault "
            f"{counts or 'nothing answered'}; worst {worst / LIMIT_SECONDS:.0%} of the limit; "
            f"well after {self.healed_seconds:.1f} s of {fault.within_seconds:g} s"
        )

    def check(self) -> None:
        """Raise `AssertionError` where something was told that the page denies."""
        fault = FAULTS[self.name]
        wrong = [each for each in self.told if each.is_wrong]
        late = [each for each in self.told if each.verdict != AWAY and each.seconds > LIMIT_SECONDS]
        odd = [each for each in self.during if each.verdict not in _allowed(fault, each.kind)]
        assert not wrong, wrong[0]
        assert not late, late[0]
        assert not odd, odd[0]

        seen = {each.verdict for each in self.during if each.kind in GOOD}

        assert fault.new[0] in seen


def _allowed(fault: Fault, kind: str) -> set[str]:
    """Return what may become of a Pod of this kind during a fault."""
    if kind in GOOD:
        return set(fault.known if kind == GOOD[0] else fault.new)
    return {REFUSED, *fault.new} - {ADMITTED}


def endure(
    people: People,
    name: str,
    fault: AbstractContextManager[object],
    *,
    of_each_kind: int = 2,
    for_seconds: float = 0.0,
    heals_by_itself: bool = False,
) -> Endured:
    """
    Have people ask before, during and after a fault; return when all has been well again.

    The fault is there for so many answers and seconds at least. One that `heals_by_itself` is
    healed from before it ends.
    """
    within_seconds = FAULTS[name].within_seconds
    healed = None
    with people_asking(people):
        people.wait_until_all_is_well(time.monotonic(), within_seconds=PATIENCE_SECONDS)
        with fault:
            began = time.monotonic()
            if heals_by_itself:
                healed = people.wait_until_all_is_well(began, within_seconds=within_seconds)
            else:
                people.wait_for_answers(began, of_each_kind=of_each_kind, for_seconds=for_seconds)
            ended = time.monotonic()
        if healed is None:
            over = time.monotonic()
            healed = people.wait_until_all_is_well(over, within_seconds=within_seconds)
    return Endured(name, tuple(people.told), began, ended, healed)
