"""Everything that admins have written, as it is in force at one time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from landwaiter.policy.exceptions import PolicyException
from landwaiter.policy.index import PolicyIndex
from landwaiter.policy.matching import Policy


@dataclass(frozen=True, slots=True)
class PolicySet:
    """
    All documents that are in force at one time; it iterates over the policies.

    `object_labels` are the labels of Pods that a policy selects by, in order; `has_conditions` is
    True where a policy can read any field of an object. `index` finds the policies that can apply.
    """

    policies: tuple[Policy, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()
    object_labels: tuple[str, ...] = field(init=False, repr=False, compare=False)
    has_conditions: bool = field(init=False, repr=False, compare=False)
    index: PolicyIndex = field(init=False, repr=False, compare=False)
    _excepting: Mapping[str, Sequence[PolicyException]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        selected = frozenset(name for policy in self.policies for name in policy.object_labels)
        object.__setattr__(self, "object_labels", tuple(sorted(selected)))
        conditions = any(policy.conditions for policy in self.policies)
        object.__setattr__(self, "has_conditions", conditions)
        object.__setattr__(self, "index", PolicyIndex(self.policies))
        excepting = defaultdict[str, list[PolicyException]](list)
        for exception in self.exceptions:
            for namespace in exception.namespaces:
                excepting[namespace].append(exception)
        object.__setattr__(self, "_excepting", dict(excepting))

    @classmethod
    def together(cls, sets: Iterable["PolicySet"]) -> "PolicySet":
        """Return all documents of several sets as one."""
        parts = tuple(sets)
        return cls(
            tuple(policy for part in parts for policy in part.policies),
            tuple(exception for part in parts for exception in part.exceptions),
        )

    def exceptions_in(self, namespace: str) -> Sequence[PolicyException]:
        """Return the exceptions that can hold in a namespace, in their order."""
        return self._excepting.get(namespace, ())

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.policies)

    def __len__(self) -> int:
        return len(self.policies)
