"""Whom a certificate may name, and what of it cosign is told."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidIdentity
from landwaiter.identities import ANYBODY, Identity, Name

ANN, BOB = Name.exactly("ann@example.com"), Name.exactly("bob@example.com")
HERE, THERE = Name.exactly("https://here.example.com"), Name.exactly("https://there.example.com")
SOMEBODY = Name.matching(".*@example.com")


def test_a_text_stays_as_it_is() -> None:
    """A name that is given exactly is no expression, whatever characters it has."""
    assert Name("a.b*c", is_expression=False) == Name.exactly("a.b*c")


@pytest.mark.parametrize("name", ["eve@example.com.evil", "eve@example.com\n", "eve@example_com"])
def test_attack_an_expression_that_would_match_within_a_name_matches_it_whole(name: str) -> None:
    """An expression for a domain does not match what goes on behind it, on another line too."""
    anchored = Name.matching(r".*@example\.com")

    assert Name(r"^(?:.*@example\.com)$", is_expression=True) == anchored
    assert None is re.match(anchored.text.replace("$", r"\Z"), name)


@pytest.mark.parametrize(
    "expression",
    [
        "a|b",
        "(a)(b)",
        r"\(",
        r"[)]",
        "(?i)ann@example.com",
        r"\Qann@example.com\E",
        r"\pL+@example\.com",
        "https://github.com/org/.+/.github/workflows/release.yml@refs/tags/v[0-9.]+",
    ],
)
def test_an_expression_in_gos_syntax_is_anchored(expression: str) -> None:
    """Alternatives stay within the group that both ends are held of."""
    assert f"^(?:{expression})$" == Name.matching(expression).text


@pytest.mark.parametrize(
    "expression",
    [
        "ann)|(?:.*",
        "a)(b",
        "(",
        "[",
        r"ann\Q",
        r"ann\C",
        "(?=a)",
        r"(a)\1",
        "a**",
        "a{1001}",
        "(?x)a",
        "a\\",
    ],
)
def test_attack_an_expression_that_cosign_would_read_otherwise_is_refused(expression: str) -> None:
    """None ends the group that holds it, and none waits for the first Pod to be found wrong."""
    with pytest.raises(InvalidIdentity):
        Name.matching(expression)


@pytest.mark.parametrize("text", ["", "x" * 1025, "a\nb", "a\0b", "a\x1bb", "\udcff"])
@pytest.mark.parametrize("make", [Name.exactly, Name.matching])
def test_what_cannot_be_printed_names_nobody(text: str, make: type[Name]) -> None:
    """Nothing that would end an argument, or has no end, reaches a command line."""
    with pytest.raises(InvalidIdentity) as problem:
        make(text)

    assert f"{len(text)} characters are given; 1 to 1024 that can be printed are wanted" == str(
        problem.value
    )


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=r"ab|()[]\?*+.^$QEC:{}1,-", max_size=12))
def test_attack_no_expression_steps_out_of_its_anchors(expression: str) -> None:
    """Whatever is accepted, between the ends stands one group and nothing beside it."""
    try:
        name = Name.matching(expression)
    except InvalidIdentity:
        return

    assert f"^(?:{expression})$" == name.text


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Identity(HERE, ANN), Identity(HERE, ANN), False),
        (Identity(HERE, ANN), Identity(HERE, BOB), True),
        (Identity(HERE, ANN), Identity(THERE, ANN), True),
        (Identity(HERE, ANN), Identity(HERE, SOMEBODY), False),
        (Identity(HERE, SOMEBODY), Identity(THERE, SOMEBODY), True),
        (Identity(ANYBODY, ANN), Identity(HERE, ANN), False),
    ],
)
def test_identities_exclude_each_other_only_where_that_is_certain(
    one: Identity, other: Identity, expected: object
) -> None:
    """Two texts that differ name two; an expression may match the name of anybody."""
    assert (expected, expected) == (one.excludes(other), other.excludes(one))
