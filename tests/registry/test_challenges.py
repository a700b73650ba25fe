"""What a registry asks for when it answers 401."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.registry.challenges import Challenge, parse_challenges, pull_scope
from registry.clients import BOUNDED

BEARER = Challenge("bearer", {"realm": "https://a.example/token", "service": "s"})
BASIC = Challenge("basic", {"realm": "x"})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ()),
        ([""], ()),
        ([" , ,"], ()),
        (["="], ()),
        (['Bearer realm="https://a.example/token",service="s"'], (BEARER,)),
        (['bearer  REALM = "https://a.example/token" , Service=s'], (BEARER,)),
        (["Basic realm=x"], (BASIC,)),
        (["Basic"], (Challenge("basic", {}),)),
        (["Negotiate, Basic realm=x"], (Challenge("negotiate", {}), BASIC)),
        (
            ['Bearer realm="https://a.example/token",service="s", Basic realm="x"'],
            (BEARER, BASIC),
        ),
        (
            ['Bearer realm="https://a.example/token",service="s"', "Basic realm=x"],
            (BEARER, BASIC),
        ),
        ([r'Basic realm="a\"b, c=\"d\\"'], (Challenge("basic", {"realm": 'a"b, c="d\\'}),)),
        (['Basic realm="first",realm="second"'], (Challenge("basic", {"realm": "first"}),)),
        (['Basic realm="open'], (Challenge("basic", {}),)),
        (["Negotiate YII=="], (Challenge("negotiate", {}),)),
    ],
)
def test_reads_challenges(headers: list[str], expected: tuple[Challenge, ...]) -> None:
    """All challenges of all headers come back in order, as far as they parse."""
    assert expected == parse_challenges(headers)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (None, "repository:team/app:pull"),
        ("", "repository:team/app:pull"),
        ("repository:team/app:pull", "repository:team/app:pull"),
        ("repository:team/app:pull,push,delete", "repository:team/app:pull"),
        ("repository:other/name:*", "repository:other/name:pull"),
        ("repository:a:push repository:b:push", "repository:a:pull repository:b:pull"),
        ("aws", "aws"),
    ],
)
def test_never_asks_for_more_than_pulling(scope: str | None, expected: str) -> None:
    """What a registry asks us to ask for is cut down to reading."""
    challenge = Challenge("bearer", {} if scope is None else {"scope": scope})

    assert expected == pull_scope(challenge, "team/app")


@settings(BOUNDED, max_examples=300)
@given(st.lists(st.text(alphabet='ab =",\\\t:;[]é', max_size=60), max_size=3))
def test_any_header_can_be_read(headers: list[str]) -> None:
    """Whatever a registry sends, schemes and parameter names come back in lower case."""
    names = [
        name
        for challenge in parse_challenges(headers)
        for name in (challenge.scheme, *challenge.parameters)
    ]

    assert [name.lower() for name in names] == names
