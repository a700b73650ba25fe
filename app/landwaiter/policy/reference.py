"""
What can be written in a policy document, told from the models: a JSON schema and a table.

The models are walked as they are, so a field that is added to one of them is in both. Fields are
told in the order of the models; a field within a list is written `list[].field`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from landwaiter.policy.documents import KINDS, schema_of
from landwaiter.policy.models import ClusterImagePolicy
from landwaiter.policy.texts import DESCRIPTION, TellingSchema
from landwaiter.rules.settings import CLUSTER_ONLY, Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_TYPES: Final[Mapping[str, str]] = {
    "string": "text",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "object": "mapping",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a document; `meaning` is one line."""

    path: str
    type: str
    default: str
    meaning: str

    @property
    def row(self) -> str:
        """The field as a row of a Markdown table."""
        cells = (f"`{self.path}`", self.type, self.default, self.meaning)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of every kind of document, for editors and other tools."""
    definitions: dict[str, Any] = {}
    for kind, model in KINDS.items():
        # Kinds differ in what a definition of the same name holds, so each has its own.
        whole = {"$defs": {}, **_renamed(schema_of(model, TellingSchema), kind)}
        definitions |= {f"{kind}.{name}": each for name, each in whole.pop("$defs").items()}
        definitions[kind] = whole
    return {
        "$schema": DIALECT,
        "title": "Landwaiter policies",
        "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in KINDS],
        "$defs": definitions,
    }


def _renamed(schema: Any, kind: str) -> Any:  # noqa: ANN401  # Any part of a schema.
    """Return a schema whose references lead to the definitions of its kind."""
    if isinstance(schema, Mapping):
        return {
            key: f"#/$defs/{kind}.{value.rpartition('/')[2]}"
            if key == "$ref"
            else _renamed(value, kind)
            for key, value in schema.items()
        }
    return [_renamed(each, kind) for each in schema] if isinstance(schema, list) else schema


def markdown() -> str:
    """Return the reference of every kind of document: a heading, a sentence and a table each."""
    return "\n".join(section(kind, model) for kind, model in KINDS.items())


def section(kind: str, model: type[Settings]) -> str:
    """Return the reference of one kind of document."""
    rows = [field.row for field in fields_of(model, of_cluster=model is ClusterImagePolicy)]
    head = ["| field | type | default | meaning |", "|---|---|---|---|"]
    about = _one_line(model.__doc__ or "")
    return "\n".join([f"### {kind}", "", about, "", *head, *rows]) + "\n"


def fields_of(
    model: type[BaseModel], prefix: str = "", *, of_cluster: bool = True
) -> Iterator[Field]:
    """
    Give every field of a model and of the models in it, each before those below it.

    Without `of_cluster` fields are left out that only policies of the cluster may give.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=TellingSchema)
    for info in model.model_fields.values():
        name = str(info.alias)
        if schema["properties"][name].get(CLUSTER_ONLY) and not of_cluster:
            continue
        path = f"{prefix}{name}"
        yield Field(
            path,
            _type(schema["properties"][name], schema.get("$defs", {})),
            _default(info),
            _one_line(schema["properties"][name].get(DESCRIPTION, "")),
        )
        for below, steps in _models_in(info.annotation):
            yield from fields_of(below, f"{path}{steps}.", of_cluster=of_cluster)


def _models_in(annotation: Any, steps: str = "") -> Iterator[tuple[type[BaseModel], str]]:  # noqa: ANN401  # Any type can be annotated.
    """Give the models that a field can hold, each with what a path has between them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, steps
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        yield from _models_in(arguments[0], f"{steps}[]")
    elif origin is dict:
        yield from _models_in(arguments[1], f"{steps}.*")
    else:
        for each in arguments:
            yield from _models_in(each, steps)


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        kinds = [_type(each, definitions) for each in schema["anyOf"] if each != {"type": "null"}]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in schema or "enum" in schema:
        return _choices(schema["enum"] if "enum" in schema else [schema["const"]])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], definitions)}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"mapping to {_type(values, definitions)}"
    return _TYPES[schema["type"]]


def _choices(values: list[Any]) -> str:
    written = [f"`{value}`" for value in values]
    return " or ".join([", ".join(written[:-1]), written[-1]] if written[1:] else written)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if value is None or value in ([], {}, (), ""):
        return "none"
    if isinstance(value, BaseModel):
        return "`{}`"
    if isinstance(value, Enum):
        value = value.value
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())
