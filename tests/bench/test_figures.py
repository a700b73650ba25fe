"""What is said of rounds is what they say."""

import pytest

from bench.figures import Figure, at_least, at_most, differs, in_turns, median_range


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ((3.0,), (3.0, 3.0)),
        ((1.0, 2.0, 3.0, 4.0, 5.0), (1.0, 5.0)),
        ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (1.0, 6.0)),
        (tuple(map(float, range(1, 10))), (2.0, 8.0)),
        (tuple(map(float, range(1, 16))), (4.0, 12.0)),
    ],
    ids=["one", "five", "six", "nine", "fifteen"],
)
def test_the_range_holds_the_median_with_95_percent(
    rounds: tuple[float, ...], expected: tuple[float, float]
) -> None:
    """The places are those of a table of the binomial distribution."""

    assert expected == median_range(rounds)


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round in which the machine was slow is slow for both sides."""
    figure = Figure("case", "name", "ms", (2.0, 20.0, 3.0), (1.0, 10.0, 1.0), at_most(2.5))

    assert ((2.0, 2.0, 3.0), 2.0, True) == (figure.rounds, figure.value, figure.is_met)


def test_a_target_can_be_missed() -> None:
    """Else the table would say nothing."""
    figure = Figure("case", "name", "1/s", (0.9,), (), at_least(1.0))

    assert (False, "at least 1") == (figure.is_met, str(figure.target))


def test_sides_take_turns_and_turns_at_going_first() -> None:
    """What one side leaves behind is met by the other in half of the rounds only."""
    order: list[str] = []

    def side(name: str) -> str:
        order.append(name)
        return name

    found = in_turns(3, lambda: side("ours"), lambda: side("theirs"))

    assert (["ours"] * 3, ["theirs"] * 3) == found
    assert ["ours", "theirs", "theirs", "ours", "ours", "theirs"] == order


@pytest.mark.parametrize(
    ("now", "expected"), [(20.0, True), (11.0, False)], ids=["beyond noise", "within noise"]
)
def test_what_differs_has_no_range_in_common(now: float, expected: bool) -> None:  # noqa: FBT001
    """A difference that the spread of the rounds explains is none."""
    before = Figure("case", "name", "ms", tuple(10.0 + number / 4 for number in range(9)))
    after = Figure("case", "name", "ms", tuple(now + number / 4 for number in range(9)))

    assert expected == differs(before, after)


def test_a_figure_survives_its_file() -> None:
    """A later run is compared with what this one has found."""
    figure = Figure("case", "name", "ms", (2.0, 3.0), (1.0, 1.0), at_most(2.5), "a note")

    assert figure == Figure.of_json(figure.to_json())
