"""Schemas of models as structural schemas."""

from typing import Any

import pytest

from landwaiter.policy.crd import RESOURCE_KINDS, definition_of, structural


def schema_of(definition: dict[str, Any]) -> dict[str, Any]:
    (version,) = definition["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def undescribed(schema: dict[str, Any], path: str = "") -> list[str]:
    """Return the fields that have no description."""
    found = []
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        found += [] if field.get("description") else [where]
        found += undescribed(field, where)
        found += undescribed(field.get("items", {}), f"{where}[]")
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "string", "title": "X"}, {"type": "string"}),
        ({"const": "a", "type": "string"}, {"enum": ["a"], "type": "string"}),
        (
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}], "default": None},
            {"type": "string", "maxLength": 3},
        ),
        (
            {"type": "string", "minLength": 1, "default": ""},
            {"type": "string", "minLength": 1},
        ),
        ({"$ref": "#/$defs/T", "default": "x"}, {"type": "string", "default": "x"}),
        (
            {"type": "object", "additionalProperties": False, "properties": {}},
            {"type": "object", "properties": {}},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string", "title": "V"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        (
            {"type": "integer", "exclusiveMinimum": 0},
            {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        ),
        (
            {"type": "string", "description": "One\nsentence.\n\nAnd\nmore."},
            {"type": "string", "description": "One sentence.\n\nAnd more."},
        ),
        (
            {
                "type": "object",
                "patternProperties": {"^a$": {"type": "string"}},
                "propertyNames": {"maxLength": 9},
            },
            {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "x-kubernetes-validations": [
                    {
                        "rule": 'self.all(key, size(key) <= 9 && key.matches("^a$"))',
                        "message": "keys of at most 9 characters that match ^a$ wanted",
                    }
                ],
            },
        ),
        (
            {"type": "array", "items": {"$ref": "#/$defs/T"}},
            {"type": "array", "items": {"type": "string"}},
        ),
    ],
)
def test_each_shape_is_carried_over(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """References, nulls, constants and exclusive bounds become what the API server knows."""
    assert expected == structural(given, {"T": {"type": "string", "title": "T"}})


@pytest.mark.parametrize(
    "given",
    [
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"oneOf": [{"type": "string"}]},
        {"type": "array", "prefixItems": []},
        {"enum": ["a"]},
    ],
)
def test_a_shape_without_counterpart_is_refused(given: dict[str, Any]) -> None:
    """No field of a model is left unchecked for want of a translation."""
    with pytest.raises(TypeError):
        structural(given, {})


@pytest.mark.parametrize("resource", RESOURCE_KINDS, ids=lambda each: each.kind)
def test_every_field_is_described(resource: Any) -> None:  # noqa: ANN401
    """`kubectl explain` has a sentence for each field of the document."""
    spec = schema_of(definition_of(resource))["properties"]["spec"]

    assert [] == undescribed(spec)
