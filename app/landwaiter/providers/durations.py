"""
Durations as Kubernetes writes them: `12h`, `1h30m`, `0s`.

Source: `ParseDuration` in time/format.go of Go 1.26.8, which reads the `metav1.Duration` fields of
a `CredentialProviderConfig` and of what a provider answers.
"""

import re
from typing import Final

_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "\N{MICRO SIGN}s": 1e-6,
    "\N{GREEK SMALL LETTER MU}s": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PART: Final = re.compile(rf"({_NUMBER})({'|'.join(_UNITS)})")
_WHOLE: Final = re.compile(rf"([+-]?)((?:{_NUMBER}(?:{'|'.join(_UNITS)}))+|0)")
_MOST_CHARACTERS: Final = 64
_MOST_SECONDS: Final = 2**63 / 1e9
"""Go counts nanoseconds in 64 bits."""


def seconds_of(text: str) -> float:
    """Return how many seconds a duration has. Raises `ValueError`, saying what is wanted."""
    whole = _WHOLE.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    parts = [] if whole is None else _PART.findall(whole[2])
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if whole is None or seconds >= _MOST_SECONDS:
        raise ValueError('a duration is wanted, such as "12h" or "90s"')
    return -seconds if whole[1] == "-" else seconds
