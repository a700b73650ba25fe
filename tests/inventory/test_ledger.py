"""What a process notes of what it has verified, and what it finds again."""

from dataclasses import dataclass, replace

import pytest

from cosign.fakes import an_image
from inventory.kept import KeptInMemory
from inventory.verified import a_verification
from landwaiter.inventory.ledger import RENEWED_SECONDS, Ledger
from landwaiter.inventory.verifications import Success, Verification
from landwaiter.rules.protocol import Question
from landwaiter.rules.verified_before import Earlier
from wiring.a_cluster import an_inquiry

NOW = 1_000_000.0


@dataclass(frozen=True)
class IsGood(Question[str]):
    name: str


@dataclass
class Clock:
    seconds: float = NOW

    def __call__(self) -> float:
        return self.seconds


class KeptThatStays(KeptInMemory):
    """What an API server that is slow, or a dry run, leaves where it is."""

    def withdraw(self, verification: Verification, *, for_all: bool) -> None:
        super().withdraw(verification, for_all=for_all and False)


def earlier(ledger: Ledger, verification: Verification) -> Earlier[str] | None:
    """Return what is known where a question is about a verification."""
    inquiry, question = an_inquiry(), IsGood("it")
    ledger.expect(question, inquiry, lambda: verification, lambda: "good")
    return ledger.earlier(question, inquiry)


def test_what_was_verified_is_found_again_with_its_age() -> None:
    """The answer is the one that was expected."""
    clock = Clock()
    ledger = Ledger(clock=clock)
    ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=30)
    clock.seconds += 60

    assert [Earlier("good", 90.0), None] == [
        earlier(ledger, a_verification()),
        earlier(ledger, a_verification("b")),
    ]


def test_a_question_that_nobody_expects_is_not_looked_up() -> None:
    """What it would be about is not known."""
    assert None is Ledger().earlier(IsGood("it"), an_inquiry())


def test_the_later_of_two_successes_counts() -> None:
    """Another replica may have verified since; this one may have as well."""
    kept = KeptInMemory()
    ages = []
    for mine, theirs in ((60.0, 30.0), (30.0, 60.0)):
        ledger = Ledger(kept, clock=lambda: NOW)
        ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=mine)
        kept.offer(Success(a_verification(), "ci", NOW - theirs))
        found = earlier(ledger, a_verification())
        ages.append(None if found is None else found.age_seconds)

    assert [30.0, 30.0] == ages


def test_a_success_of_the_future_has_no_age() -> None:
    """Clocks differ a little; how much is believed is for whoever keeps it to say."""
    kept = KeptInMemory()
    kept.offer(Success(a_verification(), "ci", NOW + 5))

    assert Earlier("good", 0.0) == earlier(Ledger(kept, clock=lambda: NOW), a_verification())


def test_a_success_is_kept_once_until_there_is_a_later_one() -> None:
    """What is told again from memory is the same, though clocks are set meanwhile."""
    kept, clock = KeptInMemory(), Clock()
    ledger = Ledger(kept, clock=clock)
    offered = []
    for seconds in (0.0, RENEWED_SECONDS, RENEWED_SECONDS + 1):
        clock.seconds = NOW + seconds
        ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=0)
        offered.append(kept.offered)

    assert [1, 1, 2] == offered


def test_what_there_was_no_room_for_is_offered_again() -> None:
    """A rollout of many images at once is kept with the next requests."""
    kept = KeptInMemory(is_full=True)
    ledger = Ledger(kept)
    told = []
    for kept.is_full in (True, False, False):
        told.append(ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=0))

    assert ([False, True, True], 2) == (told, kept.offered)


def test_what_is_refused_later_is_forgotten_and_withdrawn() -> None:
    """What was found out last counts."""
    kept = KeptInMemory()
    ledger = Ledger(kept)
    ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=0)
    ledger.refused(a_verification(), replace(an_inquiry(), dry_run=True))
    dry = dict(kept.successes)
    ledger.refused(a_verification(), an_inquiry())

    assert (1, {}, None) == (len(dry), kept.successes, earlier(ledger, a_verification()))


@pytest.mark.parametrize("dry_run", [False, True])
def test_attack_what_is_still_kept_does_not_outlive_its_refusal(*, dry_run: bool) -> None:
    """Removing it takes a while, and a dry run removes nothing; nobody goes by it meanwhile."""
    kept, clock = KeptThatStays(), Clock()
    kept.now = clock
    ledger = Ledger(kept, clock=clock)
    ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=0)
    clock.seconds += 60
    ledger.refused(a_verification(), replace(an_inquiry(), dry_run=dry_run))
    refused = earlier(ledger, a_verification())
    clock.seconds += 60
    ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=0)

    assert (None, Earlier("good", 0.0)) == (refused, earlier(ledger, a_verification()))


def test_attack_what_another_replica_has_refused_is_not_noted_again_from_memory() -> None:
    """A success that is remembered for hours would bring back what was taken back since."""
    kept, clock = KeptInMemory(), Clock()
    ledger = Ledger(kept, clock=clock)
    ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=0)
    kept.successes.clear()
    kept.taken_back[a_verification().key] = NOW + 60
    clock.seconds += 600
    told = ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=600)

    assert (True, {}, None) == (told, kept.successes, earlier(ledger, a_verification()))


def test_a_success_that_is_none_any_more_is_not_found() -> None:
    """It is kept for no longer either."""
    kept, clock = KeptInMemory(), Clock()
    ledger = Ledger(kept, clock=clock)
    kept.now = clock
    ledger.verified(a_verification(), an_inquiry(), authority="ci", age_seconds=10, good_seconds=60)
    found = []
    for seconds in (0.0, 59.0, 60.0):
        clock.seconds = NOW + seconds
        found.append(earlier(ledger, a_verification()) is not None)

    assert [True, True, False] == found
    assert [NOW + 60] == [each.ends for each in kept.successes.values()]


def test_the_one_that_was_noted_first_goes() -> None:
    """Whoever runs many images takes no more memory for it, and the oldest is worth the least."""
    ledger = Ledger(clock=lambda: NOW, limit=2)
    for name in ("a", "b", "a", "c"):
        ledger.verified(a_verification(name), an_inquiry(), authority="ci", age_seconds=0)

    assert [False, True, True] == [
        earlier(ledger, a_verification(name)) is not None for name in ("a", "b", "c")
    ]


def test_each_part_of_a_verification_shapes_its_key() -> None:
    """Nothing that could change a verdict is left out, and no part runs into the next."""
    subject = an_image("r.example.com/a")
    keys = {
        each.key
        for each in (
            a_verification(),
            a_verification("b"),
            a_verification(fingerprint="g"),
            a_verification(wanted="Both"),
            Verification(subject, 'f", "Index', ""),
        )
    }

    assert 5 == len(keys)
