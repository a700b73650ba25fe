"""
The CustomResourceDefinitions of the policy documents, generated from their models.

The API server's schemas are structural: no references, no alternatives, one type at each place.
What a model says otherwise is carried over: an optional field loses its null, a constant becomes
an enumeration of one, fields that a model refuses are pruned (the API server refuses or warns of
them by itself, as the client asks). A shape that cannot be carried over is a `TypeError`, so
that no field is quietly left unchecked. What spans fields is in CEL rules, which the models bring
along as `x-kubernetes-validations`.

Source: kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions,
"Specifying a structural schema" (read 2026-11-24).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from landwaiter.policy.documents import schema_of
from landwaiter.policy.exception_models import ImagePolicyException
from landwaiter.policy.models import API_VERSION, ClusterImagePolicy, ImagePolicy
from landwaiter.policy.texts import TellingSchema
from landwaiter.rules.settings import Settings

CATEGORY: Final = "landwaiter"

_KEPT: Final = frozenset(
    {"type", "enum", "default", "format", "pattern", "required", "minimum", "maximum"}
    | {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
    | {"x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-map-type"}
)
_CARRIED: Final = frozenset(
    {"$ref", "anyOf", "const", "title", "description", "properties", "items"}
    | {"additionalProperties", "exclusiveMinimum", "exclusiveMaximum"}
    | {"patternProperties", "propertyNames"}
)
_OMITTED: Final = frozenset({"apiVersion", "kind", "metadata"})
"""Fields of every object, which the API server checks itself."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; `priority` 1 is shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """A kind of document as a resource of the cluster; `has_status` where its status is written."""

    model: type[Settings]
    plural: str
    scope: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    has_status: bool = True

    @property
    def kind(self) -> str:
        """Return what documents call it."""
        return self.model.__name__

    @property
    def name(self) -> str:
        """Return the name of its definition."""
        return f"{self.plural}.{API_VERSION.partition('/')[0]}"


READY: Final = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")

RESOURCE_KINDS: Final = (
    ResourceKind(
        ClusterImagePolicy,
        "clusterimagepolicies",
        "Cluster",
        ("cip",),
        (
            Column("Actions", ".spec.validationActions"),
            Column("Rules", ".status.rules"),
            Column("Images", ".spec.match.images", priority=1),
            READY,
            AGE,
        ),
    ),
    ResourceKind(
        ImagePolicy,
        "imagepolicies",
        "Namespaced",
        ("imgpol",),
        (
            Column("Actions", ".spec.validationActions"),
            Column("Rules", ".status.rules"),
            Column("Images", ".spec.match.images", priority=1),
            READY,
            AGE,
        ),
    ),
    ResourceKind(
        ImagePolicyException,
        "imagepolicyexceptions",
        "Namespaced",
        ("imgexc",),
        (
            Column("Policies", ".spec.policies[*].name"),
            Column("Images", ".spec.images", priority=1),
            Column("Requested By", ".spec.requestedBy"),
            Column("Expires", ".spec.expires"),
            READY,
            AGE,
        ),
    ),
)
"""Whatever can be written, in the order of the documentation."""


def definition_of(resource: ResourceKind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind of document."""
    group, _, version = API_VERSION.partition("/")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.name},
        "spec": {
            "group": group,
            "scope": resource.scope,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": list(resource.short_names),
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    **({"subresources": {"status": {}}} if resource.has_status else {}),
                    "additionalPrinterColumns": [_printed(each) for each in resource.columns],
                    "schema": {"openAPIV3Schema": _document_schema(resource)},
                }
            ],
        },
    }


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a JSON schema of pydantic's as a structural schema.

    Raises `TypeError` for what has no counterpart.
    """
    if unknown := sorted(set(schema) - _KEPT - _CARRIED):
        raise TypeError(f"{unknown} in a schema, which no structural schema can say")
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return structural(
            {**target, **{k: v for k, v in schema.items() if k != "$ref"}}, definitions
        )
    if "anyOf" in schema:
        return structural(_without_null(schema), definitions)
    found = {key: value for key, value in schema.items() if key in _KEPT}
    if "default" in found and _stands_for_nothing(found):
        del found["default"]
    if "const" in schema:
        found["enum"] = [schema["const"]]
    if "description" in schema:
        found["description"] = _flowing(schema["description"])
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            found |= {bound: schema[exclusive], exclusive: True}
    return found | _parts(schema, definitions)


def _stands_for_nothing(schema: Mapping[str, Any]) -> bool:
    """Whether a default is what a field has that was left out, and nobody could write."""
    default = schema["default"]
    return default is None or (default == "" and schema.get("minLength", 0) > 0)


def _parts(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of what is inside a list or a mapping."""
    found: dict[str, Any] = {}
    if "items" in schema:
        found["items"] = structural(schema["items"], definitions)
    if "properties" in schema:
        found["properties"] = {
            name: structural(each, definitions) for name, each in schema["properties"].items()
        }
    if isinstance(values := schema.get("additionalProperties"), Mapping):
        found["additionalProperties"] = structural(values, definitions)
    if "patternProperties" in schema:
        found |= _with_named_keys(schema, definitions)
    if "type" not in schema:
        raise TypeError(f"a schema without type: {sorted(schema)}")
    return found


def _with_named_keys(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a mapping whose keys have a form, which only CEL can say."""
    ((pattern, values),) = schema["patternProperties"].items()
    longest = schema["propertyNames"]["maxLength"]
    has_form = f"size(key) <= {longest} && key.matches({json.dumps(pattern)})"
    return {
        "additionalProperties": structural(values, definitions),
        "x-kubernetes-validations": [
            {
                "rule": f"self.all(key, {has_form})",
                "message": f"keys of at most {longest} characters that match {pattern} wanted",
            }
        ],
    }


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    choices = [each for each in schema["anyOf"] if each != {"type": "null"}]
    if len(choices) != 1:
        raise TypeError(f"{len(choices)} alternatives, which no structural schema can say")
    return {**choices[0], **{key: value for key, value in schema.items() if key != "anyOf"}}


def _flowing(text: str) -> str:
    """Return a docstring as `kubectl explain` shows it best: a line a paragraph."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _document_schema(resource: ResourceKind) -> dict[str, Any]:
    schema = dict(schema_of(resource.model, TellingSchema))
    definitions = schema.pop("$defs", {})
    found = structural(schema, definitions)
    properties = {name: each for name, each in found["properties"].items() if name not in _OMITTED}
    required = [name for name in found["required"] if name not in _OMITTED]
    status = _STATUS_SCHEMA if resource.has_status else {}
    return {**found, "properties": {**properties, **status}, "required": required}


def _printed(column: Column) -> dict[str, Any]:
    printed: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        printed["priority"] = column.priority
    return printed


def _count(description: str) -> dict[str, Any]:
    return {"description": description, "type": "integer", "format": "int64"}


_TIME: Final = {"type": "string", "format": "date-time"}
_STATUS_SCHEMA: Final[Mapping[str, Any]] = {
    "status": {
        "description": "What Landwaiter has made of the document; nobody else writes it.",
        "type": "object",
        "properties": {
            "observedGeneration": {
                "description": "The generation that the status is about.",
                "type": "integer",
                "format": "int64",
            },
            "rules": {
                "description": "The rules that are in force of it.",
                "type": "array",
                "items": {"type": "string"},
            },
            "counts": {
                "description": "How much there is of what; what does not apply is left out.",
                "type": "object",
                "properties": {
                    "rules": _count("Rules that are in force of a policy."),
                    "exceptions": _count("Exceptions that name a policy and have not ended."),
                    "warnings": _count("What the linter has to say about a policy."),
                    "policies": _count("Policies of the cluster in force that an exception names."),
                },
            },
            "conditions": {
                "description": (
                    "Ready: this generation is in force. Degraded: it does not load, and the "
                    "last good one is in force, or none. Warning: the linter has something to say, "
                    "which changes neither of the others."
                ),
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
                    "properties": {
                        "type": {"type": "string"},
                        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                        "observedGeneration": {"type": "integer", "format": "int64"},
                        "lastTransitionTime": _TIME,
                        "reason": {"type": "string"},
                        "message": {"type": "string"},
                    },
                },
            },
        },
    }
}
