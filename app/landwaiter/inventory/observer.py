"""What the inventory tells whoever counts; wiring hands an observer over."""

from typing import Literal, Protocol

from landwaiter.inventory.sealing import Disbelief

Written = Literal["written", "withdrawn", "failed", "dropped"]
Removed = Literal["expired", "surplus", "not believed"]


class InventoryObserver(Protocol):
    """Receives counts, from any thread; its methods return at once and raise nothing."""

    def ignored(self, why: Disbelief) -> None:
        """Note that an object was heard of that is not believed."""
        ...

    def written(self, outcome: Written) -> None:
        """Note what became of a success that was to be kept, or to be kept no longer."""
        ...

    def removed(self, why: Removed) -> None:
        """Note that an object was removed."""
        ...
