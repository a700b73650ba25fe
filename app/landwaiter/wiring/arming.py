"""Which paths the API server has to ask on, by the policies in force (design, semantics 18)."""

from collections.abc import Iterable

from landwaiter.policy.matching import Policy, TemplateAction
from landwaiter.rules.verdict import Action
from landwaiter.webhooks.configuration import WebhookPath


def paths_needed(policies: Iterable[Policy]) -> frozenset[WebhookPath]:
    """
    Return the paths on which some policy may have something to say about some object.

    One that denies Pods and only warns about their templates says each on its own path.
    """
    return frozenset(path for policy in policies for path in _paths_of(policy))


def _paths_of(policy: Policy) -> Iterable[WebhookPath]:
    if Action.DENY not in policy.actions:
        return (WebhookPath.OBSERVE,)
    if policy.templates is TemplateAction.WARN:
        return (WebhookPath.OBSERVE, WebhookPath.VALIDATE)
    return (WebhookPath.VALIDATE,)
