"""What the linter says about one policy, whatever others there are."""

from collections.abc import Iterator, Sequence
from typing import Final

from landwaiter.images.coverage import covers, covers_tags
from landwaiter.images.patterns import EVERYTHING, ImagePattern
from landwaiter.policy.lint_warnings import Comparer, LintCode, LintWarning
from landwaiter.policy.matching import Operator, Policy
from landwaiter.policy.problems import FieldPath
from landwaiter.policy.stale_models import VERIFYING
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.denied_images import DeniedImages
from landwaiter.rules.pinned_tags import LATEST, PinnedTags
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.verdict import Action

FIXED_LABELS_MIN: Final = 2
"""Labels at the end of a host that have no star: whoever owns `*.example.com` is known."""

PUBLIC_HOSTS: Final = tuple(
    map(
        ImagePattern.parse,
        (
            *("docker.io", "quay.io", "ghcr.io", "gcr.io", "*.gcr.io", "public.ecr.aws"),
            *("registry.gitlab.com", "registry.*.aliyuncs.com", "registry-vpc.*.aliyuncs.com"),
        ),
    )
)
"""Registries on which everybody can have an account; the list is a hint and needs no upkeep."""

_MATCH_IMAGES: Final = ("spec", "match", "images")
_STALE: Final = ("spec", "staleIfUndecided")

STALE_ADVISED_HOURS: Final = 168
"""A week: longer than outages of registries last."""


def of_one(policy: Policy, compare: Comparer) -> Iterator[LintWarning]:
    """Give the warnings about a policy, in the order of its fields."""
    yield from _opt_in(policy)
    yield from _stale(policy)
    yield from _covered_twice(policy, policy.images, _MATCH_IMAGES, compare)
    for rule in policy.rules:
        if isinstance(rule, AllowedRegistries):
            yield from _of_registries(policy, rule, compare)
        elif isinstance(rule, PinnedTags):
            yield from _of_tags(policy, rule)
        elif isinstance(rule, PullSecrets):
            for name, patterns in (("requireFor", rule.require_for), ("forbidIn", rule.forbid_in)):
                path = rule_path(rule.id, name)
                yield from _covered_twice(policy, patterns, path, compare)
                yield from _not_about(policy, patterns, path, compare)
        elif isinstance(rule, DeniedImages):
            for index, denial in enumerate(rule.denials):
                path = rule_path(rule.id, "entries", index, "images")
                yield from _covered_twice(policy, denial.images, path, compare)
                yield from _not_about(policy, denial.images, path, compare)


def rule_path(rule: RuleId, *fields: str | int) -> FieldPath:
    """Return the path of a field in the settings of a rule."""
    return ("spec", "rules", str(rule), *fields)


def denied_for_good(policy: Policy) -> tuple[ImagePattern, ...]:
    """Return the patterns of everything that a policy denies, whatever the time is."""
    return tuple(
        pattern
        for rule in policy.rules
        if isinstance(rule, DeniedImages)
        for denial in rule.denials
        if denial.expires is None
        for pattern in denial.images
    )


def _opt_in(policy: Policy) -> Iterator[LintWarning]:
    """Find selectors by which a policy that refuses can be avoided."""
    actions = (policy.actions, *(each.actions for each in policy.action_overrides))
    if not any(Action.DENY in each for each in actions):
        return
    if requirements := policy.object_selector.requirements:
        steps_in = {Operator.IN, Operator.EXISTS} & {each.operator for each in requirements}
        text = (
            f"the policy refuses, and {'leaving a label out' if steps_in else 'a label'} is enough "
            "to avoid it, for whoever writes a Pod chooses its labels; select by namespace"
        )
        yield LintWarning(policy.name, LintCode.OPT_IN, ("spec", "match", "objectSelector"), text)
    if policy.users is not None:
        text = (
            "the policy refuses only what these users ask for themselves, and having a controller "
            "make the Pod is enough to avoid it; select by namespace"
        )
        yield LintWarning(policy.name, LintCode.OPT_IN, ("spec", "match", "users"), text)


def _stale(policy: Policy) -> Iterator[LintWarning]:
    """Find what was verified before and admits for too long, or not what it is meant to."""
    if (seconds := policy.stale_within_seconds) is None:
        return
    if seconds > STALE_ADVISED_HOURS * 3600:
        text = (
            f"whoever can keep the registry from answering has {seconds // 3600} h in which a "
            f"signature that was taken away still counts; {STALE_ADVISED_HOURS}h outlasts an outage"
        )
        yield LintWarning(policy.name, LintCode.OVER_BROAD, _STALE, text)
    if _lets_tags_in(policy):
        text = (
            "an image that is written without digest is not admitted by what was verified before, "
            "and the policy lets such images in; unpinned: Deny has all of them written with one"
        )
        yield LintWarning(policy.name, LintCode.POINTLESS, _STALE, text)


def _lets_tags_in(policy: Policy) -> bool:
    """Whether an image without digest can pass for all that the policy itself says."""
    if any(isinstance(rule, PinnedTags) and rule.floating is None for rule in policy.rules):
        return False
    return any(rule.id in VERIFYING and rule.unpinned == "Warn" for rule in policy.rules)


def _of_registries(
    policy: Policy, rule: AllowedRegistries, compare: Comparer
) -> Iterator[LintWarning]:
    allow, deny = rule_path(rule.id, "allow"), rule_path(rule.id, "deny")
    denied = denied_for_good(policy)
    broad = list(_over_broad(policy, rule, allow))
    yield from broad
    yield from _covered_twice(policy, rule.allow, allow, compare)
    yield from _covered_twice(policy, rule.deny, deny, compare)
    for index, pattern in enumerate(rule.allow):
        if (by := compare.covering((*rule.deny, *denied), pattern)) is not None:
            text = f'"{pattern}" allows nothing: "{by}" is denied, and deny wins over allow'
            yield LintWarning(policy.name, LintCode.CONTRADICTION, (*allow, index), text)
    if rule.allow and compare.apart(rule.allow, policy.images):
        text = "none of the images that the policy is about is allowed, so all of them are refused"
        yield LintWarning(policy.name, LintCode.CONTRADICTION, allow, text)
    else:
        yield from _not_about(policy, rule.allow, allow, compare)
    yield from _not_about(policy, rule.deny, deny, compare)
    if not broad and _refuses_nothing(policy, rule, compare):
        text = "every image that the policy is about is allowed, so the rule refuses none"
        yield LintWarning(policy.name, LintCode.POINTLESS, rule_path(rule.id), text)


def _refuses_nothing(policy: Policy, rule: AllowedRegistries, compare: Comparer) -> bool:
    denies_none = not rule.deny or compare.apart(rule.deny, policy.images)
    return denies_none and (not rule.allow or compare.all_covered(rule.allow, policy.images))


def _over_broad(policy: Policy, rule: AllowedRegistries, path: FieldPath) -> Iterator[LintWarning]:
    for index, pattern in enumerate(rule.allow):
        if (why := _broad(pattern)) is not None:
            text = f'"{pattern}" {why}; name what is yours'
            yield LintWarning(policy.name, LintCode.OVER_BROAD, (*path, index), text)


def _broad(pattern: ImagePattern) -> str | None:
    if str(pattern) == EVERYTHING:
        return "allows every image"
    written = str(pattern).partition("/")[0]
    host = ImagePattern.parse(written)
    if not covers(pattern, host):
        return None
    if any(covers(public, host) for public in PUBLIC_HOSTS):
        return "allows a whole registry on which everybody can have an account"
    labels = written.partition(":")[0].split(".")
    is_address = labels[0].isdigit() and all(each.isdigit() or each == "*" for each in labels)
    if not is_address and any("*" in label for label in labels[-FIXED_LABELS_MIN:]):
        return "allows hosts that anybody can own"
    return None


def _of_tags(policy: Policy, rule: PinnedTags) -> Iterator[LintWarning]:
    floating = [tag for tag in rule.floating or () if tag != LATEST]
    for tag in floating:
        by = next((each for each in floating if each != tag and covers_tags(each, tag)), None)
        if by is not None:
            text = f'"{tag}" changes nothing: "{by}" covers it'
            path = rule_path(rule.id, "floating")
            yield LintWarning(policy.name, LintCode.SHADOWED, path, text)


def _covered_twice(
    policy: Policy, patterns: Sequence[ImagePattern], path: FieldPath, compare: Comparer
) -> Iterator[LintWarning]:
    """Find patterns that another one of the same list covers; of two alike the later one."""
    for index, pattern in enumerate(patterns):
        by = compare.covering(patterns[:index], pattern) or next(
            (
                each
                for each in patterns[index + 1 :]
                if compare.covering([each], pattern) and not compare.covering([pattern], each)
            ),
            None,
        )
        if by is not None:
            text = f'"{pattern}" changes nothing: "{by}" covers it'
            yield LintWarning(policy.name, LintCode.SHADOWED, (*path, index), text)


def _not_about(
    policy: Policy, patterns: Sequence[ImagePattern], path: FieldPath, compare: Comparer
) -> Iterator[LintWarning]:
    for index, pattern in enumerate(patterns):
        if compare.apart([pattern], policy.images):
            text = f'"{pattern}" changes nothing: match.images has none of it'
            yield LintWarning(policy.name, LintCode.SHADOWED, (*path, index), text)
