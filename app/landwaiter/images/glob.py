"""
Globs in bounded time: `*` stays within a part, `**` crosses parts; nothing else is special.

A glob is run as a set of states held in the bits of one integer, one step for each character of
the text. Its time is at worst the product of the two lengths, whatever is written: no glob and
no text can make it backtrack.

A star may stand for nothing. `**/` at the beginning of a part stands for any number of whole
parts, none included, so that `a/**/b` covers `a/b` and not `a/xb`.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

REMEMBERED_MAX: Final = 8_192
"""Answers that are kept, by glob and text: the same repositories are asked about time and again."""

REMEMBERED_CHARACTERS: Final = 256
"""A repository's longest name has 255; the answers for longer texts are not kept."""


@dataclass(frozen=True, slots=True)
class Glob:
    """
    A glob over texts whose parts are divided by the one-character `separator`.

    State i, bit i of every mask, means that i pieces have been matched. `advance` holds for each
    character the states that it carries to the next one; `within` and `across` are the states
    that a star keeps; `parts` are those in which `**/` may take further whole parts.
    """

    text: str
    separator: str
    _advance: dict[str, int] = field(init=False, repr=False, compare=False)
    _within: int = field(init=False, repr=False, compare=False)
    _across: int = field(init=False, repr=False, compare=False)
    _parts: int = field(init=False, repr=False, compare=False)
    _accept: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        advance: dict[str, int] = {}
        within = across = parts = 0
        state = 1
        for piece in _pieces(self.text, self.separator):
            if piece == "*":
                within |= state
            elif not piece.startswith("*"):
                advance[piece] = advance.get(piece, 0) | state
            elif piece.endswith("*"):
                across |= state
            else:
                parts |= state
                continue
            state <<= 1
        masks = {"within": within, "across": across, "parts": parts, "accept": state}
        for name, mask in {"advance": advance, **masks}.items():
            object.__setattr__(self, f"_{name}", mask)

    def matches(self, text: str) -> bool:
        """Return whether the glob covers the whole text."""
        if len(text) > REMEMBERED_CHARACTERS:
            return self._matches(text)
        return _known(self, text)

    def _matches(self, text: str) -> bool:
        stars = self._within | self._across
        states = 1 | (1 & stars) << 1
        inside = 0  # The states of `parts` in the middle of a part that `**/` takes.
        for character in text:
            moved = (states & self._advance.get(character, 0)) << 1 | states & self._across
            moved |= inside if character == self.separator else states & self._within
            inside = (inside | states) & self._parts
            states = moved | (moved & stars) << 1
            if not states | inside:
                return False
        return bool(states & self._accept)

    def covers(self, other: "Glob") -> bool:
        """
        Return whether this glob certainly covers every text that another one covers.

        True is proven; False may only mean that it was not. What is kept are the states in which
        this glob can be after *each* text that the other one's pieces so far stand for.
        """
        stars = self._within | self._across
        states = 1 | (1 & stars) << 1
        inside = 0
        for piece in _pieces(other.text, other.separator):
            if piece == "*":
                states &= stars
            elif piece.startswith("*"):
                states &= self._across if piece.endswith("*") else self._across | self._parts
                inside = 0
            else:
                moved = (states & self._advance.get(piece, 0)) << 1 | states & self._across
                moved |= inside if piece == self.separator else states & self._within
                inside = (inside | states) & self._parts
                states = moved
            states |= (states & stars) << 1
        return bool(states & self._accept)


@lru_cache(maxsize=REMEMBERED_MAX)
def _known(glob: Glob, text: str) -> bool:
    return glob._matches(text)  # noqa: SLF001  # Its own module.


def _pieces(text: str, separator: str) -> list[str]:
    """Cut a glob into stars, `**/` at the beginning of a part, and single characters."""
    divider = re.escape(separator)
    return re.findall(rf"(?<![^{divider}])\*\*++{divider}|\*++|[^*]", text)
