"""Walks the models that admins write, so that a field cannot be forgotten anywhere."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from landwaiter.policy.models import RulesSettings


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Give every field with its path, down to the rules and not into them."""
    for field in model.model_fields.values():
        path = f"{prefix}{field.alias}"
        yield path, field
        for below, step in models_in(field.annotation):
            if below is not RulesSettings:
                yield from fields_of(below, f"{path}{step}.")


def models_in(annotation: Any, step: str = "") -> Iterator[tuple[type[BaseModel], str]]:  # noqa: ANN401  # What a type hint can be.
    """Give the models that an annotation is made of, each with `[]` where it is in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, step
    for argument in get_args(annotation):
        yield from models_in(argument, "[]" if get_origin(annotation) is list else step)
