"""What the linter says, and the comparisons of patterns that it says it by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from landwaiter.images.coverage import are_apart, covers
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy.problems import FieldPath, written

COMPARISONS_MAX: Final = 200_000
"""
Pairs of patterns, and of policies, that are compared: a second of work, some seconds where all
patterns have stars.

Whoever runs a namespace can write policies too; the linter must end whatever they write.
"""


class LintCode(StrEnum):
    """
    The kinds of warnings.

    OVER_BROAD allows more than can be meant; OPT_IN refuses only who wants to be refused; SHADOWED
    is text that changes nothing; CONTRADICTION is text that another text takes back; POINTLESS is
    what can never refuse, or what another policy does already; UNFINISHED says that the linter
    has not looked at everything.
    """

    OVER_BROAD = "overBroad"
    OPT_IN = "optIn"
    SHADOWED = "shadowed"
    CONTRADICTION = "contradiction"
    POINTLESS = "pointless"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One thing about a policy that its author hardly means; `path` is the field that says it."""

    policy: str
    code: LintCode
    path: FieldPath
    text: str

    def __str__(self) -> str:
        return f"field {written(self.path)}: {self.text} [{self.code}]"


class Comparer:
    """Compares patterns until `COMPARISONS_MAX` is reached, and claims nothing from then on."""

    def __init__(self, limit: int = COMPARISONS_MAX) -> None:
        self._left = limit

    @property
    def is_exhausted(self) -> bool:
        """Whether there was more to compare than is compared."""
        return self._left < 0

    def covering(
        self, patterns: Iterable[ImagePattern], narrow: ImagePattern
    ) -> ImagePattern | None:
        """Return the first pattern that certainly covers another one."""
        return next((each for each in patterns if self.spend() and covers(each, narrow)), None)

    def all_covered(self, wide: Sequence[ImagePattern], narrow: Iterable[ImagePattern]) -> bool:
        """Return whether each of the narrow patterns is certainly covered by a wide one."""
        return all(self.covering(wide, each) is not None for each in narrow)

    def apart(self, some: Sequence[ImagePattern], others: Iterable[ImagePattern]) -> bool:
        """Return whether certainly no image is matched by one of each."""
        return all(self.spend() and are_apart(one, other) for other in others for one in some)

    def spend(self) -> bool:
        """Count one comparison more, and return whether it is still within the limit."""
        self._left -= 1
        return self._left >= 0
