"""
Everything that was verified, as the evaluator asks for it where it cannot be found out again.

What this process has verified itself is in its memory; what it and the other replicas have verified
before is in `Kept`, where the install keeps that. A success is noted with the time at which the
work began, also when it is answered from memory for the hundredth time; and what is admitted by a
success of before is none, so that its age is counted from the last time it was found out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from landwaiter.inventory.verifications import SIGNATURE, Success, Verification
from landwaiter.rules.protocol import Answer, Inquiry, Question
from landwaiter.rules.verified_before import Earlier

LEDGER_MAX: Final = 5_000
"""Some 500 bytes each, besides what the memory of signatures holds of them already."""

RENEWED_SECONDS: Final = 300.0
"""
How much later a success has to be to be noted anew.

Clocks are set while a success is answered from memory, which makes it no other one.
"""


class Kept(Protocol):
    """What outlives this process; every method returns at once and raises nothing."""

    def offer(self, success: Success) -> bool:
        """Take a success to keep, and return whether there was room for it."""
        ...

    def withdraw(self, verification: Verification, *, for_all: bool) -> None:
        """Believe it no longer, for it was refused since; `for_all`, also keep it no longer."""
        ...

    def when(self, verification: Verification) -> float | None:
        """Return when that was last verified, as far as it is believed; None for nothing."""
        ...

    def counts_from(self, verification: Verification) -> float:
        """Return when what was kept was last taken back, here or elsewhere; 0 for never."""
        ...


class NothingKept:
    """What an install has that keeps nothing: the memory of each process is all there is."""

    def offer(self, success: Success) -> bool:  # noqa: ARG002  # As the protocol has it.
        """Return True: there is nothing to try again."""
        return True

    def withdraw(self, verification: Verification, *, for_all: bool) -> None:
        """Do nothing."""

    def when(self, verification: Verification) -> float | None:  # noqa: ARG002  # As the protocol has it.
        """Return None."""
        return None

    def counts_from(self, verification: Verification) -> float:  # noqa: ARG002  # As the protocol has it.
        """Return 0."""
        return 0.0


NOTHING_KEPT: Final = NothingKept()


def keeps(inquiry: Inquiry) -> bool:
    """
    Whether what is found out for an inquiry may be kept.

    Only for an API server that is known as such, and never for a dry run (design, semantics 19 and
    20).
    """
    return inquiry.credentials_allowed and not inquiry.dry_run


@dataclass(slots=True)
class _Noted:
    """A success of this process; `is_offered` once it was given away to be kept."""

    when: float
    ends: float | None = None
    is_offered: bool = False


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a question of one object is about, and what its answer is where that was verified."""

    verification: Callable[[], Verification]
    answer: Callable[[], Any]


class Ledger:
    """
    An `Inventory` of the evaluator, of so many successes: the one that was noted first goes.

    Used on one event loop.
    """

    def __init__(
        self,
        kept: Kept = NOTHING_KEPT,
        *,
        clock: Callable[[], float] = time.time,
        limit: int = LEDGER_MAX,
    ) -> None:
        self._kept = kept
        self._clock = clock
        self._limit = limit
        self._noted: dict[Verification, _Noted] = {}

    def expect(
        self,
        question: Question[Answer],
        inquiry: Inquiry,
        verification: Callable[[], Verification],
        answer: Callable[[], Answer],
    ) -> None:
        """
        Note what a question is about, before it is found out: that may never end.

        Both are called only where they are needed, which is seldom.
        """
        inquiry.notes[question] = _Expected(verification, answer)

    def verified(
        self,
        verification: Verification,
        inquiry: Inquiry,
        *,
        authority: str,
        age_seconds: float,
        evidence: str = SIGNATURE,
        good_seconds: float | None = None,
    ) -> bool:
        """
        Note that something was verified so many seconds ago; keep it where `keeps` says so.

        What it was verified by is enough for `good_seconds` from now on, None for ever. Returns
        whether the same need not be told again: it is kept, or was taken back since.
        """
        now = self._clock()
        when = now - age_seconds
        if when <= self._kept.counts_from(verification):
            return True
        noted = self._noted.get(verification)
        if noted is None or when > noted.when + RENEWED_SECONDS:
            noted = self._note(verification, when)
            noted.ends = None if good_seconds is None else now + good_seconds
        if not noted.is_offered and keeps(inquiry):
            success = Success(verification, authority, noted.when, evidence, noted.ends)
            noted.is_offered = self._kept.offer(success)
        return noted.is_offered

    def refused(self, verification: Verification, inquiry: Inquiry) -> None:
        """Forget the success of before: what was found out last counts."""
        self._noted.pop(verification, None)
        self._kept.withdraw(verification, for_all=keeps(inquiry))

    def earlier(self, question: Question[Answer], inquiry: Inquiry) -> Earlier[Answer] | None:
        """Return what was last found out, at once; None where that is not known."""
        expected = inquiry.notes.get(question)
        if not isinstance(expected, _Expected):
            return None
        verification = expected.verification()
        noted, now = self._noted.get(verification), self._clock()
        known = [] if noted is None or (noted.ends or now + 1) <= now else [noted.when]
        if (when := self._kept.when(verification)) is not None:
            known.append(when)
        if not known or max(known) <= self._kept.counts_from(verification):
            return None
        return Earlier(expected.answer(), max(0.0, now - max(known)))

    def _note(self, verification: Verification, when: float) -> _Noted:
        self._noted.pop(verification, None)
        if len(self._noted) >= self._limit:
            del self._noted[next(iter(self._noted))]
        noted = self._noted[verification] = _Noted(when)
        return noted
