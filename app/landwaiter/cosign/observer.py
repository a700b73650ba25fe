"""What the verifier tells whoever counts; wiring hands an observer over."""

from typing import Literal, Protocol

from landwaiter.cosign.outcome import AttestationFormat, SignatureFormat

Answered = Literal["verified", "refused", "fault"]
RunEnd = Literal["exit 0", "exit not 0", "fault"]
RunForm = SignatureFormat | AttestationFormat


class Observer(Protocol):
    """Receives counts; its methods return at once and raise nothing."""

    def cache_hit(self, answered: Answered) -> None:
        """Note that a question was answered from memory."""
        ...

    def cache_miss(self) -> None:
        """Note that a question was not answered from memory."""
        ...

    def flights_changed(self, under_way: int) -> None:
        """Note how many verifications are under way."""
        ...

    def queue_changed(self, waiting: int) -> None:
        """Note how many images wait for a run."""
        ...

    def run_finished(self, form: RunForm, end: RunEnd, *, images: int, seconds: float) -> None:
        """Note that cosign has run for so many images, and how long it took."""
        ...


class Unobserved:
    """Counts nothing."""

    def cache_hit(self, answered: Answered) -> None:
        """Do nothing."""

    def cache_miss(self) -> None:
        """Do nothing."""

    def flights_changed(self, under_way: int) -> None:
        """Do nothing."""

    def queue_changed(self, waiting: int) -> None:
        """Do nothing."""

    def run_finished(self, form: RunForm, end: RunEnd, *, images: int, seconds: float) -> None:
        """Do nothing."""
