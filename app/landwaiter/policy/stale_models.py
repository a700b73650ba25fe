"""
How long what was verified before admits what cannot be found out now: `staleIfUndecided`.

Written as Go and Kubernetes write a duration, in whole hours or minutes: `24h`, `90m`.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from landwaiter.images.reference import quoted
from landwaiter.rules.attestations import Attestations
from landwaiter.rules.cosign_signatures import CosignSignatures
from landwaiter.rules.settings import in_cel

STALE_MAX_HOURS: Final = 720
"""Thirty days: whoever stops a registry gains that much time, and an outage takes less."""

VERIFYING: Final = frozenset(map(str, (Attestations.id, CosignSignatures.id)))
"""The rules that something verified before can stand in for."""

_FORM: Final = "^[1-9][0-9]{0,4}[hm]$"
_UNIT_SECONDS: Final = {"h": 3600, "m": 60}
_WANTED: Final = f"hours or minutes are wanted, such as 24h, at most {STALE_MAX_HOURS}h"


def seconds_of(text: str) -> int:
    """Return a duration in seconds. Raises `ValueError`, which says what is wanted."""
    if not re.fullmatch(_FORM, text, re.ASCII):
        raise ValueError(f"{quoted(text)} given, {_WANTED}")
    seconds = int(text[:-1]) * _UNIT_SECONDS[text[-1]]
    if seconds > STALE_MAX_HOURS * 3600:
        raise ValueError(f"{quoted(text)} given, {_WANTED}")
    return seconds


def _stale_time(text: str) -> str:
    seconds_of(text)
    return text


StaleField = Annotated[
    str,
    AfterValidator(_stale_time),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _FORM,
            "maxLength": 6,
            **in_cel((f"duration(self) <= duration('{STALE_MAX_HOURS}h')", _WANTED)),
        }
    ),
]
"""A model field that holds such a duration, as it was written."""
