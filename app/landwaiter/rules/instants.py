"""
Times as admins write them, and the clock that they are compared with.

Source: RFC 3339, section 5.6: a date, a time, and the offset from UTC, which is never left out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from landwaiter.images.reference import quoted

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)

Clock = Callable[[], datetime]
"""Tells the time of day, with its offset."""


def utc_now() -> datetime:
    """Return the time of day, which knows its offset."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant, and how the admin wrote it."""

    text: str
    at: datetime = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the instant. Raises `ValueError`, which says what is wanted."""
        wanted = "a time of RFC 3339 is wanted, such as 2027-01-31T18:00:00Z"
        if not _RFC_3339.fullmatch(text):
            raise ValueError(f"{quoted(text)} given, {wanted}")
        try:
            return cls(text, datetime.fromisoformat(text.upper()))
        except ValueError as problem:
            raise ValueError(f"{quoted(text)} given, which is no time; {wanted}") from problem


def _instant(value: object) -> Instant:
    if isinstance(value, Instant):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a time is a string, not {type(value).__name__}")  # noqa: TRY004  # As pydantic wants it.
    return Instant.parse(value)


InstantField = Annotated[
    Instant,
    PlainValidator(_instant),
    PlainSerializer(lambda instant: instant.text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A model field that holds a time of RFC 3339 and is written as a string."""
