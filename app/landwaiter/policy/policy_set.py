"""Everything that admins have written, as it is in force at one time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from landwaiter.policy.exceptions import PolicyException
from landwaiter.policy.matching import Policy


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All documents that are in force at one time; it iterates over the policies."""

    policies: tuple[Policy, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()

    @classmethod
    def together(cls, sets: Iterable["PolicySet"]) -> "PolicySet":
        """Return all documents of several sets as one."""
        parts = tuple(sets)
        return cls(
            tuple(policy for part in parts for policy in part.policies),
            tuple(exception for part in parts for exception in part.exceptions),
        )

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.policies)

    def __len__(self) -> int:
        return len(self.policies)
