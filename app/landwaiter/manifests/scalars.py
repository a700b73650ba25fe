"""
What a plain scalar of YAML means to `kubectl apply`.

Source: sigs.k8s.io/yaml 1.6, which reads YAML 1.1 as go-yaml v2 does (resolve.go): `no`, `on`
and `y` are booleans, `0755` is octal, `1_000` is a number, `1:30` and dates are text.
"""

import math
import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_INTEGER = re.compile(
    r"(?P<sign>[-+]?)"
    r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)"
    r"|0[oO]?(?P<octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_NUMBER_MAX_CHARACTERS = 64
"""An integer of 64 bits has no more in any base; a longer one is a float, or text."""

_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE"), True),
    **dict.fromkeys(("on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE"), False),
    **dict.fromkeys(("off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}


def meaning_of(text: str) -> Scalar:
    """Return what a plain scalar means. Raises `ValueError` for numbers that JSON lacks."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_JSON.fullmatch(text):
        raise ValueError(f"{text} given, a number that JSON has is wanted")
    digits = text if text.startswith(".") else text.replace("_", "")
    if (integer := _integer(digits)) is not None:
        return integer
    if _FLOAT.fullmatch(digits) and math.isfinite(number := float(digits)):
        return number
    return text


def _integer(digits: str) -> int | None:
    if len(digits) > _NUMBER_MAX_CHARACTERS + len("-0b"):
        return None
    if (match := _INTEGER.fullmatch(digits)) is None:
        return None
    value = next(int(match[name], base) for name, base in _BASES.items() if match[name])
    if match["sign"] == "-":
        value = -value
    return value if -(2**63) <= value < 2**64 else None
