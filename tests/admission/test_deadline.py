"""How `?timeout=` becomes the instant by which an answer is due."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.admission.deadline import answer_by, seconds_of
from landwaiter.deadline import Deadline
from landwaiter.errors import InvalidReview

ARRIVAL = 1000.0


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("1h1m1s1ms1us1µs1μs1ns", 3661.001003001),
        ("0", 0.0),
        ("0s", 0.0),
    ],
)
def test_go_durations_are_understood(duration: str, seconds: float) -> None:
    """Whatever Go's time.Duration prints or parses is a duration here."""

    assert pytest.approx(seconds, abs=1e-12) == seconds_of(duration)


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "10",
        "s",
        "10 s",
        "-10s",
        "+10s",
        "10S",
        "1e3s",
        "10s junk",
        "\u0661s",
        ".s",
        "1d",
        "9" * 40 + "s",
    ],
)
def test_junk_is_refused(junk: str) -> None:
    """What Go would not parse, and negative or endless durations, is named and refused."""
    with pytest.raises(InvalidReview) as refusal:
        seconds_of(junk)

    assert f"?timeout={junk[:32]!a}: wanted one Go duration, such as 10s" == str(refusal.value)


@given(st.text("0123456789.smhnuµ -+e", max_size=40))
@settings(deadline=None, max_examples=300)
def test_no_duration_does_anything_but_parse_or_be_refused(text: str) -> None:
    """The parser raises nothing but its own error, and returns no negative time."""
    try:
        seconds = seconds_of(text)
    except InvalidReview:
        return

    assert seconds >= 0.0


@pytest.mark.parametrize(
    ("timeouts", "seconds"),
    [
        ([], 9.0),
        (["10s"], 9.0),
        (["30s"], 29.0),
        (["2s"], 1.0),
        (["10h"], 29.0),
        (["1s"], 0.5),
        (["500ms"], 0.5),
        (["0s"], 0.5),
    ],
)
def test_semantics_15_the_answer_is_due_a_second_before_the_timeout(
    timeouts: list[str], seconds: float
) -> None:
    """The API server rounds up, so a second is kept back, but never more than half the time."""

    assert Deadline(ARRIVAL + seconds) == answer_by(ARRIVAL, timeouts)


def test_two_timeouts_are_refused() -> None:
    """Nobody could say which of them counts."""
    with pytest.raises(InvalidReview) as refusal:
        answer_by(ARRIVAL, ["10s", "20s"])

    assert "?timeout= is given 2 times, wanted once" == str(refusal.value)
