"""What the settings models of all rules share: strictness, spelling, and patterns as fields."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from landwaiter.errors import InvalidInput, InvalidPattern
from landwaiter.images.patterns import ImagePattern, TagPattern
from landwaiter.images.platforms import PLATFORM_MAX_CHARACTERS, PLATFORM_PATTERN, Platform
from landwaiter.images.reference import ImageReference, ShortNames
from landwaiter.rules.protocol import Rule

CLUSTER_ONLY: Final = "x-cluster-only"
"""What marks a field in a JSON schema that only a `ClusterImagePolicy` may give."""


class Settings(BaseModel):
    """
    The base of every model that admins write: camelCase, no unknown field, no coercion.

    Field names in Python are snake_case and written by their aliases. What a field is for is told
    below it, which `policy.texts` reads.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        arbitrary_types_allowed=True,
    )


@dataclass(frozen=True, slots=True)
class ClusterOnly:
    """
    Marks a field that an `ImagePolicy` must not give, for it reaches beyond the namespace.

    `why` completes the sentence "only a ClusterImagePolicy may give it: ...".
    """

    why: str

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Mark the field in the schema too, from which that of `ImagePolicy` is made."""
        return {**handler(core_schema), CLUSTER_ONLY: True}


@dataclass(frozen=True, slots=True)
class OwnNamespace:
    """Marks a field that holds a namespace, in an `ImagePolicy` that of the policy itself."""


def in_cel(*rules: tuple[str, str]) -> dict[str, Any]:
    """
    Return schema keys with which the API server checks what spans fields.

    Each rule is an expression in CEL and what is wanted; the same is said by a validator, which
    reads files and has the better sentence.
    """
    return {
        "x-kubernetes-validations": [
            {"rule": expression, "message": wanted} for expression, wanted in rules
        ]
    }


class RuleSettings(Settings):
    """The settings of one rule, as they stand in a policy document."""

    def rule(self, folder: Path) -> Rule:
        """
        Return the rule that these settings describe.

        Relative file names in the settings are taken from `folder`, that of the document.
        Raises `InvalidPolicy` when a file that the settings name cannot be used.
        """
        raise NotImplementedError


def _pattern(value: object) -> ImagePattern:
    if isinstance(value, ImagePattern):
        return value
    if not isinstance(value, str):
        raise InvalidPattern(f"an image pattern is a string, not {type(value).__name__}")
    return ImagePattern.parse(value)


PatternField = Annotated[
    ImagePattern,
    PlainValidator(_pattern),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1024}),
]
"""A model field that holds an image pattern and is written as a string."""


def _repository_pattern(value: object) -> ImagePattern:
    pattern = _pattern(value)
    if pattern.compares_tags or "@" in str(pattern):
        raise InvalidPattern(
            f'image pattern "{pattern}": no tag and no digest is wanted here, for whoever writes '
            "a Pod can name the same image by another one"
        )
    return pattern


RepositoryPatternField = Annotated[
    ImagePattern,
    PlainValidator(_repository_pattern),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1024}),
]
"""A pattern field that says which images something is about, so nobody may step out of it."""


def _repository(value: object) -> ImageReference:
    if isinstance(value, ImageReference):
        return value
    if not isinstance(value, str):
        raise InvalidInput(f"a repository is a string, not {type(value).__name__}")
    reference = ImageReference.parse(value, short_names=ShortNames.REFUSE)
    if reference.tag is not None or reference.digest is not None:
        raise InvalidInput(f'"{value}" given, a repository without tag and digest wanted')
    return reference


RepositoryField = Annotated[
    ImageReference,
    PlainValidator(_repository),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1024}),
]
"""A model field that holds one repository with its registry, and is written as a string."""


def _tag_pattern(value: object) -> TagPattern:
    if not isinstance(value, str):
        raise InvalidPattern(f"a tag pattern is a string, not {type(value).__name__}")
    return TagPattern.parse(value)


TagPatternField = Annotated[
    TagPattern,
    PlainValidator(_tag_pattern),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 128}),
]
"""A model field that holds a pattern over tags and is written as a string."""


def _platform(value: object) -> Platform:
    if isinstance(value, Platform):
        return value
    if not isinstance(value, str):
        raise InvalidInput(f"a platform is a string, not {type(value).__name__}")
    return Platform.parse(value)


PlatformField = Annotated[
    Platform,
    PlainValidator(_platform),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": PLATFORM_PATTERN, "maxLength": PLATFORM_MAX_CHARACTERS}
    ),
]
"""A model field that holds a platform, such as `linux/arm/v7`, and is written as a string."""
