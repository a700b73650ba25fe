"""The same policy warns here and denies there, and says so on one side only."""

from typing import Any

import pytest

from landwaiter.errors import ClusterUnavailable
from landwaiter.policy.case import Side
from landwaiter.policy.matching import (
    ActionOverride,
    LabelSelector,
    Operator,
    Policy,
    TemplateAction,
)
from landwaiter.rules.verdict import Action, Decision, FailurePolicy
from policy.builders import requires
from policy.judging import (
    AUDIT,
    DENY,
    ENV,
    WARN,
    Labels,
    a_template,
    a_workload,
    digests,
    judged,
    told,
)

NOT_KNOWN = Labels(ClusterUnavailable("down"))
PRODUCTION, TEST = Labels({"env": "production"}), Labels({"env": "test"})


def overridden(base: Action, there: Action, **settings: Any) -> Policy:  # noqa: ANN401
    """Return a policy that wants digests, with another action where `env` is production."""
    override = ActionOverride(LabelSelector((ENV,)), frozenset({there}))
    return digests(actions=(base,), action_overrides=(override,), **settings)


@pytest.mark.parametrize(
    ("base", "there", "labels", "side", "action"),
    [
        (WARN, DENY, PRODUCTION, Side.ENFORCE, "Deny"),
        (WARN, DENY, TEST, Side.OBSERVE, "Warn"),
        (DENY, WARN, PRODUCTION, Side.OBSERVE, "Warn"),
        (DENY, WARN, TEST, Side.ENFORCE, "Deny"),
        (DENY, AUDIT, PRODUCTION, Side.OBSERVE, "Audit"),
    ],
)
async def test_semantics_18_the_namespace_says_on_which_side_a_policy_is_told(
    base: Action, there: Action, labels: Labels, side: Side, action: str
) -> None:
    """/validate judges what is denied here, /observe what warns or audits here."""
    policy = overridden(base, there)
    sides = {
        each: told(await judged(a_workload(), policy, labels=labels, side=each)) for each in Side
    }
    finding = [("p", "pinnedTags", action)]
    other = ({Side.ENFORCE, Side.OBSERVE} - {side}).pop()

    assert {side: finding, other: [], Side.ALL: finding} == sides


@pytest.mark.parametrize(
    ("base", "there", "side", "action", "decision"),
    [
        (WARN, DENY, Side.ENFORCE, "Deny", Decision.UNDECIDED),
        (DENY, WARN, Side.ENFORCE, "Deny", Decision.UNDECIDED),
        (WARN, AUDIT, Side.OBSERVE, "Warn", Decision.ALLOW),
    ],
)
async def test_semantics_08_unknown_labels_count_as_the_strongest_action(
    base: Action, there: Action, side: Side, action: str, decision: Decision
) -> None:
    """Nobody knows whether the policy denies here, so nothing is admitted for it."""
    policy = overridden(base, there)
    verdicts = {
        each: await judged(a_workload(), policy, labels=NOT_KNOWN, side=each) for each in Side
    }
    finding = [("p", "namespaceSelector", action)]
    other = ({Side.ENFORCE, Side.OBSERVE} - {side}).pop()

    assert {side: finding, other: [], Side.ALL: finding} == {
        each: told(verdict) for each, verdict in verdicts.items()
    }
    assert decision == verdicts[side].decision


async def test_unknown_labels_pass_under_ignore() -> None:
    """`failurePolicy: Ignore` is about exactly this: a fault that nobody's image has caused."""
    policy = overridden(WARN, DENY, failure_policy=FailurePolicy.IGNORE)

    verdict = await judged(a_workload(), policy, labels=NOT_KNOWN)

    assert (Decision.ALLOW, 1) == (verdict.decision, len(verdict.findings))


@pytest.mark.parametrize(
    ("templates", "labels", "findings"),
    [
        (TemplateAction.WARN, PRODUCTION, [("p", "pinnedTags", "Warn")]),
        (TemplateAction.SKIP, PRODUCTION, []),
        (TemplateAction.WARN, TEST, [("p", "pinnedTags", "Audit")]),
    ],
)
async def test_semantics_05_templates_soften_what_is_done_here(
    templates: TemplateAction, labels: Labels, findings: list[tuple[str, str, str]]
) -> None:
    """A denial becomes a warning, and what only audits here goes on auditing."""
    policy = overridden(AUDIT, DENY, templates=templates)

    assert findings == told(await judged(a_template(), policy, labels=labels))


async def test_an_override_that_names_its_namespaces_asks_nobody() -> None:
    """The name of a namespace is always known."""
    labels = Labels(ClusterUnavailable("down"))
    by_name = ActionOverride(
        LabelSelector((requires("kubernetes.io/metadata.name", Operator.IN, "shop"),)),
        frozenset({DENY}),
    )
    policy = digests(actions=(WARN,), action_overrides=(by_name,))

    verdict = await judged(a_workload(), policy, labels=labels)

    assert ([("p", "pinnedTags", "Deny")], []) == (told(verdict), labels.asked)
