"""The misdeeds of a registry, and of its token service, while somebody logs in."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from registry.hostile_answers import Misdeed, Truth, once, redirect, status
from registry.misdeeds import Row

COLUMNS: Final[Mapping[str, str]] = {
    "read": "a manifest, a blob or a list of a private image is read",
    "trial": "`checkAccess` tries a pull of it",
}

_METADATA: Final = "http://169.254.169.254/token"


def _challenge(*lines: Callable[[Truth], str]) -> Misdeed:
    """Return the misdeed of a 401 with these challenges."""
    return once(
        lambda truth: truth.answer(
            b"",
            *(f"WWW-Authenticate: {line(truth)}" for line in lines),
            status="401 Unauthorized",
        )
    )


def _bearer(realm: Callable[[Truth], str]) -> Callable[[Truth], str]:
    return lambda truth: f'Bearer realm="{realm(truth)}",service="fake"'


def _own(truth: Truth) -> str:
    return f"{truth.registry}/token"


def _strangers(truth: Truth) -> str:
    return f"{truth.stranger}/token"


def _token(**changes: object) -> Misdeed:
    """Return the misdeed of a token's answer with other members."""
    return once(
        lambda truth: truth.answer(json.dumps({**json.loads(truth.body), **changes}).encode())
    )


CHALLENGES: Final[Mapping[str, Row]] = {
    "no challenge": Row("a 401 that names no way to log in", _challenge(), "RU"),
    "unknown scheme": Row(
        "a 401 that wants Negotiate", _challenge(lambda _: "Negotiate YIIBhgYGKwYBBQ"), "RU"
    ),
    "no realm": Row("a token service without address", _challenge(lambda _: "Bearer"), "UU"),
    "realm with a password": Row(
        "a token service whose address has a password",
        _challenge(_bearer(lambda truth: _own(truth).replace("//", "//ann:pw@"))),
        "UU",
    ),
    "realm is a file": Row(
        "`file:///etc/passwd` for a token service",
        _challenge(_bearer(lambda _: "file:///etc/passwd")),
        "UU",
    ),
    "realm elsewhere": Row(
        "a token service on another host, which is not known for the registry",
        _challenge(_bearer(_strangers)),
        "RU",
    ),
    "realm is the metadata": Row(
        "a cloud's metadata service for a token service",
        _challenge(_bearer(lambda _: _METADATA)),
        "UU",
    ),
    "two realms": Row(
        "two challenges, the first with a token service on another host",
        _challenge(_bearer(_strangers), _bearer(_own)),
        "RU",
    ),
    "two realms in one": Row(
        "two addresses in one challenge, the second on another host",
        _challenge(lambda truth: f'{_bearer(_own)(truth)},realm="{_strangers(truth)}"'),
        "AA",
    ),
    "endless challenge": Row(
        "a challenge of a megabyte", _challenge(lambda _: f'Bearer realm="{"x" * 10**6}"'), "UU"
    ),
    "a thousand challenges": Row(
        "a thousand challenges of unknown schemes, and then a good one",
        _challenge(*[lambda _: "X-Unknown a=b"] * 1000, _bearer(_own)),
        "UU",
    ),
    "a hundred challenges": Row(
        "a hundred challenges of unknown schemes in one header, and then a good one",
        _challenge(lambda truth: "X-Unknown a=b, " * 100 + _bearer(_own)(truth)),
        "AA",
    ),
    "more than pulling": Row(
        "a challenge that wants a token for pushing and for all repositories",
        _challenge(lambda truth: f'{_bearer(_own)(truth)},scope="repository:team/app:pull,push,*"'),
        "AA",
    ),
    "403": Row("a 403 to everybody", status("403 Forbidden"), "RR"),
}
"""What comes instead of an honest 401."""

TOKENS: Final[Mapping[str, Row]] = {
    "token of megabytes": Row("a token of four megabytes", _token(token="x" * 4 * 10**6), "UU"),
    "token too long": Row("a token of 20 kB, for a header", _token(token="x" * 20_000), "UU"),
    "line break": Row(
        "a token with a line break and another header", _token(token="a\r\nX-Evil: b"), "UU"
    ),
    "not ASCII": Row("a token with an umlaut", _token(token="tökén"), "UU"),
    "a number": Row("a number for a token", _token(token=7), "UU"),
    "no token": Row("no token", _token(token=None), "UU"),
    "endless life": Row("a token that lives for ever", _token(expires_in=10**400), "AA"),
    "no life": Row("a token that lived before", _token(expires_in=-1), "AA"),
    "life is a text": Row("a token that lives `tomorrow`", _token(expires_in="tomorrow"), "AA"),
    "of somebody else": Row(
        "a token that the registry does not accept", _token(token="other"), "RR"
    ),
    "redirect": Row("a redirect to another token service", redirect(_strangers), "UU"),
    "to the metadata": Row(
        "a redirect to a cloud's metadata service", redirect(lambda _: _METADATA), "UU"
    ),
    "401": Row("a 401 to a good password", status("401 Unauthorized"), "RR"),
    "403": Row("a 403 to a good password", status("403 Forbidden"), "RR"),
    "404": Row("no such token service", status("404 Not Found"), "RU"),
    "500": Row("a fault", status("500 Internal Server Error"), "UU"),
    "429": Row(
        "too many requests", status("429 Too Many Requests", "Retry-After: 999999999"), "UU"
    ),
}
"""What the token service answers."""
