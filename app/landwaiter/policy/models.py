"""
The policy documents that admins write: one model for files, for a check, and for the schema.

A document that would decide nothing, or less than it says, is refused with the reason: an empty
list of images or rules, a template action that does not soften, a pattern that whoever writes a
Pod could step out of. docs/policies.md tells what each field means.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias, cast

from pydantic import AfterValidator, ConfigDict, Field, create_model, model_validator

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.action_models import ActionOverrideSettings, Actions
from landwaiter.policy.condition_models import CONDITIONS_MAX, ConditionSettings
from landwaiter.policy.match_models import ClusterMatchSettings, MatchSettings, subjects_of
from landwaiter.policy.matching import EVERYTHING, Policy, TemplateAction
from landwaiter.policy.metadata_models import Metadata, NamespacedMetadata
from landwaiter.policy.stale_models import VERIFYING, StaleField, seconds_of
from landwaiter.policy.tenants import beyond_namespace
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.named_expressions import distinct_names
from landwaiter.rules.protocol import Rule
from landwaiter.rules.settings import RuleSettings, Settings, in_cel
from landwaiter.rules.verdict import Action, FailurePolicy

API_VERSION = "landwaiter.dev/v1alpha1"

OVERRIDES_MAX = 20


class _Rules(Settings):
    """What images must be like; all rules that are given must admit an image."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _decides_something(self) -> Self:
        if not self.given():
            raise ValueError(f"no rule given, at least one of {', '.join(CATALOGUE)} is wanted")
        return self

    def given(self) -> tuple[tuple[str, RuleSettings], ...]:
        """Return the ids and settings of the rules that are given, in the order of the ids."""
        settings = ((rule_id, getattr(self, rule_id)) for rule_id in CATALOGUE)
        return tuple((rule_id, each) for rule_id, each in settings if each is not None)


def _rules_model() -> type[_Rules]:
    fields: dict[str, Any] = {
        rule_id: (
            settings | None,
            Field(default=None, alias=rule_id, description=(settings.__doc__ or "").strip()),
        )
        for rule_id, settings in CATALOGUE.items()
    }
    model = create_model("RulesSettings", __base__=_Rules, __doc__=_Rules.__doc__, **fields)
    return cast("type[_Rules]", model)


if TYPE_CHECKING:
    RulesSettings: TypeAlias = _Rules
else:
    RulesSettings = _rules_model()


class PolicySpec(Settings):
    """What the policy asks for, of which images, and what it does about those that fail."""

    model_config = ConfigDict(
        json_schema_extra=in_cel(
            (
                (
                    "!has(self.templates) || self.templates != 'Deny' || "
                    "'Deny' in self.validationActions"
                ),
                "templates: Deny wants Deny in validationActions",
            ),
            (
                (
                    "!has(self.templates) || self.templates != 'Warn' || "
                    "self.validationActions != ['Audit']"
                ),
                "templates: Warn wants Deny or Warn in validationActions",
            ),
        )
    )

    validation_actions: Actions
    """
    What is done about an image that a rule refuses, as in ValidatingAdmissionPolicy.

    `[Deny]` refuses the request, `[Warn]` warns the person who made it, `[Audit]` leaves an audit
    annotation; `[Deny, Audit]` and `[Warn, Audit]` do both. Deny and Warn do not go together.
    There is no default: neither a refusal nor an admission should come from leaving a line out.
    """
    failure_policy: Annotated[FailurePolicy, Field(strict=False)] = FailurePolicy.FAIL
    """
    What becomes of an image about which a rule could not find out, with `Deny`.

    `Fail` refuses the request until it can be found out; `Ignore` admits it with a warning.
    """
    templates: Annotated[TemplateAction, Field(strict=False)] | None = None
    """
    What is done about findings in Pod templates; by default the same as in Pods.

    `Warn` only warns and `Skip` does not look; the Pods made from them are judged in any case. It
    only softens: `Deny` needs a policy that denies, `Warn` one that denies or warns.
    """
    match: MatchSettings = Field(default_factory=MatchSettings)
    """What the policy is about; by default every image."""
    match_conditions: Annotated[list[ConditionSettings], AfterValidator(distinct_names)] = Field(
        default_factory=list, min_length=1, max_length=CONDITIONS_MAX
    )
    """
    Expressions that must all be true for the policy to apply; the policy does not if one is false.

    One that can be neither leaves the policy undecided, so `failurePolicy: Ignore` does not go with
    them: whoever writes an object can often make an expression fail. In an ImagePolicy it refuses.
    """
    rules: RulesSettings
    """What images must be like: at least one rule."""

    @property
    def all_actions(self) -> set[Action]:
        """Everything that the policy may do about a finding."""
        return set(self.validation_actions)

    @model_validator(mode="after")
    def _templates_only_soften(self) -> Self:
        if self.templates is TemplateAction.DENY and Action.DENY not in self.all_actions:
            raise ValueError("templates: Deny given, but validationActions does not give Deny")
        if self.templates is TemplateAction.WARN and self.all_actions == {Action.AUDIT}:
            raise ValueError("templates: Warn given, but validationActions gives only Audit")
        return self

    @model_validator(mode="after")
    def _users_are_met_in_templates(self) -> Self:
        if self.match.users and self.templates in {TemplateAction.WARN, TemplateAction.SKIP}:
            raise ValueError(
                f"match.users and templates: {self.templates} given, one of them is wanted: "
                "a controller asks for the Pods of templates, so they would never be judged"
            )
        return self

    @model_validator(mode="after")
    def _conditions_fail_closed(self) -> Self:
        if self.match_conditions and self.failure_policy is FailurePolicy.IGNORE:
            raise ValueError(
                "matchConditions and failurePolicy: Ignore given, one of them is wanted: "
                "whoever writes an object can make an expression fail, and would pass"
            )
        return self

    def policy(self, name: str, folder: Path) -> Policy:
        """Return the policy as it is applied. Raises `InvalidPolicy`, as its document does."""
        match = self.match
        return Policy(
            name=name,
            actions=frozenset(self.validation_actions),
            failure_policy=self.failure_policy,
            templates=self.templates,
            namespace_selector=EVERYTHING,
            object_selector=match.object_selector.selector(),
            images=tuple(match.images),
            rules=tuple(_rule(rule_id, each, folder) for rule_id, each in self.rules.given()),
            excluded_images=tuple(match.exclude_images),
            operations=frozenset(match.operations),
            users=subjects_of(match.users) if match.users else None,
            excluded_users=subjects_of(match.exclude_users),
            conditions=tuple(each.condition() for each in self.match_conditions),
        )


_ELSEWHERE: Final = "(has(self.actionOverrides) && self.actionOverrides.exists(each, %s))"


class ClusterPolicySpec(PolicySpec):
    """What the policy asks for, of which images, and what it does about those that fail."""

    model_config = ConfigDict(
        json_schema_extra=in_cel(
            (
                "!has(self.templates) || self.templates != 'Deny' || "
                "'Deny' in self.validationActions || "
                + _ELSEWHERE
                % "'Deny' in each.validationActions",
                "templates: Deny wants Deny in validationActions",
            ),
            (
                "!has(self.templates) || self.templates != 'Warn' || "
                "self.validationActions != ['Audit'] || "
                + _ELSEWHERE
                % "each.validationActions != ['Audit']",
                "templates: Warn wants Deny or Warn in validationActions",
            ),
            (
                (
                    "!has(self.staleIfUndecided) || has(self.rules.cosignSignatures) || "
                    "has(self.rules.attestations)"
                ),
                "staleIfUndecided wants cosignSignatures or attestations",
            ),
        )
    )

    action_overrides: list[ActionOverrideSettings] = Field(
        default_factory=list, min_length=1, max_length=OVERRIDES_MAX
    )
    """
    Other actions for some namespaces; the first entry that selects the namespace counts.

    Where the namespace's labels cannot be read, the policy is undecided, as one that denies if any
    of the actions that it may have there is Deny.
    """
    stale_if_undecided: StaleField | None = None
    """
    How long what was verified admits an image while finding out is impossible: `24h`.

    Only an image that is written with its digest, and that was verified under the same key and
    settings; the time runs from the last success. By default nothing is admitted so.
    """
    match: ClusterMatchSettings = Field(default_factory=ClusterMatchSettings)
    """What the policy is about; by default every image everywhere."""

    @property
    def all_actions(self) -> set[Action]:
        """Everything that the policy may do about a finding, wherever that is."""
        lists = (each.validation_actions for each in self.action_overrides)
        return {*self.validation_actions, *(action for actions in lists for action in actions)}

    @model_validator(mode="after")
    def _something_is_verified(self) -> Self:
        rules = {rule_id for rule_id, _ in self.rules.given()}
        if self.stale_if_undecided is not None and not rules & VERIFYING:
            wanted = " or ".join(sorted(VERIFYING))
            raise ValueError(f"staleIfUndecided given, but nothing is verified: {wanted} wanted")
        return self

    def policy(self, name: str, folder: Path) -> Policy:
        """Return the policy as it is applied. Raises `InvalidPolicy`, as its document does."""
        stale = self.stale_if_undecided
        return replace(
            super().policy(name, folder),
            namespace_selector=self.match.namespace_selector.selector(),
            action_overrides=tuple(each.override() for each in self.action_overrides),
            stale_within_seconds=None if stale is None else seconds_of(stale),
        )


def _rule(rule_id: str, settings: RuleSettings, folder: Path) -> Rule:
    try:
        return settings.rule(folder)
    except InvalidPolicy as problem:
        raise InvalidPolicy(f"spec.rules.{rule_id}.{problem}") from problem


class PolicyDocument(Settings):
    """What all documents of policies have in common."""

    api_version: Literal["landwaiter.dev/v1alpha1"]
    """The version of the document's form."""
    metadata: Metadata
    """What the policy is called."""
    spec: PolicySpec
    """What it asks for."""

    def policy(self, folder: Path) -> Policy:
        """
        Return the policy as it is applied; files that rules name are taken from `folder`.

        Raises `InvalidPolicy`, whose message begins with the path of a field.
        """
        return self.spec.policy(self.metadata.name, folder)


class ClusterImagePolicy(PolicyDocument):
    """A policy for the images of a whole cluster."""

    kind: Literal["ClusterImagePolicy"]
    """The kind of document."""
    spec: ClusterPolicySpec
    """What it asks for."""


class ImagePolicy(PolicyDocument):
    """
    A policy for the images of its own namespace.

    It only adds restrictions: nothing in it lifts those of another policy.
    """

    kind: Literal["ImagePolicy"]
    """The kind of document."""
    metadata: NamespacedMetadata
    """What the policy is called, and the namespace that it is for."""

    def policy(self, folder: Path) -> Policy:
        """
        Return the policy as it is applied.

        Raises `InvalidPolicy`, whose message begins with the path of a field, also where the
        policy reaches beyond its namespace.
        """
        namespace = self.metadata.namespace
        for rule_id, settings in self.spec.rules.given():
            for path, text in beyond_namespace(settings, namespace):
                raise InvalidPolicy(f"spec.rules.{rule_id}.{path}: {text}")
        name = f"{namespace}/{self.metadata.name}"
        return replace(self.spec.policy(name, folder), namespace=namespace)
