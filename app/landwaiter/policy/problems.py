"""
What is wrong with a policy document, in one sentence for each field.

A sentence names the field, the value seen and the value wanted. Long texts are counted and not
quoted: a key may have been pasted into the wrong place.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from landwaiter.policy.documents import KINDS, DocumentModel, schema_of
from landwaiter.policy.models import API_VERSION
from landwaiter.rules.settings import Settings

FieldPath: TypeAlias = tuple[str | int, ...]

_QUOTED_MAX_CHARACTERS = 60
_TYPES = {
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "boolean": "true or false",
    "integer": "a whole number",
}
_IDENTITY: Mapping[str, tuple[Sequence[str], str]] = {
    "kind": (
        tuple(KINDS),
        "; a file that policies name goes into a folder below, or has another suffix",
    ),
    "apiVersion": ((API_VERSION,), ""),
}
_BOUNDS = {
    "too_short": ("at least", "min_length", ""),
    "too_long": ("at most", "max_length", ""),
    "string_too_short": ("at least", "min_length", " characters"),
    "string_too_long": ("at most", "max_length", " characters"),
}
_NUMBERS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def model_of(value: object) -> DocumentModel | list[tuple[FieldPath, str]]:
    """Return the model of a document, or what keeps it from being compared with one."""
    if not isinstance(value, dict):
        return [((), f"{_seen(value)} given, a mapping wanted")]
    for field, (wanted, hint) in _IDENTITY.items():
        seen = value.get(field)
        if not isinstance(seen, str) or seen not in wanted:
            given = _seen(seen) if field in value else "nothing"
            return [((field,), f"{given} given, {_one_of(wanted)} wanted{hint}")]
    model = KINDS[value["kind"]]
    nulls = [
        (path, f"null given, {_wanted(model, path)} wanted, or no such line")
        for path in _nulls(value, ())
    ]
    return nulls or model


def sentences(model: type[Settings], failure: ValidationError) -> Iterator[tuple[FieldPath, str]]:
    """Give each failed field with what was seen and what is wanted."""
    for error in failure.errors(include_url=False):
        path = tuple(step for step in error["loc"] if step != "[key]")
        yield path, _printable(_sentence(model, path, error))


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


def _printable(text: str) -> str:
    """Return the text with escapes for what does not print: part of it is quoted as written."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _sentence(model: type[Settings], path: FieldPath, error: ErrorDetails) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown(model, path)
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
    wanted = _wanted(model, path)
    hint = "; write it in quotes" if wanted == "text" and isinstance(value, int | float) else ""
    return f"{seen} given, {wanted} wanted{hint}"


def _unknown(model: type[Settings], path: FieldPath) -> str:
    known = list(_schema_at(model, path[:-1]).get("properties", {}))
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


def _wanted(model: type[Settings], path: FieldPath) -> str:
    schema = _schema_at(model, path)
    choices: Sequence[str] = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return _one_of(choices) if choices else _TYPES.get(schema.get("type", ""), "a value")


def _one_of(choices: Sequence[str]) -> str:
    quoted = [f'"{choice}"' for choice in choices]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)


def _schema_at(model: type[Settings], path: FieldPath) -> Mapping[str, Any]:
    """Return the JSON schema of a field, empty where there is no such field."""
    whole = schema_of(model)
    schema = _resolved(whole, whole)
    for step in path:
        if isinstance(step, int):
            schema = _resolved(whole, schema.get("items", {}))
        elif step in schema.get("properties", {}):
            schema = _resolved(whole, schema["properties"][step])
        else:
            schema = _resolved(whole, schema.get("additionalProperties") or {})
    return schema


def _resolved(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema
