"""
Who may stay when there is room for so many connections only.

Each guest has a rank, or none while it must stay. Of the lowest rank there is, the one that has had
it for the longest time goes first. All of it takes the same short time however many guests there
are: whoever fills the house would otherwise make each newcomer expensive.
"""

from typing import Final, Generic, TypeVar

RANKS: Final = 3

Guest = TypeVar("Guest")


class House(Generic[Guest]):
    """The guests of one listener, in the order in which they would be let go."""

    def __init__(self) -> None:
        # Dictionaries keep their order, and give up any of their keys at once.
        self._ranks: tuple[dict[Guest, None], ...] = tuple({} for _ in range(RANKS))
        self._rank_of: dict[Guest, int] = {}

    def place(self, guest: Guest, rank: int | None) -> None:
        """Give a guest a rank from now on, or None where it must stay."""
        self.forget(guest)
        if rank is not None:
            self._rank_of[guest] = rank
            self._ranks[rank][guest] = None

    def forget(self, guest: Guest) -> None:
        """Know no more of a guest, who need not be known."""
        rank = self._rank_of.pop(guest, None)
        if rank is not None:
            del self._ranks[rank][guest]

    def least_missed(self, newcomer: Guest) -> Guest | None:
        """Return who should go for a newcomer, None where nobody can."""
        for guests in self._ranks:
            for guest in guests:
                if guest is not newcomer:
                    return guest
        return None
