"""
The language as it is spoken here: the standard definitions, and the functions on strings.

These are the definitions of cel-spec and the extension `strings` of cel-go, which Kubernetes has
under the same names. The library checks types, runs at most 10,000 steps of comprehensions in one
evaluation, nests at most 32 deep, and matches regular expressions in linear time (cel-cpp 0.15,
runtime options; measured with cel-expr-python 0.1.3, ADR 11). What these bounds leave, time and
memory, is bounded by the process in which expressions are evaluated.

This module loads the library, 9 MiB: it is imported where expressions are, and not before.
"""

from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

BOOL = cel.Type.BOOL
DYN = cel.Type.DYN


@lru_cache(maxsize=64)
def environment_of(variables: tuple[str, ...]) -> Any:  # noqa: ANN401  # The library's type has no public name.
    """Return the environment in which these variables may be anything."""
    return cel.NewEnv(
        variables=dict.fromkeys(variables, DYN), extensions=[ext_strings.ExtStrings()]
    )
