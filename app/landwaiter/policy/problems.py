"""
What is wrong with a policy document, in one sentence for each field.

A sentence names the field, the value seen and the value wanted. Long texts are counted and not
quoted: a key may have been pasted into the wrong place.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from landwaiter.policy.models import ClusterImagePolicy

FieldPath: TypeAlias = tuple[str | int, ...]

_QUOTED_MAX_CHARACTERS = 60
_TYPES = {
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "boolean": "true or false",
    "integer": "a whole number",
}
_IDENTITY = {
    "kind": "; a file that policies name goes into a folder below, or has another suffix",
    "apiVersion": "",
}
_BOUNDS = {
    "too_short": ("at least", "min_length", ""),
    "too_long": ("at most", "max_length", ""),
    "string_too_short": ("at least", "min_length", " characters"),
    "string_too_long": ("at most", "max_length", " characters"),
}
_NUMBERS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def problems_of(value: object) -> Iterator[tuple[FieldPath, str]]:
    """Give what is wrong with a document before its fields can be compared with the model's."""
    if not isinstance(value, dict):
        yield (), f"{_seen(value)} given, a mapping wanted"
        return
    for field, hint in _IDENTITY.items():
        if value.get(field) != _schema_at((field,))["const"]:
            seen = _seen(value[field]) if field in value else "nothing"
            yield (field,), f"{seen} given, {_wanted((field,))} wanted{hint}"
            return
    for path in _nulls(value, ()):
        yield path, f"null given, {_wanted(path)} wanted, or no such line"


def sentences(failure: ValidationError) -> Iterator[tuple[FieldPath, str]]:
    """Give each failed field with what was seen and what is wanted."""
    for error in failure.errors(include_url=False):
        path = tuple(step for step in error["loc"] if step != "[key]")
        yield path, _sentence(path, error)


def written(path: FieldPath) -> str:
    """Return a path as people write it: `spec.match.images[0]`, `matchLabels["a/b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step[:_QUOTED_MAX_CHARACTERS])}]"
    return text


def _sentence(path: FieldPath, error: ErrorDetails) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind in _BOUNDS:
        bound, key, unit = _BOUNDS[kind]
        seen = f"{len(value)}{unit}"
        return f"{seen} given, {bound} {context[key]} wanted"
    if kind in _NUMBERS:
        bound, key = _NUMBERS[kind]
        return f"{_seen(value)} given, {bound} {context[key]} wanted"
    seen = "nothing" if kind == "missing" else _seen(value)
    if kind == "string_pattern_mismatch":
        return f"{seen} given, text that matches {context['pattern']} wanted"
    wanted = _wanted(path)
    hint = "; write it in quotes" if wanted == "text" and isinstance(value, int | float) else ""
    return f"{seen} given, {wanted} wanted{hint}"


def _unknown(path: FieldPath) -> str:
    known = list(_schema_at(path[:-1]).get("properties", {}))
    if near := get_close_matches(str(path[-1]), known, n=1):
        return f'no such field; did you mean "{near[0]}"?'
    return f"no such field; there are {', '.join(known)}"


def _nulls(value: object, path: FieldPath) -> Iterator[FieldPath]:
    """
    Give the paths of all nulls.

    A line whose value was forgotten would otherwise count as left out, and mean its default.
    """
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _nulls(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _nulls(each, (*path, index))


def _seen(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > _QUOTED_MAX_CHARACTERS or not text.isprintable() or "PRIVATE KEY" in text:
        return f"a text of {len(str(value))} characters"
    return text


def _wanted(path: FieldPath) -> str:
    schema = _schema_at(path)
    choices: Sequence[str] = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if choices:
        quoted = [f'"{choice}"' for choice in choices]
        return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)
    return _TYPES.get(schema.get("type", ""), "a value")


@cache
def _schema() -> Mapping[str, Any]:
    return ClusterImagePolicy.model_json_schema(by_alias=True)


def _schema_at(path: FieldPath) -> Mapping[str, Any]:
    """Return the JSON schema of a field, empty where there is no such field."""
    schema = _resolved(_schema())
    for step in path:
        if isinstance(step, int):
            schema = _resolved(schema.get("items", {}))
        elif step in schema.get("properties", {}):
            schema = _resolved(schema["properties"][step])
        else:
            schema = _resolved(schema.get("additionalProperties") or {})
    return schema


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema
