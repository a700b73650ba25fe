"""
Whether an answer is right: that of one whole set of policies, and of none that is over.

Nothing is said of when a set comes into force. But whoever has had an answer by one set never gets
one by an older set from the same process.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from load.generations import Asked, filled

NUMBER: Final = re.compile(r"-g(\d{6})")
SHOWN_CHARS: Final = 400


@dataclass(slots=True)
class Seen:
    """What has been learned from the answers of one process: the newest set that has judged."""

    newest: int = -1
    sets: set[int] = field(default_factory=set)


def problem_with(
    asked: Asked, answer: str, unique: int, seen: Seen, *, at_least: int
) -> str | None:
    """
    Return what is wrong with an answer, None where nothing is; `seen` learns of its set.

    `at_least` is the newest set that had been seen when the question was sent.
    """
    numbers = {int(number) for number in NUMBER.findall(answer)}
    if not numbers:
        # Sets of one kind all answer so, or of both: which of them it was does not show.
        right = {filled(pattern, unique) for pattern in asked.answers}
        return None if answer in right else f"wrong: {answer:.{SHOWN_CHARS}}"
    if len(numbers) > 1:
        return f"by the sets {sorted(numbers)}: {answer:.{SHOWN_CHARS}}"
    (number,) = numbers
    if answer != filled(asked.answers[number % 2], unique, number):
        return f"wrong: {answer:.{SHOWN_CHARS}}"
    if number < at_least:
        return f"by set {number}, after set {at_least} had answered"
    seen.newest = max(seen.newest, number)
    seen.sets.add(number)
    return None
