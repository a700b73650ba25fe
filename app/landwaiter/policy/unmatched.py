"""
Refuses images that no policy is about, where the install says `unmatchedImages: Deny`.

Only a ClusterImagePolicy whose action in the namespace is Deny counts: a policy that warns would
let the image in, and one of a namespace may have been written to do so. What a policy does about
templates does not matter, for the Pods made from them meet its action in the namespace.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from landwaiter.policy.applicable import Applicable, Use
from landwaiter.rules.charge import RuleInForce
from landwaiter.rules.protocol import Facts, Question, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.verdict import Action, FailurePolicy, GrantedException
from landwaiter.workloads.values import ImageUse

UNMATCHED_IMAGES: Final = RuleId("unmatchedImages")
"""The id under which such a refusal is told, as its rule and as its policy."""

_VIOLATION: Final = Violation(
    UNMATCHED_IMAGES,
    reason="no policy is about the image",
    detail="no ClusterImagePolicy that denies in this namespace is about it; one is wanted, "
    "for this cluster runs with unmatchedImages: Deny",
    remedy="ask the cluster's admin for a policy that is about it",
)


@dataclass(frozen=True, slots=True)
class _Unmatched:
    """A rule that has been judged already."""

    id: ClassVar[RuleId] = UNMATCHED_IMAGES
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: ClassVar[Unpinned] = "Deny"

    outcome: Violation | Undecided

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:  # noqa: ARG002  # As all rules.
        """Ask for nothing: which policies apply is known."""
        return ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided:  # noqa: ARG002
        """Return what is wrong."""
        return self.outcome


def unmatched(
    use: Use,
    applicable: Iterable[Applicable],
    unknown: Undecided | None,
    *,
    reported: bool,
    exception: GrantedException | None,
) -> RuleInForce | None:
    """
    Return what refuses an image that no policy is about, None for one that a policy is about.

    `unknown` says why the namespace's labels are not known, None where they are.
    """
    about = [each for each in applicable if each.policy.covers(use)]
    if any(each.denies_here for each in about):
        return None
    doubtful = [each for each in about if each.denies_here is None]
    outcomes = [each.doubt.outcome for each in doubtful if each.doubt is not None]
    if doubtful and unknown is not None:
        outcomes.append(unknown)
    outcome = outcomes[0] if outcomes else _VIOLATION
    return RuleInForce(
        policy=UNMATCHED_IMAGES,
        actions=frozenset({Action.DENY}),
        failure_policy=FailurePolicy.FAIL,
        rule=_Unmatched(outcome),
        reported=reported,
        exception=exception,
    )
