"""
What the linter says about two policies: one takes back what the other says, or says it again.

Two policies are compared only where one certainly applies wherever the other does. Fields that
are not known here have to be equal for that, so that a field that is added makes the linter say
less and never something wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Final

from landwaiter.images.coverage import covers_tags
from landwaiter.policy.lint_alone import denied_for_good, rule_path
from landwaiter.policy.lint_warnings import Comparer, LintCode, LintWarning
from landwaiter.policy.matching import Policy, TemplateAction
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.pinned_tags import PinnedTags
from landwaiter.rules.protocol import Rule
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.verdict import Action, FailurePolicy

_KNOWN: Final = frozenset(
    {"name", "namespace", "actions", "failure_policy", "templates", "rules"}
    | {"namespace_selector", "object_selector", "images", "excluded_images", "operations"}
)


def of_each_pair(
    policies: Sequence[Policy], compare: Comparer, *, beside: Sequence[Policy] = ()
) -> Iterator[LintWarning]:
    """Give the warnings about each policy that come of the others, and of those beside them."""
    everything = (*beside, *policies)
    for position, policy in enumerate(policies, start=len(beside)):
        said_again = False
        for at, other in enumerate(everything):
            if at == position or not compare.spend():
                continue
            if not _applies_wherever(other, policy, compare):
                continue
            if _denies_everywhere(other):
                yield from _taken_back(policy, other, compare)
            if not said_again and _says_as_much(other, policy):
                # Of two policies that say the same, the later one is told.
                spared = at > position and (
                    _applies_wherever(policy, other, compare) and _says_as_much(policy, other)
                )
                found = list(_said_again(policy, other, compare, spare_equals=spared))
                said_again = bool(found)
                yield from found


def _applies_wherever(wide: Policy, narrow: Policy, compare: Comparer) -> bool:
    """Whether one policy certainly looks at every image that the other one looks at."""
    return (
        all(
            getattr(wide, field.name) == getattr(narrow, field.name)
            for field in fields(Policy)
            if field.name not in _KNOWN
        )
        and wide.namespace in {None, narrow.namespace}
        and wide.operations >= narrow.operations
        and (
            wide.templates in {None, TemplateAction.DENY, narrow.templates}
            or narrow.templates is TemplateAction.SKIP
        )
        and {*wide.namespace_selector.requirements} <= {*narrow.namespace_selector.requirements}
        and {*wide.object_selector.requirements} <= {*narrow.object_selector.requirements}
        and compare.all_covered(wide.images, narrow.images)
        and compare.all_covered(narrow.excluded_images, wide.excluded_images)
    )


def _taken_back(policy: Policy, other: Policy, compare: Comparer) -> Iterator[LintWarning]:
    """Find what a policy allows, and another one that refuses never does."""
    theirs = [rule for rule in other.rules if isinstance(rule, AllowedRegistries)]
    deny = (*(each for rule in theirs for each in rule.deny), *denied_for_good(other))
    for rule in policy.rules:
        if not isinstance(rule, AllowedRegistries) or not rule.allow:
            continue
        path = rule_path(rule.id, "allow")
        if any(each.allow and compare.apart(each.allow, rule.allow) for each in theirs):
            text = f"policy {other.name} allows none of this, so no image can satisfy both"
            yield LintWarning(policy.name, LintCode.CONTRADICTION, path, text)
            continue
        for index, pattern in enumerate(rule.allow):
            if (by := compare.covering(deny, pattern)) is not None:
                text = f'"{pattern}" allows nothing: policy {other.name} denies "{by}"'
            elif any(each.allow and compare.apart(each.allow, [pattern]) for each in theirs):
                text = f'"{pattern}" allows nothing: policy {other.name} does not allow it'
            else:
                continue
            yield LintWarning(policy.name, LintCode.CONTRADICTION, (*path, index), text)


def _denies_everywhere(policy: Policy) -> bool:
    """Whether it denies in Pods whatever their namespace is."""
    actions = (policy.actions, *(each.actions for each in policy.action_overrides))
    return all(Action.DENY in each for each in actions)


def _says_as_much(strong: Policy, weak: Policy) -> bool:
    """Whether what one policy does about a finding leaves nothing for the other one to do."""
    refuses = Action.DENY in strong.actions and strong.templates in {None, TemplateAction.DENY}
    heard = refuses or weak.actions <= strong.actions
    return heard and strong.failure_policy in {FailurePolicy.FAIL, weak.failure_policy}


def _said_again(
    policy: Policy, other: Policy, compare: Comparer, *, spare_equals: bool
) -> Iterator[LintWarning]:
    """Find what another policy asks for already; it is one warning where that is all."""
    again = [
        rule
        for rule in policy.rules
        if any(
            _asks_as_much(theirs, rule, compare)
            and not (spare_equals and _asks_as_much(rule, theirs, compare))
            for theirs in other.rules
        )
    ]
    by = f"policy {other.name} asks for at least as much wherever this one applies"
    if len(again) == len(policy.rules):
        text = f"the policy changes nothing: {by}"
        yield LintWarning(policy.name, LintCode.POINTLESS, ("metadata", "name"), text)
        return
    for rule in again:
        text = f"the rule changes nothing: {by}"
        yield LintWarning(policy.name, LintCode.POINTLESS, rule_path(rule.id), text)


def _asks_as_much(strong: Rule, weak: Rule, compare: Comparer) -> bool:
    """Whether every image that the second rule refuses is certainly refused by the first."""
    if strong == weak:
        return True
    if isinstance(strong, AllowedRegistries) and isinstance(weak, AllowedRegistries):
        return _allows_no_more(strong, weak, compare)
    if isinstance(strong, PinnedTags) and isinstance(weak, PinnedTags):
        return _pins_as_much(strong, weak)
    if isinstance(strong, PullSecrets) and isinstance(weak, PullSecrets):
        alike = replace(strong, require_for=weak.require_for) == weak
        return alike and compare.all_covered(strong.require_for, weak.require_for)
    return False


def _allows_no_more(strong: AllowedRegistries, weak: AllowedRegistries, compare: Comparer) -> bool:
    if weak.allow and not strong.allow:
        return False
    return (not weak.allow or compare.all_covered(weak.allow, strong.allow)) and (
        compare.all_covered(strong.deny, weak.deny)
    )


def _pins_as_much(strong: PinnedTags, weak: PinnedTags) -> bool:
    if strong.floating is None:
        return True
    listed = strong.floating
    return weak.floating is not None and all(
        any(covers_tags(each, tag) for each in listed) for tag in weak.floating
    )
