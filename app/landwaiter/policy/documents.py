"""The kinds of documents there are, the schema of each, and policies as an install has them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pydantic.json_schema import GenerateJsonSchema

from landwaiter.policy.exception_models import ImagePolicyException
from landwaiter.policy.install import PolicyInstallSettings
from landwaiter.policy.matching import Policy
from landwaiter.policy.models import ClusterImagePolicy, ImagePolicy
from landwaiter.policy.tenants import check_services
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
def schema_of(
    model: type[Settings], generator: type[GenerateJsonSchema] = GenerateJsonSchema
) -> Mapping[str, Any]:
    """Return the JSON schema of a kind of document, without the fields that it must not give."""
    schema = model.model_json_schema(by_alias=True, schema_generator=generator)
    for each in (schema, *schema["$defs"].values()):
        properties = each.get("properties", {})
        for name, field in list(properties.items()):
            if field.pop(CLUSTER_ONLY, False) and model is not ClusterImagePolicy:
                del properties[name]
    return schema


def policy_of(
    document: ClusterImagePolicy | ImagePolicy, folder: Path, install: PolicyInstallSettings
) -> Policy:
    """Return the policy of a document. Raises `InvalidPolicy`, also as the install has it."""
    policy = document.policy(folder)
    check_services(document, install)
    return policy
