"""
Text for terminals: nothing invisible, nothing endless, lines that fit.

What is quoted to people was written by whoever may create a Pod or push an image. Characters that
move the cursor, change colours, reorder text or take no room are shown as escapes, so that a
message cannot be made to say something else than it does.
"""

import re
from collections.abc import Iterator
from typing import Final

COLUMNS: Final = 100
"""The width of the terminal that messages are written for."""

_UNIT: Final = re.compile(r"(?:`[^`]*`|\S)+")


def visible(text: str) -> str:
    """Return the text with every character that does not print, besides the space, escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def cut(text: str, limit_bytes: int) -> str:
    """Return the text, shortened to so many bytes of UTF-8 and an ellipsis if it is longer."""
    # No character takes less than a byte, so looking at more of them would change nothing.
    encoded = text[: limit_bytes + 1].encode("utf-8", errors="replace")
    if len(encoded) <= limit_bytes:
        return text
    return encoded[:limit_bytes].decode("utf-8", errors="ignore") + "…"


def wrapped(text: str, *, first: str, rest: str) -> Iterator[str]:
    """
    Yield the lines of a paragraph, the first one behind `first`, the others behind `rest`.

    Lines are broken at spaces only, and never inside `...`: references, digests and commands can
    be copied, even where they are wider than the terminal. A command that needs a line of its own
    has it without the quotes.
    """
    line = first
    is_empty = True
    for word in _UNIT.findall(text):
        is_command = word[0] == word[-1] == "`" and len(rest) + len(word) > COLUMNS
        unit = word[1:-1] if is_command else word
        if is_empty:
            line += unit
        elif len(line) + 1 + len(unit) <= COLUMNS:
            line += f" {unit}"
        else:
            yield line
            line = rest + unit
        is_empty = False
    yield line
