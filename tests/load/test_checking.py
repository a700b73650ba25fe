"""What a load takes for a wrong answer."""

import pytest

from load.checking import Seen, problem_with
from load.generations import Asked, Question, as_pattern

ASKED = Asked(
    Question("both", "{}"),
    (
        '"load-%unique%" refused: policy "pinned-g%generation%"',
        '"load-%unique%" refused: policy "hosts-g%generation%"',
    ),
)
ALLOWED = Asked(Question("even", "{}"), ('"load-%unique%" allowed', '"load-%unique%" refused'))


def test_the_answer_of_a_whole_set_is_right() -> None:
    """And tells which set has judged."""
    seen = Seen()
    problem = problem_with(
        ASKED, '"load-00000007" refused: policy "hosts-g000003"', 7, seen, at_least=2
    )

    assert (None, Seen(3, {3})) == (problem, seen)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            '"load-00000007" refused: policy "hosts-g000003", policy "pinned-g000004"',
            "by the sets [3, 4]: ",
        ),
        ('"load-00000007" refused: policy "hosts-g000004"', "wrong: "),
        ('"load-00000008" refused: policy "hosts-g000003"', "wrong: "),
        ('"load-00000007" allowed', "wrong: "),
    ],
)
def test_any_other_answer_is_wrong(answer: str, problem: str) -> None:
    """Parts of two sets, the verdict of another set, of another review, and none at all."""
    seen = Seen()

    assert (problem + answer, Seen()) == (
        problem_with(ASKED, answer, 7, seen, at_least=0),
        seen,
    )


def test_a_set_that_is_over_judges_nothing_any_more() -> None:
    """Once a newer one has answered."""
    answer = '"load-00000007" refused: policy "hosts-g000003"'

    assert "by set 3, after set 4 had answered" == problem_with(
        ASKED, answer, 7, Seen(), at_least=4
    )


def test_an_answer_that_names_no_set_is_one_of_both() -> None:
    """Which of them it was cannot be told."""
    right, wrong = '"load-00000007" allowed', '"load-00000008" allowed'

    assert (None, f"wrong: {wrong}") == (
        problem_with(ALLOWED, right, 7, Seen(), at_least=3),
        problem_with(ALLOWED, wrong, 7, Seen(), at_least=3),
    )


def test_a_pattern_fits_any_request_and_set() -> None:
    """It keeps neither the number of the request nor that of the set."""
    pattern = as_pattern('"load-73519264" refused: policy "hosts-g000001"', 73519264, 1)

    assert ASKED.answers[1] == pattern
