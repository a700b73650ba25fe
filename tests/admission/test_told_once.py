"""Equal findings of several policies are shown once, in the refusal or in a warning."""

from typing import Any

import pytest

from landwaiter.admission.message import message_of
from landwaiter.admission.remarks import annotations_of, warnings_of
from landwaiter.errors import ClusterUnavailable
from landwaiter.images.patterns import ImagePattern, TagPattern
from landwaiter.policy.case import Side
from landwaiter.policy.matching import Policy
from landwaiter.rules.cosign_signatures import SignatureAnswer
from landwaiter.rules.pinned_tags import PinnedTags
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.verdict import FailurePolicy
from landwaiter.workloads.values import ImagePlace, UnreadableUse
from policy.judging import (
    A_DIGEST,
    AUDIT,
    DENY,
    WARN,
    Answers,
    a_workload,
    digests,
    judged,
    named,
    secrets,
    use,
)
from policy.test_composition import SIGNATURES

WORKLOAD = a_workload()
PINNED = a_workload(use(f"r.example.com/app@{A_DIGEST}"))
UNSIGNED = SignatureAnswer(verified=False, detail="no signature")


async def warned(*policies: Policy, side: Side, **settings: Any) -> list[str]:  # noqa: ANN401
    """Return the rules and policies that the warnings of an answer name."""
    verdict = await judged(settings.pop("workload", WORKLOAD), *policies, side=side, **settings)
    return [line.partition(":")[0] + line.rpartition(" ")[2] for line in warnings_of(verdict)]


@pytest.mark.parametrize("side", [Side.ALL, Side.OBSERVE])
async def test_what_one_policy_refuses_another_one_does_not_warn_of(side: Side) -> None:
    """Neither in the offline check nor beside the refusal of the other path."""
    policies = digests("a"), digests("b", actions=(WARN,)), digests("c", actions=(WARN, AUDIT))

    assert [] == await warned(*policies, side=side)


async def test_the_message_names_every_policy_that_refuses() -> None:
    """Once, however many there are."""
    policies = digests("a"), digests("b"), digests("c", actions=(WARN,))
    verdict = await judged(WORKLOAD, *policies)

    assert 1 == message_of(WORKLOAD, verdict).count("✗")
    assert "pinnedTags (policies a, b):" in message_of(WORKLOAD, verdict)


@pytest.mark.parametrize("side", [Side.ALL, Side.OBSERVE])
async def test_another_finding_is_a_warning_beside_the_refusal(side: Side) -> None:
    """The same rule that wants something else says something else."""
    floating = named("b", PinnedTags(floating=(TagPattern.parse("1"),)), actions=(WARN,))
    policies = digests("a"), floating

    assert ["pinnedTagsb)"] == await warned(*policies, side=side)


@pytest.mark.parametrize("side", [Side.ALL, Side.OBSERVE])
async def test_what_a_namespace_does_not_deny_is_warned_of(side: Side) -> None:
    """Only a refusal of this object takes the place of a warning."""
    elsewhere = digests("a", images=("docker.io",))

    assert ["pinnedTagsb)"] == await warned(elsewhere, digests("b", actions=(WARN,)), side=side)


@pytest.mark.parametrize("side", [Side.ALL, Side.OBSERVE])
async def test_a_rule_that_asks_is_told_once_too(side: Side) -> None:
    """Equal rules find the same, so the other path need not be asked what it finds."""
    policies = secrets("a"), secrets("b", actions=(WARN,))

    assert [] == await warned(*policies, side=side)


async def test_a_rule_that_judges_content_is_told_once_where_that_is_certain() -> None:
    """A rule that only the other path asks may have refused before it, so that it is told here."""
    signed, warns = named("a", SIGNATURES), named("b", SIGNATURES, actions=(WARN,))
    other = named("a2", PullSecrets((ImagePattern.parse("r.example.com"),)))
    asked: dict[str, Any] = {"side": Side.OBSERVE, "workload": PINNED, "source": Answers(UNSIGNED)}

    assert [] == await warned(signed, warns, **asked)
    assert ["cosignSignaturesb)"] == await warned(signed, other, warns, **asked)


async def test_what_nobody_knows_is_warned_of_where_it_does_not_block() -> None:
    """On the other path it may be known by then; in one answer it is told once."""
    source = Answers(ClusterUnavailable("away"))
    policies = secrets("a"), secrets("b", actions=(WARN,))
    ignored = secrets("c", failure_policy=FailurePolicy.IGNORE)

    assert [[], ["pullSecretsb)"]] == [
        await warned(*policies, ignored, side=side, source=source)
        for side in (Side.ALL, Side.OBSERVE)
    ]


@pytest.mark.parametrize("side", [Side.ALL, Side.OBSERVE])
async def test_a_name_that_does_not_parse_is_refused_once(side: Side) -> None:
    """Where a policy denies no other one warns of it."""
    place = ImagePlace("spec.containers[0].image", "app", "a b")
    workload = a_workload(UnreadableUse(place, "a space"))
    warns = digests("b", actions=(WARN,))

    assert [] == await warned(digests("a"), warns, side=side, workload=workload)
    assert ["imageReferenceb)"] == await warned(warns, side=side, workload=workload)


async def test_the_audit_log_keeps_every_finding() -> None:
    """What a policy that audits finds is counted for that policy, whoever refuses."""
    policies = digests("a", actions=(DENY,)), digests("b", actions=(WARN, AUDIT))
    verdict = await judged(WORKLOAD, *policies, side=Side.OBSERVE)

    assert '"policy":"b"' in annotations_of(verdict)["violations"]
