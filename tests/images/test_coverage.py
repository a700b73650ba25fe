"""When one pattern covers another, and when two have nothing in common: proven, or not said."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidPattern, InvalidReference
from landwaiter.images.coverage import are_apart, covers, covers_tags
from landwaiter.images.glob import Glob
from landwaiter.images.patterns import ImagePattern, TagPattern
from landwaiter.images.reference import ImageReference

TEAM = "r.example.com/team"
DIGEST = "sha256:" + "a" * 64


def covered(wide: str, narrow: str) -> bool:
    return covers(ImagePattern.parse(wide), ImagePattern.parse(narrow))


def apart(one: str, other: str) -> bool:
    return are_apart(ImagePattern.parse(one), ImagePattern.parse(other))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("**", TEAM),
        ("**", "**"),
        (TEAM, TEAM),
        (TEAM, f"{TEAM}/app"),
        (TEAM, f"{TEAM}/*"),
        (TEAM, f"{TEAM}/**/base"),
        (TEAM, f"{TEAM}:1.*"),
        (TEAM, f"{TEAM}/app@{DIGEST}"),
        ("r.example.com", TEAM),
        ("r.example.com:443", TEAM),
        ("r.example.com", "r.example.com/*-base"),
        ("*.example.com", "r.example.com/team"),
        ("*.example.com", "r-*.example.com/team/*"),
        ("*.docker.io", "docker.io/library"),
        ("docker.io", "index.docker.io/library"),
        (f"{TEAM}/**", f"{TEAM}/*"),
        (f"{TEAM}/**", f"{TEAM}/app"),
        (f"{TEAM}/*", f"{TEAM}/*-base"),
        ("r.example.com/**/app", "r.example.com/a/**/app"),
        (f"{TEAM}:1.*", f"{TEAM}:1.2.*"),
        (f"{TEAM}@{DIGEST}", f"{TEAM}/app@{DIGEST}"),
    ],
)
def test_a_pattern_covers_another_one(wide: str, narrow: str) -> None:
    """The narrower one adds nothing to the wider one."""

    assert covered(wide, narrow)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (TEAM, "**"),
        (TEAM, "r.example.com"),
        (TEAM, "r.example.com/team-evil"),
        (TEAM, "r.example.com/team*"),
        (TEAM, "r.example.com:5000/team"),
        ("r.example.com", "*.example.com"),
        ("*.example.com", "a.b.example.com"),
        (f"{TEAM}/*", f"{TEAM}/**"),
        (f"{TEAM}/*", f"{TEAM}/app"),
        (f"{TEAM}:1.*", TEAM),
        (f"{TEAM}:1.*", f"{TEAM}@{DIGEST}"),
        (f"{TEAM}:1.*", f"{TEAM}:*"),
        (f"{TEAM}@{DIGEST}", f"{TEAM}@sha256:{'b' * 64}"),
    ],
)
def test_a_pattern_does_not_cover_another_one(wide: str, narrow: str) -> None:
    """There is an image that only the second one matches."""

    assert not covered(wide, narrow)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (TEAM, "other.example.com/team", True),
        (TEAM, "r.example.com:5000/team", True),
        (TEAM, "r.example.com/shop", True),
        (TEAM, "*.example.org", True),
        (f"{TEAM}/*", "r.example.com/shop/*", True),
        (TEAM, "**", False),
        (TEAM, "r.example.com", False),
        (TEAM, f"{TEAM}/app", False),
        (TEAM, "*.example.com/team", False),
        (TEAM, "r.example.com/*/app", False),
        ("*.example.com", "r-*.example.com", False),
    ],
)
def test_patterns_may_have_nothing_in_common(one: str, other: str, expected: bool) -> None:  # noqa: FBT001
    """Whichever is named first."""

    assert [expected, expected] == [apart(one, other), apart(other, one)]


def test_tags_are_compared_as_globs() -> None:
    """A list of floating tags is stricter when each tag of another one is in it."""
    wide, narrow = TagPattern.parse("*-snapshot"), TagPattern.parse("1.*-snapshot")

    assert (True, False) == (covers_tags(wide, narrow), covers_tags(narrow, wide))


LONG = ("a/**/b", "a/*/b", "**/a/**", "a/**/*", "*/**/b", "a**/b/*", "**/**/b", "*a*/**b")
GLOBS = [
    *(
        "".join(parts)
        for n in range(1, 4)
        for parts in itertools.product(("a", "b", "*", "/"), repeat=n)
    ),
    *LONG,
]
TEXTS = ["".join(parts) for n in range(6) for parts in itertools.product("ab/", repeat=n)]


def test_what_a_glob_covers_it_matches() -> None:
    """Nothing that the narrower glob matches is left out by the wider one: all short ones."""
    globs = [Glob(text, "/") for text in GLOBS]
    matched = [frozenset(text for text in TEXTS if glob.matches(text)) for glob in globs]
    claimed = [
        (one, other)
        for (one, by_one), (other, by_other) in itertools.product(
            zip(globs, matched, strict=True), repeat=2
        )
        if one.covers(other) and not by_other <= by_one
    ]

    assert [] == [(one.text, other.text) for one, other in claimed]


PIECES = st.lists(st.text("ab*", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
PATHS = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
HOSTS = st.sampled_from(["a.io", "b.a.io", "*.io", "*.a.io", "docker.io", "index.docker.io", "*"])
PATTERNS = st.builds("{}/{}{}".format, HOSTS, PIECES, st.sampled_from(["", ":*", ":a*", ":a"]))
NAMES = st.builds(
    "{}/{}{}".format,
    st.sampled_from(["a.io", "b.a.io", "docker.io"]),
    PATHS,
    st.sampled_from(["", ":a", ":ab", f"@{DIGEST}"]),
)


@settings(deadline=None, max_examples=1000)
@given(PATTERNS, PATTERNS, NAMES)
def test_what_is_said_of_patterns_holds_for_every_image(one: str, other: str, name: str) -> None:
    """Covered is matched, and apart is never both."""
    try:
        first, second = ImagePattern.parse(one), ImagePattern.parse(other)
        reference = ImageReference.parse(name)
    except (InvalidPattern, InvalidReference):
        return
    by_first, by_second = first.matches(reference), second.matches(reference)

    assert by_first or not (by_second and covers(first, second))
    assert not (by_first and by_second and are_apart(first, second))
