"""Text that people did not write themselves, on its way to a terminal."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.admission.text import COLUMNS, cut, visible, wrapped


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ("nginx:1.27", "nginx:1.27"),
        ("größe ✗", "größe ✗"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("right\u202eleft", "right\\u202eleft"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028end", "line\\u2028end"),
        ("\x00", "\\x00"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_does_not_print_is_shown_as_an_escape(seen: str, shown: str) -> None:
    """Text cannot move the cursor, change colours, reorder itself or hide in a message."""

    assert shown == visible(seen)


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=200)
def test_visible_text_always_prints(text: str) -> None:
    """Whatever goes in, what comes out is printable and can be encoded."""
    shown = visible(text)

    assert (True, shown) == (shown.isprintable(), shown.encode().decode())


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "abc…"), ("äöü", 4, "äö…"), ("äöü", 3, "ä…"), ("", 0, "")],
)
def test_cutting_counts_bytes_and_breaks_no_character(text: str, limit: int, expected: str) -> None:
    """The limit is in bytes of UTF-8, and half a character is not shown."""

    assert expected == cut(text, limit)


def test_wrapping_hangs_and_breaks_at_spaces_only() -> None:
    """A long paragraph hangs below its first line; a long reference stays whole."""
    reference = "registry.example.com/" + "a" * 90
    text = f"{'word ' * 20}{reference} end"

    assert [
        "- " + " ".join(["word"] * 19),
        "  word",
        f"  {reference}",
        "  end",
    ] == list(wrapped(text, first="- ", rest="  "))


def test_a_command_is_kept_in_one_line() -> None:
    """What is quoted with backticks can be copied and run, also when it is wider than a line."""
    command = "kubectl create secret docker-registry name " + "--flag=value " * 6 + "end"
    text = f"run `{command}` and `kubectl get pods` after it"

    assert ["  run", f"    {command}", "    and `kubectl get pods` after it"] == list(
        wrapped(text, first="  ", rest="    ")
    )


@given(st.lists(st.text("ab`", min_size=1, max_size=130), min_size=1, max_size=30))
@settings(deadline=None, max_examples=200)
def test_wrapped_lines_are_short_unless_one_word_is_long(words: list[str]) -> None:
    """Only a line that holds a single unit may be wider than the terminal."""
    lines = list(wrapped(" ".join(words), first="> ", rest="  "))

    assert [] == [
        line for line in lines if len(line) > COLUMNS and " " in line[2:] and "`" not in line
    ]
