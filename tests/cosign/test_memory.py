import hashlib
import tracemalloc
from dataclasses import replace

import pytest

from cosign.fakes import a_digest, an_image
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.memory import (
    ENTRY_BYTES,
    FAULTS,
    REFUSALS,
    SUCCESSES,
    Asked,
    Bounds,
    Finding,
    Lifetimes,
    Memory,
)
from landwaiter.cosign.outcome import NotVerified, SignatureFormat, Verified
from landwaiter.errors import AccessDenied, ContentMalformed, RegistryUnavailable
from landwaiter.images.reference import ImageReference

ASKED = Asked(an_image(), authority="f1", credentials="c1")
VERIFIED = Verified(SignatureFormat.BUNDLE)
REFUSED = NotVerified("no signature", "it carries no cosign signature")
DENIED = Failure(AccessDenied, "401")
DOWN = Failure(RegistryUnavailable, "500")
LIFETIMES = Lifetimes(success_seconds=1000, refusal_seconds=100, fault_seconds=10)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("finding", "seconds"), [(VERIFIED, 1000), (REFUSED, 100), (DENIED, 100), (DOWN, 10)]
)
def test_semantics_21_each_kind_has_its_own_lifetime(finding: Finding, seconds: float) -> None:
    """Successes live long, refusals short, faults seconds."""
    clock = Clock()
    memory = Memory(LIFETIMES, clock=clock)
    memory.keep(ASKED, finding)
    clock.seconds = seconds - 1
    before = memory.recall(ASKED)
    clock.seconds = seconds + 1

    assert (finding, None) == (before, memory.recall(ASKED))


@pytest.mark.parametrize("finding", [VERIFIED, REFUSED, DOWN])
@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, authority="f2"),
        replace(ASKED, subject=replace(ASKED.subject, digest=a_digest("other"))),
        replace(ASKED, subject=an_image("registry.example.com/team/app2")),
        replace(ASKED, subject=replace(ASKED.subject, registry="evil.example.com")),
    ],
    ids=["authority", "digest", "repository", "registry"],
)
def test_semantics_21_another_question_has_another_answer(finding: Finding, other: Asked) -> None:
    """Nothing is known of another authority, digest or repository."""
    memory = Memory(LIFETIMES)
    memory.keep(ASKED, finding)

    assert None is memory.recall(other)


def test_semantics_21_a_success_holds_whoever_asks() -> None:
    """A signature is public, so it does not matter with which credentials it was read."""
    memory = Memory(LIFETIMES)
    memory.keep(ASKED, VERIFIED)

    assert VERIFIED == memory.recall(replace(ASKED, credentials="c2"))


@pytest.mark.parametrize("finding", [REFUSED, DENIED, DOWN])
def test_semantics_21_refusals_and_faults_belong_to_their_credentials(finding: Finding) -> None:
    """Who has other credentials may see what the first could not."""
    memory = Memory(LIFETIMES)
    memory.keep(ASKED, finding)

    assert None is memory.recall(replace(ASKED, credentials="c2"))


def test_the_registry_is_compared_without_case() -> None:
    """Two spellings of a host are one image."""
    memory = Memory(LIFETIMES)
    memory.keep(ASKED, VERIFIED)
    spelled = replace(ASKED.subject, registry="Registry.Example.COM")

    assert VERIFIED == memory.recall(replace(ASKED, subject=spelled))


def test_refusals_without_end_push_no_success_out() -> None:
    """Whoever can cause refusals cannot make verified images be verified again."""
    memory = Memory(LIFETIMES)
    memory.keep(ASKED, VERIFIED)
    for number in range(REFUSALS.entries + FAULTS.entries):
        other = replace(ASKED, authority=f"other {number}")
        memory.keep(other, REFUSED if number % 2 else DOWN)

    assert VERIFIED == memory.recall(ASKED)


@pytest.mark.parametrize(
    ("finding", "bounds"), [(VERIFIED, SUCCESSES), (REFUSED, REFUSALS), (DOWN, FAULTS)]
)
def test_semantics_21_the_number_of_entries_is_bounded(finding: Finding, bounds: Bounds) -> None:
    """Memory does not grow with the number of images that were ever seen."""
    memory = Memory(LIFETIMES)
    image = ImageReference("r.example.com", "app")
    asked = [Asked(image, str(number), "c") for number in range(bounds.entries + 10)]
    for each in asked:
        memory.keep(each, finding)

    assert [None, finding] == [memory.recall(each) for each in (asked[0], asked[-1])]


LONG = "a" * 255
"""As long as a repository, and longer than what a refusal quotes, may be."""


@pytest.mark.parametrize(
    ("finding", "bounds"),
    [
        (VERIFIED, SUCCESSES),
        (NotVerified("no signature", LONG * 8), REFUSALS),
        (Failure(AccessDenied, LONG * 8), REFUSALS),
        (Failure(RegistryUnavailable, LONG * 8), FAULTS),
    ],
)
def test_semantics_21_the_bytes_of_all_entries_are_bounded(
    finding: Finding, bounds: Bounds
) -> None:
    """Whoever chooses long names and causes long refusals takes no more room than others."""
    memory = Memory(LIFETIMES)
    image = ImageReference("r.example.com", LONG)
    asked = [Asked(image, str(number), LONG) for number in range(bounds.entries)]
    for each in asked:
        memory.keep(each, finding)
    texts = 2 * len(str(image)) + len(LONG)
    texts += 0 if finding is VERIFIED else 8 * len(LONG)

    known = sum(memory.recall(each) is not None for each in asked)
    assert bounds.total_bytes // (ENTRY_BYTES + texts) == known < bounds.entries


@pytest.mark.parametrize("length", [10, 240])
def test_an_entry_takes_no_more_than_is_said(length: int) -> None:
    """What the bounds count is what CPython takes, to a tenth, for short names and for long."""
    memory = Memory(LIFETIMES)
    count = 2_000

    def keep(number: int) -> Asked:
        image = an_image(f"registry.example.com/{'a' * length}{number:06d}")
        fingerprint = hashlib.sha256(str(number).encode()).hexdigest()
        asked = Asked(image, fingerprint[1:], fingerprint)
        memory.keep(asked, NotVerified("no signature", f"{number:0{length}d}"))
        return asked

    tracemalloc.start()
    try:
        for number in range(count):
            keep(number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    asked = keep(count)
    said = ENTRY_BYTES + 2 * len(str(asked.subject)) + len(asked.credentials) + length

    assert taken / count < 1.1 * max(said, REFUSALS.total_bytes // REFUSALS.entries)


def test_a_failure_is_raised_anew_for_everyone() -> None:
    """What is remembered is kind and message, not the frames of whoever asked first."""
    failure = Failure.of(ContentMalformed("too large"))
    first, second = failure.error(), failure.error()

    assert (ContentMalformed, "too large", True) == (type(first), str(first), first is not second)
