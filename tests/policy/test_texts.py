"""What fields are for is told below them in the source, and found there when it is wanted."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from landwaiter.policy.documents import KINDS, schema_of
from landwaiter.policy.models import RulesSettings
from landwaiter.policy.texts import TellingSchema, texts_of
from landwaiter.rules.settings import Settings
from policy.model_fields import models_in


class Base(Settings):
    """A model with texts."""

    kept: str
    """What the base says."""
    silenced: str
    """What nobody says any more."""
    told_anew: str
    """What the base says of it."""


class Derived(Base):
    """A model that declares some of them anew."""

    silenced: str
    told_anew: str
    """
    What the derived one says, at length.

        Indented.
    """
    inner: Base
    """What is within."""


def models_below(*models: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Give models and those that their fields are made of."""
    for model in models:
        yield model
        for field in model.model_fields.values():
            yield from models_below(*(each for each, _ in models_in(field.annotation)))


MODELS = dict.fromkeys(each for each in models_below(*KINDS.values()) if each is not RulesSettings)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_told_about(model: type[BaseModel]) -> None:
    """The table in docs/policies.md, the schema and `kubectl explain` have a text for it."""

    assert set(model.model_fields) == set(texts_of(model))


def test_a_field_that_is_declared_anew_has_the_text_below_it() -> None:
    """Or none, where there is none: that of the base would be about something else."""

    assert {
        "kept": "What the base says.",
        "told_anew": "What the derived one says, at length.\n\n    Indented.",
        "inner": "What is within.",
    } == texts_of(Derived)


def test_a_schema_has_the_texts_only_where_they_are_wanted() -> None:
    """A field that refers to a model has its own, under the name that documents give it."""
    told = Derived.model_json_schema(schema_generator=TellingSchema)["properties"]
    silent = Derived.model_json_schema()["properties"]

    assert {"$ref": "#/$defs/Base", "description": "What is within."} == told["inner"]
    assert "What the base says." == told["kept"]["description"]
    assert "toldAnew" in told
    assert [] == [name for name, each in silent.items() if "description" in each]


def test_a_document_that_does_not_load_is_told_about_without_texts() -> None:
    """Reading the source would keep the event loop of a server."""
    described = [
        name
        for name, each in schema_of(KINDS["ImagePolicy"])["properties"].items()
        if "description" in each
    ]

    assert [] == described
