"""
The values of the chart: told from the comments of `values.yaml`, and checked by its schema.

A comment stands directly above what it describes. A value is a leaf of the file, or a mapping
whose entries have no comments of their own. `values.schema.json` is written by hand, but for the
definitions with capital letters, which are those of the models: what an admin writes into
`policies` is checked when the chart is installed, as it would be when it is loaded.

Run this file to write the definitions anew (`make generate`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from landwaiter.cosign.kms_settings import KMSEntry
from landwaiter.policy.documents import KINDS, schema_of
from landwaiter.policy.texts import TellingSchema
from landwaiter.providers.config import ProviderEntry
from landwaiter.registry.settings import MirrorEntry, RegistryEntry

ENTRIES = (RegistryEntry, MirrorEntry, KMSEntry, ProviderEntry)
"""Parts of the install's own files that stand in values."""

CHART = Path(__file__).resolve().parents[2] / "charts" / "landwaiter"
VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"
DEFAULT_MAX_CHARACTERS = 60
"""Longer ones would make the table unreadable."""


@dataclass(frozen=True, slots=True)
class ChartValue:
    """One value: where it stands, what it is by default, and what it is for."""

    path: tuple[str, ...]
    default: object
    description: str

    @property
    def name(self) -> str:
        """Return the path as it is given to `--set`."""
        return ".".join(self.path)


def chart_values() -> list[ChartValue]:
    """Return every value, in the order of the file. Raises `ValueError` for one without comment."""
    text = VALUES.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(_values(root, yaml.safe_load(text), text.splitlines(), ()))


def values_table() -> str:
    """Return the table of all values."""
    rows = ["| value | default | |", "|---|---|---|"]
    for value in chart_values():
        default = json.dumps(value.default)
        shown = f"`{default}`" if len(default) <= DEFAULT_MAX_CHARACTERS else "see `values.yaml`"
        rows.append(f"| `{value.name}` | {shown} | {value.description} |")
    return "\n".join(rows) + "\n"


def schema_text() -> str:
    """Return the schema with the definitions of the models written anew."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    by_hand = {name: each for name, each in schema["$defs"].items() if name[0].islower()}
    generated = [
        *((kind, schema_of(model, TellingSchema)) for kind, model in KINDS.items()),
        *((each.__name__, each.model_json_schema(by_alias=True)) for each in ENTRIES),
    ]
    schema["$defs"] = {
        **by_hand,
        "Document": _any_document(),
        **{name: each for kind, found in generated for name, each in _definitions(kind, found)},
    }
    return json.dumps(schema, indent=2) + "\n"


def _any_document() -> dict[str, Any]:
    """Return the schema of a document, whichever kind it says it is."""
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
            for kind in KINDS
        ],
    }


def _definitions(kind: str, found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the schema of a document and those of its parts, under names that no other has."""
    text = json.dumps(found).replace('"#/$defs/', f'"#/$defs/{kind}.')
    document = json.loads(text)
    parts = document.pop("$defs", {})
    yield kind, document
    for name, part in sorted(parts.items()):
        yield f"{kind}.{name}", part


def _values(
    node: yaml.MappingNode, content: dict[str, Any], lines: list[str], path: tuple[str, ...]
) -> Iterator[ChartValue]:
    for key, value in node.value:
        comment = _comment_above(key.start_mark.line, lines)
        below = (*path, key.value)
        if isinstance(value, yaml.MappingNode) and _is_described_inside(value, lines):
            yield from _values(value, content[key.value], lines, below)
        elif not comment:
            raise ValueError(f"{VALUES.name}: {'.'.join(below)} has no comment")
        else:
            yield ChartValue(below, content[key.value], comment)


def _is_described_inside(node: yaml.MappingNode, lines: list[str]) -> bool:
    return any(_comment_above(key.start_mark.line, lines) for key, _ in node.value)


def _comment_above(line: int, lines: list[str]) -> str:
    found: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(found)


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
