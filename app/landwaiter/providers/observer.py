"""What the programs that give credentials tell whoever counts; wiring hands an observer over."""

from typing import Final, Literal, Protocol

ProgramKind = Literal["plugin", "helper"]
ProgramEnd = Literal["ok", "failed", "timed out"]


class ProgramObserver(Protocol):
    """Receives counts; its method returns at once and raises nothing."""

    def program_finished(self, kind: ProgramKind, end: ProgramEnd, *, seconds: float) -> None:
        """Note that a program was run, what came of it, and how long it took."""
        ...


class Unobserved:
    """Counts nothing."""

    def program_finished(self, kind: ProgramKind, end: ProgramEnd, *, seconds: float) -> None:
        """Do nothing."""


UNOBSERVED: Final = Unobserved()
