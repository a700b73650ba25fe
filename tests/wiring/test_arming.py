"""Which paths are armed for which policies (design, semantics 18)."""

import pytest

from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings, UnmatchedImages
from landwaiter.policy.matching import EVERYTHING, ActionOverride, Policy, TemplateAction
from landwaiter.rules.verdict import Action
from landwaiter.webhooks.configuration import WebhookPath
from landwaiter.wiring.arming import paths_needed
from policy.builders import a_policy

VALIDATE, OBSERVE = {WebhookPath.VALIDATE}, {WebhookPath.OBSERVE}


def overridden(here: Action, elsewhere: Action) -> Policy:
    override = ActionOverride(EVERYTHING, frozenset({here}))
    return a_policy(actions=(elsewhere,), action_overrides=(override,))


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([], set()),
        ([a_policy(actions=(Action.DENY,))], VALIDATE),
        ([a_policy(actions=(Action.DENY, Action.AUDIT))], VALIDATE),
        ([a_policy(actions=(Action.WARN,))], OBSERVE),
        ([a_policy(actions=(Action.AUDIT,))], OBSERVE),
        ([a_policy(actions=(Action.WARN,)), a_policy()], OBSERVE | VALIDATE),
        ([a_policy(templates=TemplateAction.WARN)], OBSERVE | VALIDATE),
        ([a_policy(templates=TemplateAction.SKIP)], VALIDATE),
        ([a_policy(templates=TemplateAction.DENY)], VALIDATE),
        ([overridden(Action.DENY, Action.WARN)], OBSERVE | VALIDATE),
        ([overridden(Action.WARN, Action.DENY)], OBSERVE | VALIDATE),
        ([overridden(Action.DENY, Action.DENY)], VALIDATE),
        ([overridden(Action.AUDIT, Action.WARN)], OBSERVE),
    ],
)
def test_semantics_18_a_path_is_needed_while_a_policy_may_speak_on_it(
    policies: list[Policy], expected: set[WebhookPath]
) -> None:
    """Somewhere, about a Pod or about a template."""
    assert expected == paths_needed(policies, DEFAULTS)


def test_semantics_18_images_without_a_policy_can_be_refused_without_one() -> None:
    """The install alone says so."""
    install = PolicyInstallSettings(UnmatchedImages.DENY)

    assert [VALIDATE, OBSERVE | VALIDATE] == [
        paths_needed(policies, install) for policies in ([], [a_policy(actions=(Action.WARN,))])
    ]
