"""The kinds of documents there are, and the JSON schema of each."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from landwaiter.policy.exception_models import ImagePolicyException
from landwaiter.policy.models import ClusterImagePolicy, ImagePolicy
from landwaiter.rules.settings import CLUSTER_ONLY, Settings

DocumentModel: TypeAlias = type[ClusterImagePolicy] | type[ImagePolicy] | type[ImagePolicyException]

KINDS: Final[Mapping[str, DocumentModel]] = MappingProxyType(
    {
        "ClusterImagePolicy": ClusterImagePolicy,
        "ImagePolicy": ImagePolicy,
        "ImagePolicyException": ImagePolicyException,
    }
)


@cache
def schema_of(model: type[Settings]) -> Mapping[str, Any]:
    """Return the JSON schema of a kind of document, without the fields that it must not give."""
    schema = model.model_json_schema(by_alias=True)
    for each in (schema, *schema["$defs"].values()):
        properties = each.get("properties", {})
        for name, field in list(properties.items()):
            if field.pop(CLUSTER_ONLY, False) and model is not ClusterImagePolicy:
                del properties[name]
    return schema
