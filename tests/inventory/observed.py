"""What an inventory tells, in the order that it does."""

from dataclasses import dataclass, field

from landwaiter.inventory.observer import InventoryObserver, Removed, Written
from landwaiter.inventory.sealing import Disbelief


@dataclass
class Observed:
    """Takes notes."""

    ignored_for: list[Disbelief] = field(default_factory=list)
    writes: list[Written] = field(default_factory=list)
    removed_for: list[Removed] = field(default_factory=list)

    def ignored(self, why: Disbelief) -> None:
        self.ignored_for.append(why)

    def written(self, outcome: Written) -> None:
        self.writes.append(outcome)

    def removed(self, why: Removed) -> None:
        self.removed_for.append(why)


def _protocol_holds() -> InventoryObserver:
    """Let mypy say when the fake and its Protocol part ways."""
    return Observed()
