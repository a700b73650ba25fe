"""
What a registry asks for when it answers 401.

Reads `WWW-Authenticate` as RFC 9110 (11.6.1) writes it: one header or several, one challenge or
several in each, parameters as tokens or quoted strings, scheme and parameter names in any case.
What does not parse is passed over: without a challenge that we understand there is no access.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))')
_SCHEME: Final = re.compile(rf"({_WORD})(?:[ \t]+|(?=,)|$)")
_SEPARATOR: Final = re.compile(r"[ \t,]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme in lower case, the parameters by name in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all `WWW-Authenticate` headers, in order, as far as they parse."""
    return tuple(challenge for header in headers for challenge in _challenges_in(header))


def pull_scope(challenge: Challenge, repository: str) -> str:
    """
    Return the scope to ask a token for: what the registry named, but never more than pulling.

    Where the registry named no scope it is that of the repository.
    """
    named = challenge.parameters.get("scope", "").split()
    return " ".join(map(_only_pulling, named)) or f"repository:{repository}:pull"


def _only_pulling(scope: str) -> str:
    resource, colon, _ = scope.rpartition(":")
    return f"{resource}:pull" if colon and resource.startswith("repository:") else scope


def _challenges_in(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = _skip(header, 0)
    while scheme := _SCHEME.match(header, position):
        parameters: dict[str, str] = {}
        position = _skip(header, scheme.end())
        while parameter := _PARAMETER.match(header, position):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(name.lower(), value)
            position = _skip(header, parameter.end())
        found.append(Challenge(scheme[1].lower(), parameters))
    return found


def _skip(header: str, position: int) -> int:
    separator = _SEPARATOR.match(header, position)
    return separator.end() if separator else position
