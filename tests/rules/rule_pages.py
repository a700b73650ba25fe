"""What the page of a rule must say, taken from the code that it tells about."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.alias_generators import to_snake

from landwaiter.manifests.documents import read_documents
from landwaiter.rules.protocol import RuleId

FOLDER = Path(__file__).parents[2] / "docs" / "rules"
HEADINGS = ("What it does", "Why", "Settings", "Example", "Message", "How to mend")


def page_of(rule: RuleId) -> Path:
    return FOLDER / f"{to_snake(rule).replace('_', '-')}.md"


def sections(page: Path) -> Mapping[str, str]:
    """Return the text under each second-level heading, in the order of the page."""
    pieces = re.split(r"^## +(.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return MappingProxyType(dict(zip(pieces[1::2], pieces[2::2], strict=True)))


def unnamed_fields(section: str, model: type[BaseModel]) -> set[str]:
    """
    Return the fields of a model that a section of settings does not name.

    A field has a row of its own, with its path in code font, or is named in its parent's row.
    """
    rows = _rows(section)
    return {
        path
        for path in fields_of(model)
        if path not in rows
        and f"`{path.rpartition('.')[2]}`" not in rows.get(path.rpartition(".")[0], "")
        and f"`{path.rpartition('.')[2]}`" not in rows.get(path.rpartition("[].")[0], "")
    }


def unknown_rows(section: str, model: type[BaseModel]) -> set[str]:
    """Return the fields that have a row and do not exist."""
    return set(_rows(section)) - set(fields_of(model))


def _rows(section: str) -> dict[str, str]:
    rows = re.findall(r"^\| *`([^`]+)` *\|(.*)$", section, re.MULTILINE)
    return dict(rows)


def shortened(text: str) -> str:
    """
    Return a text with single blanks, and digests cut: pages write them as `sha256:4a1c…`.

    A command is shown without its backticks where it has a line of its own.
    """
    words = " ".join(text.replace("`", "").split())
    return re.sub(r"(sha256|sha512):[0-9a-f]*(…|\.\.\.)?", r"\1:…", words)


def fields_of(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Give every field as an admin writes it, such as `authorities[].key.data`."""
    for name, field in model.model_fields.items():
        path = f"{at}{field.alias or name}"
        yield path
        is_list = "list[" in str(field.annotation)
        for inner in _models_in(field.annotation):
            yield from fields_of(inner, f"{path}[]." if is_list else f"{path}.")


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def settings_in_examples(section: str, rule: RuleId) -> list[dict[str, Any]]:
    """Return the settings of a rule in the policies of a section's YAML blocks."""
    found = []
    for block in re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        for document in read_documents(block.encode(), source="example"):
            policy = document.value
            rules = policy.get("spec", policy).get("rules", {})
            if rule in rules:
                found.append(rules[rule])
    return found
