"""
When a password that is a token stops being good, where it says so itself.

Some registries take JSON Web Tokens as passwords, such as Azure's refresh tokens. The claim `exp`
is read and nothing is verified: a token ends then at the latest.

Source: RFC 7519 (4.1.4), RFC 7515 (3.1).
"""

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import Final

TOKEN_MAX_CHARACTERS: Final = 16_384
"""Above it no registry would take the token in a header."""

_JWT: Final = re.compile(r"eyJ[\w-]*\.(?P<claims>[\w-]+)\.[\w-]*", re.ASCII)
"""The first part of a token is a JSON object, whose first two characters are always these."""

_QUANTUM: Final = 4
_INSTANTS: Final = range(253_402_300_800)
"""What a `datetime` can hold: seconds until the year 10000."""


def expiry_of(password: str) -> datetime | None:
    """Return when a password ends by its own word, in UTC; None where it does not say."""
    if len(password) > TOKEN_MAX_CHARACTERS or not (token := _JWT.fullmatch(password)):
        return None
    claims = token["claims"]
    try:
        padded = claims + "=" * (-len(claims) % _QUANTUM)
        document: object = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, RecursionError):
        return None
    seconds = document.get("exp") if isinstance(document, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not _INSTANTS.start <= seconds < _INSTANTS.stop:  # Also where it is not a number at all.
        return None
    return datetime.fromtimestamp(seconds, UTC)
