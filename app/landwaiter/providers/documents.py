"""What the documents of plugins have in common: what is written to them, and what they answer."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class PluginDocument(BaseModel):
    """The base of their models: camelCase, no unknown field, no coercion, no value in an error."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
    )
