"""
Which members of a variable an expression names, read from its text.

The type checker takes a variable that may be anything for one that has every member, and a
misspelt one would be an error of each evaluation. What is written as `variable.member` is found
here; what is computed, such as `variable["mem" + "ber"]`, is not.
Source: cel-spec, doc/langdef.md, "Syntax" (read 2026-11-25).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

Members: TypeAlias = Mapping[str, "Members | None"]
"""The members that a value has, each with its own; None where these may be anything."""

_TOKENS: Final = re.compile(
    r"""
      (?P<text> [bB]?[rR][bB]? (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*' )
              | [bB]? (?: \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
                        | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
    | (?P<comment> //[^\n]* )
    | (?P<name> [_a-zA-Z][_a-zA-Z0-9]* )
    | (?P<number> [0-9][0-9a-zA-Z.]* )
    | (?P<space> \s+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


def paths_in(expression: str) -> Iterator[tuple[str, ...]]:
    """Give each variable with the members that are written behind it: `("request", "name")`."""
    path: list[str] = []
    is_member = False
    for token in _TOKENS.finditer(expression):
        kind, text = token.lastgroup, token[0]
        if kind in {"space", "comment"}:
            continue
        if kind == "name" and is_member:
            path.append(text)
            is_member = False
        elif text == "." and path and not is_member:
            is_member = True
        else:
            if path and path[0]:
                yield tuple(path)
            # A member of something else than a variable, such as f(x).name, is none of ours.
            path = [text] if kind == "name" and not is_member else [""] if text in ")]}" else []
            is_member = False
    if path and path[0]:
        yield tuple(path)


def unknown_member(path: tuple[str, ...], known: Mapping[str, Members]) -> str | None:
    """Return the text of the first member that there is not, with the ones that there are."""
    members: Members | None = known.get(path[0])
    for position, name in enumerate(path[1:], start=1):
        if members is None:
            return None
        if name not in members:
            where = ".".join(path[:position])
            return f"{where}.{name} given, of {where} there are {', '.join(members)}"
        members = members[name]
    return None
