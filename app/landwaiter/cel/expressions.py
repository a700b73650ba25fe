"""
Expressions as they stand in documents: compiled and type-checked when they are loaded.

An expression that compiles may still fail when it is evaluated, for a member that is not there or
a value of another type. That is an answer of its own, see `evaluation`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from landwaiter.cel.names import Members, paths_in, unknown_member
from landwaiter.errors import InvalidExpression

EXPRESSION_MAX_CHARACTERS: Final = 2048
"""Room for a dozen conditions; compiling so much takes a few milliseconds."""

_SAID_MAX_CHARACTERS: Final = 200
_SAID: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_CONTAINER: Final = re.compile(r" \(in container '[^']*'\)$")


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that compiles, and the variables that it may read."""

    text: str
    variables: tuple[str, ...]

    def names(self, variable: str) -> bool:
        """Whether a variable is named anywhere in the text."""
        return any(path[0] == variable for path in paths_in(self.text))


def compile_expression(text: str, known: Mapping[str, Members | None]) -> Expression:
    """
    Return an expression that gives true or false.

    `known` are the variables with their members, None for those that may have any. Raises
    `InvalidExpression`, which says where, what is seen and what is wanted.
    """
    if len(text) > EXPRESSION_MAX_CHARACTERS:
        raise InvalidExpression(
            f"{len(text)} characters given, at most {EXPRESSION_MAX_CHARACTERS} wanted"
        )
    # The library takes 9 MiB, which installs without expressions need not hold.
    from landwaiter.cel.environment import BOOL, DYN, environment_of  # noqa: PLC0415

    variables = tuple(known)
    try:
        compiled = environment_of(variables).compile(text)
    except (RuntimeError, ValueError) as problem:
        raise InvalidExpression(_said(str(problem))) from problem
    if (kind := compiled.return_type()) not in (BOOL, DYN):
        raise InvalidExpression(f"an expression of type {kind.name()} given, BOOL is wanted")
    limited = {name: members for name, members in known.items() if members is not None}
    for path in paths_in(text):
        if (problem_text := unknown_member(path, limited)) is not None:
            raise InvalidExpression(problem_text)
    return Expression(text, variables)


def _said(message: str) -> str:
    """Return what the library says, in one line, with where it says it."""
    if (found := _SAID.search(message)) is None:
        return f"no expression of CEL given, one is wanted: {message:.{_SAID_MAX_CHARACTERS}}"
    line, column, text = found.groups()
    text = _CONTAINER.sub("", text.strip().removesuffix("[INVALID_ARGUMENT]").strip())
    place = f"line {line}, column {column}: " if int(line) > 0 else ""
    return f"{place}{text:.{_SAID_MAX_CHARACTERS}}; an expression of CEL is wanted"
