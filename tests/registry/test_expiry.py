"""When a password that is a token stops being good."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.registry.expiry import TOKEN_MAX_CHARACTERS, expiry_of
from registry.clients import BOUNDED

END = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def a_token(claims: object) -> str:
    return f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.c2lnbmF0dXJl"


@pytest.mark.parametrize("seconds", [END.timestamp(), int(END.timestamp())])
def test_a_token_says_when_it_ends(seconds: float) -> None:
    """The claim `exp` is in seconds since 1970, whole or not."""
    assert END == expiry_of(a_token({"exp": seconds}))


@pytest.mark.parametrize(
    "password",
    [
        "",
        "pw",
        "eyJ.eyJ.",
        "eyJhbGciOiJSUzI1NiJ9.e.s",
        f"{encoded({'alg': 'RS256'})}.{encoded({'exp': 1})}",
        f"{encoded([])}.{encoded({'exp': 1})}.s",
        a_token({}),
        a_token([1]),
        a_token({"exp": True}),
        a_token({"exp": "1764072000"}),
        a_token({"exp": -1}),
        a_token({"exp": 253_402_300_800}),
        a_token({"exp": float("inf")}),
        a_token({"exp": float("nan")}),
        a_token({"exp": 1, "pad": "x" * TOKEN_MAX_CHARACTERS}),
    ],
)
def test_any_other_password_does_not_say(password: str) -> None:
    """What is no token, or promises no end that could be a date, is taken as a plain password."""
    assert expiry_of(password) is None


@settings(BOUNDED, max_examples=200)
@given(st.text(alphabet="eyJ.-_=aZ09", max_size=60))
def test_any_text_may_be_a_password(text: str) -> None:
    """Whatever it is, it is read or passed over."""
    assert expiry_of(f"eyJ{text}") is None
