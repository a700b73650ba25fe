"""
The seal of a record: who may write the object is not enough to be believed.

The seal is an HMAC-SHA-256 over every field and its name, each with its length before it, so that
no two records have one encoding; a word of its own in front keeps it apart from whatever else may
ever be sealed by the key. A record that is copied to another name keeps its seal, and is found out
by its name, which belongs to its key. Seals are compared in constant time.

Source: RFC 2104; NIST SP 800-107 rev. 1, section 5.3 (the key is as long as the hash).
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from landwaiter.inventory.records import Record, VerifiedImageSpec, name_of, record_of

KEY_BYTES: Final = 32

FUTURE_SECONDS: Final = 60
"""How much later than now something may have been verified: clocks differ by seconds."""

_PURPOSE: Final = b"landwaiter.dev VerifiedImage v1"


class Disbelief(StrEnum):
    """Why an object is ignored."""

    MALFORMED = "malformed"
    """It does not have the fields, or not their forms."""
    FORGED = "forged"
    """Its seal is not by our key, or not over these fields."""
    REPLAYED = "replayed"
    """It was copied to another name."""
    FUTURE = "future"
    """It was verified later than now."""
    EXPIRED = "expired"
    """Its time is over."""


_TOLD: Final = {
    Disbelief.MALFORMED: "its fields are malformed",
    Disbelief.FORGED: "its seal is not by Landwaiter's key over these fields",
    Disbelief.REPLAYED: "it is a copy of an object of another name",
    Disbelief.FUTURE: "it says that it was verified later than now",
    Disbelief.EXPIRED: "its time is over",
}


@dataclass(frozen=True, slots=True)
class NotBelieved:
    """An object is ignored; `expired_seconds` is how long ago its time was over."""

    why: Disbelief
    expired_seconds: float = 0.0

    def __str__(self) -> str:
        return _TOLD[self.why]


@dataclass(frozen=True, slots=True)
class Seal:
    """The key that records are sealed by; no representation shows it."""

    key: bytes = field(repr=False)

    @classmethod
    def new(cls) -> "Seal":
        """Return one that nobody knows."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def of(self, record: Record) -> str:
        """Return the seal of a record, as 64 hexadecimal digits."""
        parts = [_PURPOSE]
        for name, value in sorted(record.fields().items()):
            parts += [name.encode(), value.encode()]
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.new(self.key, framed, hashlib.sha256).hexdigest()

    def opened(self, content: Mapping[str, Any], *, now: float) -> Record | NotBelieved:
        """Return the record that an object keeps, or why it is ignored."""
        try:
            spec = VerifiedImageSpec.model_validate(content.get("spec"))
            record = record_of(spec)
            # What would be written otherwise than it was read is not what was sealed.
            seal = self.of(record)
        except (ValidationError, ValueError, OverflowError):
            return NotBelieved(Disbelief.MALFORMED)
        if not hmac.compare_digest(seal, spec.hmac):
            return NotBelieved(Disbelief.FORGED)
        metadata = content.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if name != name_of(record.key):
            return NotBelieved(Disbelief.REPLAYED)
        if record.when > now + FUTURE_SECONDS:
            return NotBelieved(Disbelief.FUTURE)
        if record.until <= now:
            return NotBelieved(Disbelief.EXPIRED, now - record.until)
        return record
