"""Globs: what the stars cover, and how long that takes."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.images.glob import Glob


@pytest.mark.parametrize(
    ("glob", "text", "covered"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "a", True),
        ("a*", "abc", True),
        ("a*", "ab/c", False),
        ("*a", "ba", True),
        ("*", "", True),
        ("*/*", "a/b", True),
        ("*/*", "a/b/c", False),
        ("**", "a/b/c", True),
        ("a**", "ab/c", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**/c", "a/bc", False),
        ("**/c", "c", True),
        ("**/c", "a/b/c", True),
        ("**/c", "abc", False),
        ("**/**/c", "a/c", True),
        ("**/*/c", "c", False),
        ("**/*/c", "a/c", True),
        ("a**/c", "ab/b/c", True),
        ("***", "a/b", True),
        ("a.c", "abc", False),
        ("a+", "aa", False),
    ],
)
def test_stars_stay_within_a_part_unless_doubled(glob: str, text: str, covered: bool) -> None:  # noqa: FBT001
    """`*` is anything in a part, `**` anything, `**/` any number of whole parts."""
    assert covered == Glob(glob, "/").matches(text)


def as_expression(glob: str) -> str:
    pieces = re.findall(r"(?<![^/])\*\*+/|\*+|[^*]", glob)
    stars = {"*": "[^/]*"}
    return "".join(
        "(?:[^/]+/)*"
        if piece.startswith("**") and piece.endswith("/")
        else stars.get(piece, ".*" if piece.startswith("*") else re.escape(piece))
        for piece in pieces
    )


PARTS = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
GLOBS = st.lists(st.text("ab*", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@settings(deadline=None, max_examples=500)
@given(GLOBS, PARTS)
def test_a_glob_means_what_the_plain_expression_means(glob: str, text: str) -> None:
    """The engine agrees with the slow regular expression of the same meaning."""
    expected = re.fullmatch(as_expression(glob), text) is not None

    assert expected == Glob(glob, "/").matches(text)


@pytest.mark.parametrize(
    "glob", ["*a" * 500 + "b", "**a" * 340 + "b", "a*/" * 340 + "b", "*" * 1024 + "b"]
)
def test_no_glob_backtracks(glob: str) -> None:
    """The worst globs take a fraction of a second over the longest text there is."""
    pattern = Glob(glob, "/")
    text = "a" * 255
    began = time.process_time()
    covered = pattern.matches(text)

    assert (False, True) == (covered, time.process_time() - began < 0.1)
