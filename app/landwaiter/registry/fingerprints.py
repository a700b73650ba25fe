"""Names for logins that can be kept and compared, and mean nothing outside this process."""

import hashlib
import hmac
import json
import secrets
from typing import Final

_PROCESS_KEY: Final = secrets.token_bytes(32)


def fingerprint_of(*texts: str) -> str:
    """Return a text that cannot be turned back, equal for equal texts within this process."""
    return hmac.new(_PROCESS_KEY, json.dumps(texts).encode(), hashlib.sha256).hexdigest()
