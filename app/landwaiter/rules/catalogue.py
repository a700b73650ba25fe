"""
All rules there are, one line each, by the id under which they stand in a policy.

The id of a rule is the camelCase of its file's name; the catalogue checks that when it is made,
so that code, fixtures, pages and metrics cannot come to differ.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, get_type_hints

from pydantic.alias_generators import to_camel

from landwaiter.rules.allowed_registries import AllowedRegistriesSettings
from landwaiter.rules.attestations import AttestationsSettings
from landwaiter.rules.cosign_signatures import CosignSignaturesSettings
from landwaiter.rules.denied_images import DeniedImagesSettings
from landwaiter.rules.image_limits import ImageLimitsSettings
from landwaiter.rules.non_root_user import NonRootUserSettings
from landwaiter.rules.pinned_tags import PinnedTagsSettings
from landwaiter.rules.platforms import PlatformsSettings
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.pull_policy import PullPolicySettings
from landwaiter.rules.pull_secrets import PullSecretsSettings
from landwaiter.rules.read_only_root_filesystem import ReadOnlyRootFilesystemSettings
from landwaiter.rules.settings import RuleSettings
from landwaiter.workloads.changes import READABLE_FIELDS


def catalogue_of(*settings: type[RuleSettings]) -> Mapping[RuleId, type[RuleSettings]]:
    """
    Return the settings by the ids of their rules, in the order of the ids.

    Raises `TypeError` for a rule that is named otherwise than its file or is given twice, or that
    reads a field that no workload has.
    """
    found: dict[RuleId, type[RuleSettings]] = {}
    for each in settings:
        rule = get_type_hints(each.rule)["return"]
        wanted = to_camel(each.__module__.rpartition(".")[2])
        if rule.id != wanted:
            raise TypeError(f"{each.__name__}: rule id {rule.id!r} given, {wanted!r} wanted")
        if wanted in found:
            raise TypeError(f"{each.__name__}: rule {wanted!r} is given twice, once wanted")
        if unknown := sorted(rule.reads - READABLE_FIELDS):
            raise TypeError(f"{each.__name__}: reads {unknown}, which no workload has")
        found[rule.id] = each
    return MappingProxyType(dict(sorted(found.items())))


CATALOGUE: Final = catalogue_of(
    AllowedRegistriesSettings,
    AttestationsSettings,
    CosignSignaturesSettings,
    DeniedImagesSettings,
    ImageLimitsSettings,
    NonRootUserSettings,
    PinnedTagsSettings,
    PlatformsSettings,
    PullPolicySettings,
    PullSecretsSettings,
    ReadOnlyRootFilesystemSettings,
)
