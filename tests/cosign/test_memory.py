from dataclasses import replace

import pytest

from cosign.fakes import a_digest, an_image
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.memory import (
    FAULTS_MAX,
    REFUSALS_MAX,
    SUCCESSES_MAX,
    Asked,
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
    for number in range(REFUSALS_MAX + FAULTS_MAX):
        other = replace(ASKED, authority=f"other {number}")
        memory.keep(other, REFUSED if number % 2 else DOWN)

    assert VERIFIED == memory.recall(ASKED)


def test_the_number_of_entries_is_bounded() -> None:
    """Memory does not grow with the number of images that were ever seen."""
    memory = Memory(LIFETIMES)
    image = ImageReference("r.example.com", "app")
    for number in range(SUCCESSES_MAX + 10):
        memory.keep(Asked(image, str(number), "c"), VERIFIED)

    assert [None, VERIFIED] == [
        memory.recall(Asked(image, str(number), "c")) for number in (0, SUCCESSES_MAX + 9)
    ]


def test_a_failure_is_raised_anew_for_everyone() -> None:
    """What is remembered is kind and message, not the frames of whoever asked first."""
    failure = Failure.of(ContentMalformed("too large"))
    first, second = failure.error(), failure.error()

    assert (ContentMalformed, "too large", True) == (type(first), str(first), first is not second)
