"""
What can be in the memory of one Pod at once, on a bad day, and how many runs of cosign have room.

These are the only figures: docs/install.md shows them, the chart's memory limit has room for them,
and the default number of runs goes by them. Tests hold each to the bound in the code that it is
about, or to what was measured.
"""

from dataclasses import dataclass
from typing import Final

from landwaiter.container import Container

MIB: Final = 2**20
RUN_MIB: Final = 65
"""One run of cosign 3; `cosign verify` was measured to take 62 MiB, of attestations 64."""

RUNS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the memory; `is_optional` where only some rules or conditions have it."""

    what: str
    mebibytes: int
    is_optional: bool = False


PARTS: Final = (
    Part("the process", 100),
    Part("bodies being read", 64),
    Part("2,000 reviews that wait, 32 kB each", 64),
    Part("4,000 connections, 35 kB each", 140),
    Part("what images say of themselves", 40),
    Part("verdicts on signatures that are remembered, 50,000 good ones", 64),
    Part("signatures that are being judged", 88),
    Part("attestations that are remembered, if a policy asks for some", 104, is_optional=True),
    Part("attestations that are being judged", 200, is_optional=True),
    Part("the process for their `conditions`, if a policy has some", 512, is_optional=True),
    Part("two processes for `matchConditions`, if a policy has them", 1_024, is_optional=True),
)

BASE_MIB: Final = sum(part.mebibytes for part in PARTS)
"""All but cosign. Policies change while the limit stays, so what is optional is in it."""

LEAST_MIB: Final = sum(part.mebibytes for part in PARTS if not part.is_optional)
"""The same where no policy has what is optional."""


@dataclass(frozen=True, slots=True)
class CosignRuns:
    """
    How many runs of cosign there may be at once, and why.

    `asked` is what the admin said, None for nothing; `room` how many the memory limit has room for
    beside all else, None where there is no limit.
    """

    at_once: int
    container: Container
    asked: int | None = None
    room: int | None = None

    @property
    def needs_mebibytes(self) -> int:
        """What all of it takes where no policy has what is optional."""
        return LEAST_MIB + self.at_once * RUN_MIB

    @property
    def fits(self) -> bool:
        """Whether there is memory for so many, where no policy has what is optional."""
        limit = self.container.memory_bytes
        return limit is None or self.needs_mebibytes * MIB <= limit


def cosign_runs(container: Container, asked: int | None = None) -> CosignRuns:
    """
    Return how many runs there may be: what the admin says, else as many as have room.

    A run takes a core for 40 ms, so more than the cores would only make each of them slower. There
    is always one, whether it has room or not: without any nothing would be verified.
    """
    limit = container.memory_bytes
    room = None if limit is None else max(0, limit // MIB - BASE_MIB) // RUN_MIB
    fitting = container.cores if room is None else min(container.cores, room)
    return CosignRuns(asked or min(max(1, fitting), RUNS_MAX), container, asked, room)
