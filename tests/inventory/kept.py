"""What outlives a process, in the memory of a test."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from landwaiter.inventory.ledger import Kept
from landwaiter.inventory.verifications import Success, Verification


@dataclass
class KeptInMemory:
    """Keeps successes by their keys, as an install keeps them."""

    successes: dict[str, Success] = field(default_factory=dict)
    taken_back: dict[str, float] = field(default_factory=dict)
    offered: int = 0
    is_full: bool = False
    now: Callable[[], float] = time.time

    def offer(self, success: Success) -> bool:
        self.offered += 1
        if self.is_full:
            return False
        self.successes[success.verification.key] = success
        return True

    def withdraw(self, verification: Verification, *, for_all: bool) -> None:
        if verification.key in self.successes:
            self.taken_back[verification.key] = self.now()
            if for_all:
                del self.successes[verification.key]

    def when(self, verification: Verification) -> float | None:
        success = self.successes.get(verification.key)
        if success is None or (success.ends is not None and success.ends <= self.now()):
            return None
        return success.when

    def counts_from(self, verification: Verification) -> float:
        return self.taken_back.get(verification.key, 0.0)


def _protocol_holds() -> Kept:
    """Let mypy say when the fake and its Protocol part ways."""
    return KeptInMemory()
