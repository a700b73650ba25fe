"""
What cosign printed, made fit to be shown to people; pure.

Its standard error carries text that whoever may push to a repository can choose, and names of
our private folder and endpoint. It is quoted as one short line of printable characters, with
our names put back into what they stand for and with everything that looks like a credential
removed. It is never read for a meaning.
"""

import json
import re
from collections.abc import Mapping

QUOTE_MAX_CHARACTERS = 200
"""Two lines of a terminal: a refusal of several images has to fit into 4 kB."""

QUOTE_SOURCE_BYTES = 4096
"""How much of the end is looked at: Go programs print the cause of their end last."""

_EVERY_END = "error during command execution: "
"""What the last line of each failure begins with; it takes room from what follows."""

_CREDENTIALS = (
    re.compile(r"(?i)\b(bearer|basic|negotiate)\s+[\w.~+/=-]{1,4096}"),
    re.compile(r"(?i)(//)[^/\s@]{1,1024}@"),
    re.compile(r"(?i)\b(password|passwd|secret|token|authorization|credential)s?\b\s*[=:]\s*\S+"),
)


def quoted(stderr: bytes, names: Mapping[str, str]) -> str:
    """
    Return `; cosign says: "..."` with the last line that was printed, empty for none.

    Each key of `names` is replaced by its value.
    """
    text = stderr[-QUOTE_SOURCE_BYTES:].decode(errors="replace")
    for ours, theirs in names.items():
        text = text.replace(ours, theirs)
    lines = [line for line in map(_printable, re.split(r"[\r\n]+", text)) if line]
    if not lines:
        return ""
    said = lines[-1].removeprefix(_EVERY_END)
    return f"; cosign says: {quoted_value(_without_credentials(said))}"


def quoted_value(text: str) -> str:
    """Return a value of unknown origin in quotes: printable, and of bounded length."""
    shown = _printable(text[: 4 * QUOTE_MAX_CHARACTERS])
    if len(shown) > QUOTE_MAX_CHARACTERS:
        shown = shown[: QUOTE_MAX_CHARACTERS - 1] + "…"
    return json.dumps(shown, ensure_ascii=False)


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _without_credentials(text: str) -> str:
    bearer, userinfo, assignment = _CREDENTIALS
    text = bearer.sub(r"\1 [removed]", text)
    text = userinfo.sub(r"\1[removed]@", text)
    return assignment.sub(r"\1: [removed]", text)
