"""What documents are called, and the forms of names in them."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from landwaiter.manifests.names import NAMESPACE_SCHEMA, is_dns_label, is_dns_subdomain
from landwaiter.policy.match_models import LabelKey, LabelValue
from landwaiter.rules.settings import Settings


def _policy_name(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError(
            f'"{text:.100}" given, at most 253 lower-case letters, digits, "-" and "." are wanted'
        )
    return text


class Metadata(Settings):
    """What the policy is called."""

    name: Annotated[str, AfterValidator(_policy_name)]
    """The name that every message and metric about the policy gives; each policy has its own."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels for tools that deploy the policy; they are checked, and decide nothing."""
    annotations: dict[LabelKey, str] = Field(default_factory=dict)
    """Annotations for tools that deploy the policy; they are checked, and decide nothing."""


def _namespace_name(text: str) -> str:
    if not is_dns_label(text):
        raise ValueError(f'"{text:.100}" given, the name of a namespace is wanted')
    return text


NamespaceName = Annotated[str, AfterValidator(_namespace_name), WithJsonSchema(NAMESPACE_SCHEMA)]


class NamespacedMetadata(Metadata):
    """What the policy is called, and the namespace that it is for."""

    namespace: NamespaceName
    """The namespace whose images it is about; messages and metrics say `namespace/name`."""
