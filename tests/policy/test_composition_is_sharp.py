"""
The properties of `test_composition` fail when the code is wrong.

Each mistake is one that somebody could make; the search that finds nothing in the code as it is has
to find a case in which the mistake lets something in. It is the same search each time.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from landwaiter.policy import hearing
from landwaiter.policy.index import PolicyIndex
from landwaiter.policy.unmatched import unmatched
from landwaiter.rules.charge import RuleInForce
from landwaiter.rules.verdict import Action, Decision, Verdict
from policy.test_composition import (
    Growth,
    grown_by_a_rule,
    grown_by_a_warning,
    grown_by_an_audit,
    grown_by_an_image_policy,
)

SEARCH = settings(
    derandomize=True, database=None, deadline=None, max_examples=2000, phases=[Phase.generate]
)

Patch = Callable[[pytest.MonkeyPatch], None]


def namespaces_replace_the_cluster(patch: pytest.MonkeyPatch) -> None:
    """Ask only the policies of the namespace where it has some."""

    candidates = PolicyIndex.candidates

    def nearest(*given: Any, **options: Any) -> Any:  # noqa: ANN401
        found = candidates(*given, **options)
        return [each for each in found if each.policy.namespace] or found

    patch.setattr(PolicyIndex, "candidates", nearest)


def every_policy_matches_images(patch: pytest.MonkeyPatch) -> None:
    """Count an image as matched by whatever is about it, also by what only audits."""

    def matched(use: Any, found: Any, *more: Any, **options: Any) -> Any:  # noqa: ANN401
        if any(each.policy.covers(use) for each in found):
            return None
        return unmatched(use, found, *more, **options)

    patch.setattr(hearing, "unmatched", matched)


def what_only_warns_spares_lookups(patch: pytest.MonkeyPatch) -> None:
    """Let whatever has found something keep the dearer rules from being asked."""
    patch.setattr(RuleInForce, "gates", property(lambda _: True))


def what_is_lifted_spares_lookups(patch: pytest.MonkeyPatch) -> None:
    """Let a refusal that an exception lifts keep the dearer rules from being asked."""
    patch.setattr(RuleInForce, "gates", property(lambda each: Action.DENY in each.actions))


def the_first_rule_is_enough(patch: pytest.MonkeyPatch) -> None:
    """Ask only the first of the rules of a policy."""
    rules = hearing._rules

    def first(*given: Any, **options: Any) -> Any:  # noqa: ANN401
        return list(rules(*given, **options))[:1]

    patch.setattr(hearing, "_rules", first)


def the_mildest_finding_counts(patch: pytest.MonkeyPatch) -> None:
    """Admit what one policy refuses when another one would only audit it."""
    decision = Verdict.decision.fget  # type: ignore[attr-defined]  # A property has one.

    def mildest(verdict: Verdict) -> Any:  # noqa: ANN401
        if any(Action.DENY not in each.actions for each in verdict.findings):
            return Decision.ALLOW
        return decision(verdict)

    patch.setattr(Verdict, "decision", property(mildest))


@pytest.mark.parametrize(
    ("mistake", "growths"),
    [
        (namespaces_replace_the_cluster, grown_by_an_image_policy),
        (every_policy_matches_images, grown_by_an_image_policy),
        (every_policy_matches_images, grown_by_an_audit),
        (every_policy_matches_images, grown_by_a_warning),
        (what_only_warns_spares_lookups, grown_by_an_audit),
        (what_only_warns_spares_lookups, grown_by_a_warning),
        (what_is_lifted_spares_lookups, grown_by_an_image_policy),
        (the_first_rule_is_enough, grown_by_a_rule),
        (the_mildest_finding_counts, grown_by_an_audit),
        (the_mildest_finding_counts, grown_by_an_image_policy),
    ],
)
def test_a_mistake_is_found(
    mistake: Patch, growths: st.SearchStrategy[Growth], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some object is let in by the larger set, and only with the mistake."""

    def lets_in(growth: Growth) -> bool:
        return asyncio.run(growth.lets_in())

    with monkeypatch.context() as patch:
        mistake(patch)
        found = find(growths, lets_in, settings=SEARCH)

    assert not lets_in(found)
