"""
What the linter says about the policies of a cluster, one of many hands.

The cluster's policies are looked at together, those of a namespace beside the cluster's: what a
namespace writes is compared with no other namespace's, which it cannot even see. Each namespace has
a limit of its own, so that none can keep the linter from the others, and is only looked at again
when something has changed for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from landwaiter.policy.cluster_documents import ClusterDocument, DocumentName, DocumentState
from landwaiter.policy.lint import lint, lint_expressions
from landwaiter.policy.lint_warnings import Comparer, LintWarning
from landwaiter.policy.matching import Policy

NAMESPACE_COMPARISONS_MAX: Final = 25_000
"""A tenth of a second; 20 policies beside 1,000 of the cluster are 20,000 pairs."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said about a document, as it stood when it was looked at."""

    document: ClusterDocument
    warnings: tuple[str, ...]


Linted: TypeAlias = Mapping[DocumentName, Said]
"""What is said about each policy in force; a document that does not load is not in it."""

_InForce: TypeAlias = tuple[DocumentState, Policy]
_Group: TypeAlias = tuple[_InForce, ...]


class ClusterLinter:
    """Remembers what it has said, by namespace. Not safe for several threads at once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Group, tuple[Policy, ...], Linted]] = {}

    def lint(self, states: Iterable[DocumentState]) -> Linted:
        """Return what is said about every policy that is in force as it stands."""
        groups: defaultdict[str, list[_InForce]] = defaultdict(list)
        for state in states:
            if state.problem is None and isinstance(state.loaded, Policy):
                groups[state.document.name.namespace].append((state, state.loaded))
        of_cluster = tuple(policy for _, policy in groups.get("", ()))
        self._known = {
            namespace: self._looked_at(tuple(group), of_cluster if namespace else ())
            for namespace, group in groups.items()
        }
        return {name: said for *_, found in self._known.values() for name, said in found.items()}

    def _looked_at(
        self, group: _Group, beside: tuple[Policy, ...]
    ) -> tuple[_Group, tuple[Policy, ...], Linted]:
        known = self._known.get(group[0][0].document.name.namespace)
        if known is not None and known[:2] == (group, beside):
            return known
        return group, beside, _linted(group, beside)


def _linted(group: _Group, beside: Sequence[Policy]) -> Linted:
    is_tenant = bool(group[0][0].document.name.namespace)
    compare = Comparer(NAMESPACE_COMPARISONS_MAX) if is_tenant else Comparer()
    warnings = list(lint([policy for _, policy in group], beside=beside, compare=compare))
    for state, policy in group:
        warnings.extend(lint_expressions(policy.name, state.document.value))
    by_policy: defaultdict[str, list[LintWarning]] = defaultdict(list)
    for warning in warnings:
        by_policy[warning.policy].append(warning)
    return {
        state.document.name: Said(state.document, tuple(map(str, by_policy[policy.name])))
        for state, policy in group
    }
