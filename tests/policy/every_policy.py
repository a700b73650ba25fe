"""Documents whose policies are all looked at for each object: what the index is measured by."""

from collections.abc import Mapping, Sequence

from landwaiter.policy.applicable import Applicable, in_namespace, is_met
from landwaiter.policy.case import Case, Side
from landwaiter.policy.exceptions import PolicyException
from landwaiter.policy.index import PolicyIndex
from landwaiter.policy.policy_set import PolicySet


class EveryPolicy(PolicyIndex):
    """Looks at every policy, and keeps nothing."""

    def candidates(
        self, case: Case, side: Side, labels: Mapping[str, str] | None, *, as_match: bool
    ) -> list[Applicable]:
        workload = case.workload
        found = [
            in_namespace(each.policy, workload.namespace, labels, is_template=workload.is_template)
            for each in self._indexed
            if is_met(each.policy, case)
        ]
        return [
            each for each in found if each is not None and each.has_a_word(side, as_match=as_match)
        ]


class Unindexed(PolicySet):
    """All documents that are in force at one time, each of them looked at for each object."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "index", EveryPolicy(self.policies))

    def exceptions_in(self, namespace: str) -> Sequence[PolicyException]:
        return self.exceptions
