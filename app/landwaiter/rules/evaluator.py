"""
Puts the findings of all rules about all image uses of one object together.

The order is the one of cost (design, semantics 10). Rules that need no facts come first, then
those that ask the cluster, then those that judge content and so ask a registry. What a rule in
force as Deny has refused is not looked up further; what only warns or audits, or what an
exception lifts, skips nothing.

For rules that judge content a tag is resolved once per decision (semantics 9), and they are
asked about `repository@digest`. A good image that was written without digest is still refused,
or warned about, as the rule's `unpinned` says, for the kubelet will resolve the tag again. Where
such a rule needs nothing to judge a use, the content does not matter to it, nor does the digest.

What a rule could not find out about an image that is written with its digest may have been verified
before, and then admits it where the policy says for how long (`verified_before.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from landwaiter.errors import ImageProblem
from landwaiter.rules.charge import (
    Charge,
    Outcomes,
    RuleInForce,
    reported_of,
    told_elsewhere,
)
from landwaiter.rules.gathering import Gathering
from landwaiter.rules.offers import with_offer
from landwaiter.rules.protocol import (
    NO_FACTS,
    CurrentDigest,
    FactSource,
    Inquiry,
    Question,
    Reservation,
    Rule,
    RuleId,
    Undecided,
    Violation,
)
from landwaiter.rules.verdict import UseVerdict
from landwaiter.rules.verified_before import NOTHING_VERIFIED, Inventory, stands_in
from landwaiter.workloads.values import ImageUse, UnreadableUse

UNREADABLE = RuleId("imageReference")
"""The rule id of the refusal that no policy has to ask for: a name that does not parse."""

USES_A_TURN = 8
"""
How many uses are begun before other requests have their turn on the event loop.

With 200 policies one use takes 4 ms, and anybody who may write Pods can name thousands of images.
"""


async def evaluate(
    charges: Sequence[Charge],
    source: FactSource,
    inquiry: Inquiry,
    inventory: Inventory = NOTHING_VERIFIED,
) -> tuple[UseVerdict, ...]:
    """
    Return the findings about each use, in the order given.

    Returns by the inquiry's deadline; what was not found out by then is `Undecided` with `retry`.
    """
    tasks = []
    async with Gathering(source, inquiry, inventory) as gathering, asyncio.TaskGroup() as group:
        for number, charge in enumerate(charges, start=1):
            tasks.append(group.create_task(_evaluate_use(charge, gathering, inquiry)))
            if number % USES_A_TURN == 0:
                await asyncio.sleep(0)
    return tuple(task.result() for task in tasks)


async def _evaluate_use(charge: Charge, gathering: Gathering, inquiry: Inquiry) -> UseVerdict:
    use = charge.use
    if isinstance(use, UnreadableUse):
        return _of_unreadable(use, charge.rules)
    verdict = UseVerdict(use, digest=use.reference.digest)
    refused: set[RuleInForce] = set()
    found: list[tuple[Rule, Outcomes]] = []
    for tier, ask in _tiers(use, charge.rules):
        if any(rule.gates for rule in refused):
            skipped = tuple(dict.fromkeys(r.rule.id for r, _ in tier if r.reported))
            verdict = replace(verdict, not_checked=verdict.not_checked + skipped)
            continue
        results = await ask(tier, use, gathering) if tier else []
        for (rule, _), result in zip(tier, results, strict=True):
            if any(isinstance(outcome, Violation) for outcome in result.outcomes):
                refused.add(rule)
            verdict = _with_result(verdict, rule, result)
            found.append((rule.rule, result.outcomes))
    if verdict.findings:
        verdict = replace(verdict, told_elsewhere=told_elsewhere(charge.rules, found))
    verdict = _in_policy_order(verdict, charge.rules)
    return await with_offer(verdict, charge.rules, gathering) if inquiry.offers else verdict


@dataclass(frozen=True, slots=True)
class _Result:
    outcomes: Outcomes = ()
    digest: str | None = None
    warnings: tuple[str, ...] = ()
    stale_seconds: int | None = None


_NOTHING_FOUND = _Result()


def _of_unreadable(use: UnreadableUse, rules: Sequence[RuleInForce]) -> UseVerdict:
    violation = Violation(
        UNREADABLE,
        reason="unreadable image name",
        detail=use.problem,
        remedy="write the image as registry/repository:tag@digest",
    )
    of_policies = {rule.policy: rule for rule in reversed(reported_of(rules))}
    found = tuple(rule.finding(violation, UNREADABLE) for rule in reversed(of_policies.values()))
    told = {each.told for each in found} if any(each.refuses_elsewhere for each in rules) else ()
    return UseVerdict(use, findings=found, told_elsewhere=frozenset(told))


_Tier = list[tuple[RuleInForce, tuple[Question[Any], ...]]]
"""Rules, each with what it needs for a use."""

_Ask = Callable[[_Tier, ImageUse, Gathering], Awaitable[list[_Result]]]


def _tiers(use: ImageUse, rules: Iterable[RuleInForce]) -> tuple[tuple[_Tier, _Ask], ...]:
    """Return the rules by what asking them costs, cheapest first, and how they are asked."""
    pure: _Tier = []
    asking: _Tier = []
    content: _Tier = []
    for in_force in rules:
        needs = in_force.rule.needs(use)
        if not needs:
            pure.append((in_force, needs))
        elif in_force.reported:
            tier = content if in_force.rule.judges_content else asking
            tier.append((in_force, needs))
    spares_content = any(in_force.gates for in_force, _ in asking)
    return (
        (pure, _results),
        (asking, _results if spares_content else partial(_results, beside=content)),
        (content, _results_about_content),
    )


async def _results(
    tier: _Tier, use: ImageUse, gathering: Gathering, *, beside: _Tier | None = None
) -> list[_Result]:
    """
    Ask the rules of a tier; all that they need is found out at once.

    What rules `beside` it need about content is begun as well: nothing here can spare that.
    """
    gathering.begin(_needs(tier))
    if beside:
        gathering.begin_about_content(use, _needs(beside))
    return [await _ask(each, needs, use, gathering) for each, needs in tier]


def _needs(tier: _Tier) -> Iterator[Question[Any]]:
    return (question for _, needs in tier for question in needs)


async def _ask(
    in_force: RuleInForce,
    needs: tuple[Question[Any], ...],
    use: ImageUse,
    gathering: Gathering,
) -> _Result:
    rule = in_force.rule
    try:
        facts = NO_FACTS
        if needs:
            facts = await gathering.facts(needs, lambda so_far: rule.judge(use, so_far) is None)
        outcome = rule.judge(use, facts)
    except ImageProblem as problem:
        return _Result((_not_readable(rule.id, use, problem),))
    if isinstance(outcome, Reservation):
        return _Result(warnings=(f"{use.path}: {rule.id}: {outcome.detail}",))
    if outcome is None:
        return _NOTHING_FOUND
    within = in_force.stale_within_seconds
    if within is None or not isinstance(outcome, Undecided):
        return _Result((outcome,))
    age = stands_in(rule, use, facts, gathering.earlier, within_seconds=within)
    return _Result((outcome,), stale_seconds=None if age is None else int(age))


async def _results_about_content(tier: _Tier, use: ImageUse, gathering: Gathering) -> list[_Result]:
    """Ask rules about the digest that the use names, or that its tag points to now."""
    if use.reference.digest is not None:
        return await _results(tier, use, gathering)
    gathering.begin_about_content(use, _needs(tier))
    try:
        digest = await gathering.ask(CurrentDigest(use.reference))
    except ImageProblem as problem:
        return [_Result((_not_readable(each.rule.id, use, problem),)) for each, _ in tier]
    if isinstance(digest, Undecided):
        return [_Result((digest,)) for _ in tier]
    pinned = use._replace(reference=use.reference.with_digest(digest))
    pinned_tier = [(each, each.rule.needs(pinned)) for each, _ in tier]
    results = await _results(pinned_tier, pinned, gathering)
    # The node may resolve the tag to something else that nobody has ever verified.
    return [
        replace(result, digest=digest, stale_seconds=None)
        if result.outcomes
        else _unpinned(each.rule, pinned, digest, result.warnings)
        for (each, _), result in zip(tier, results, strict=True)
    ]


def _unpinned(rule: Rule, pinned: ImageUse, digest: str, warnings: tuple[str, ...]) -> _Result:
    """Say what a good image is worth whose reference lets the kubelet choose another one."""
    if rule.unpinned == "Warn":
        warning = f"{pinned.path}: no digest, so {rule.id} judged what the tag is now: {digest}"
        return _Result((), digest, (warning, *warnings))
    violation = Violation(
        rule.id,
        reason="image without digest",
        detail=(
            "what the tag points to now is good, but the node resolves the tag again later; "
            "a digest is wanted"
        ),
        remedy=f"use {pinned.reference}",
    )
    return _Result((violation,), digest, warnings)


def _not_readable(rule: RuleId, use: ImageUse, problem: ImageProblem) -> Violation:
    return Violation(
        rule,
        reason="image not readable",
        detail=f"it has to be looked at, and could not be: {problem}",
        remedy=f"check that {use.reference} exists and that the pull secrets may read it",
    )


def _with_result(verdict: UseVerdict, in_force: RuleInForce, result: _Result) -> UseVerdict:
    if not in_force.reported or result is _NOTHING_FOUND:
        return verdict
    findings = tuple(
        in_force.finding(outcome, stale_seconds=result.stale_seconds) for outcome in result.outcomes
    )
    return replace(
        verdict,
        digest=verdict.digest or result.digest,
        findings=verdict.findings + findings,
        warnings=verdict.warnings + result.warnings,
    )


def _in_policy_order(verdict: UseVerdict, rules: Sequence[RuleInForce]) -> UseVerdict:
    order = {(r.policy, r.rule.id): position for position, r in enumerate(rules)}
    findings = sorted(verdict.findings, key=lambda finding: order[finding.policy, finding.rule])
    return replace(verdict, findings=tuple(findings))
