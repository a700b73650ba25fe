"""Which paths the API server has to ask on, by the policies in force (design, semantics 18)."""

from collections.abc import Iterable

from landwaiter.policy.install import PolicyInstallSettings, UnmatchedImages
from landwaiter.policy.matching import Policy, TemplateAction
from landwaiter.rules.verdict import Action
from landwaiter.webhooks.configuration import WebhookPath


def paths_needed(
    policies: Iterable[Policy], install: PolicyInstallSettings
) -> frozenset[WebhookPath]:
    """
    Return the paths on which there may be something to say about some object.

    A policy that denies Pods and only warns about their templates says each on its own path; an
    install that denies images which nobody speaks of needs no policy to refuse one.
    """
    found = {path for policy in policies for path in _paths_of(policy)}
    if install.unmatched_images is UnmatchedImages.DENY:
        found.add(WebhookPath.VALIDATE)
    return frozenset(found)


def _paths_of(policy: Policy) -> frozenset[WebhookPath]:
    found = set()
    for actions in (policy.actions, *(each.actions for each in policy.action_overrides)):
        if Action.DENY in actions:
            found.add(WebhookPath.VALIDATE)
        if Action.DENY not in actions or policy.templates is TemplateAction.WARN:
            found.add(WebhookPath.OBSERVE)
    return frozenset(found)
