"""
Offers the digest that a tag points to now to who is refused for want of one.

It is looked up only where an admin's rule has let the registry through (semantics 10).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from landwaiter.errors import ImageProblem
from landwaiter.rules.charge import RuleInForce
from landwaiter.rules.gathering import Gathering
from landwaiter.rules.protocol import NO_FACTS, CurrentDigest, Undecided, Violation
from landwaiter.rules.verdict import Finding, UseVerdict
from landwaiter.workloads.values import ImageUse, UnreadableUse

OFFER_SECONDS = 1.0
"""
The time that looking up a digest to offer may take, in seconds.

The verdict is known by then: a developer should not wait long for a better hint.
"""


async def with_offer(
    verdict: UseVerdict, rules: Sequence[RuleInForce], gathering: Gathering
) -> UseVerdict:
    """Put the digest that the tag points to now into the remedies that a digest would help."""
    use = verdict.use
    if isinstance(use, UnreadableUse) or not any(map(_helped_by_digest, verdict.findings)):
        return verdict
    digest = verdict.digest
    if digest is None and _may_ask_registry(use, rules):
        digest = await _current_digest(use, gathering)
    if digest is None:
        return verdict
    remedy = f"use {use.reference.with_digest(digest)}"
    findings = tuple(
        replace(finding, outcome=replace(finding.outcome, remedy=remedy))
        if isinstance(finding.outcome, Violation) and finding.outcome.digest_helps
        else finding
        for finding in verdict.findings
    )
    return replace(verdict, digest=digest, findings=findings)


def _helped_by_digest(finding: Finding) -> bool:
    return isinstance(finding.outcome, Violation) and finding.outcome.digest_helps


def _may_ask_registry(use: ImageUse, rules: Sequence[RuleInForce]) -> bool:
    """Whether an admin's registry rule is in force and all of them admit it (semantics 10)."""
    vouching = [r for r in rules if r.rule.vouches_for_registry]
    return any(r.by_admin for r in vouching) and all(
        r.rule.judge(use, NO_FACTS) is None for r in vouching
    )


async def _current_digest(use: ImageUse, gathering: Gathering) -> str | None:
    try:
        async with asyncio.timeout(OFFER_SECONDS):
            digest = await gathering.ask(CurrentDigest(use.reference))
    except (ImageProblem, TimeoutError):
        return None
    return None if isinstance(digest, Undecided) else digest
