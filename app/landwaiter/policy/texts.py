"""
What fields of documents are for: the texts below them in the source.

They are read where a schema or a reference is made, and not by a server: for every class the source
would have to be found, read and parsed, which took a third of the time that a start computes.
"""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

DESCRIPTION: Final = "description"


class TellingSchema(GenerateJsonSchema):
    """A JSON schema with the texts of its fields."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of a model."""
        found = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        for name, text in texts_of(model).items():
            found["properties"][model.model_fields[name].alias or name][DESCRIPTION] = text
        return found


@cache
def texts_of(model: type[BaseModel]) -> MappingProxyType[str, str]:
    """Return the texts of a model's fields by their names in Python; a field may have none."""
    texts: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            own = _own_texts(each)
            texts = {name: text for name, text in texts.items() if name not in own}
            texts |= {name: text for name, text in own.items() if text}
    return MappingProxyType({name: texts[name] for name in model.model_fields if name in texts})


def _own_texts(model: type[BaseModel]) -> dict[str, str]:
    """Return what is below each field that a class declares itself, empty where nothing is."""
    body = _classes_of(model.__module__).get(model.__qualname__, [])
    texts: dict[str, str] = {}
    for statement, after in pairwise([*body, ast.Pass()]):
        match statement, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                texts[name] = inspect.cleandoc(text)
            case ast.AnnAssign(target=ast.Name(id=name)), _:
                texts[name] = ""
            case _:
                pass
    return texts


@cache
def _classes_of(module: str) -> dict[str, list[Any]]:
    """Return the bodies of a module's classes; a class that is not in its source has none."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {each.name: each.body for each in tree.body if isinstance(each, ast.ClassDef)}
