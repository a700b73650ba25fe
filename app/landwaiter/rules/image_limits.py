"""
Every image is small, young and labelled enough.

Refused:  an image whose layers come to more than `maxCompressedSize` or are more than `maxLayers`;
          one that was created over `maxAgeDays` ago, does not say when, or says a day from now or
          later; one that lacks a label of `requiredLabels`, or has one of `forbiddenLabels`.
Admitted: everything else. All of it holds for every image of an index that could run.
Limits:   the size is that of the layers as the registry stores them, to which runtimes hold what
          they download; unpacked they take more. Time and labels are what the builder wrote, so
          they are worth something only together with a signature.
Source:   OCI image specification 1.1.1, config.md (created, Labels) and manifest.md (layers);
          its annotations.md for labels such as `org.opencontainers.image.source`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from landwaiter.images.configuration import ImageConfiguration
from landwaiter.images.glob import Glob
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import quoted
from landwaiter.rules.image_content import PLATFORMS_MAX, ConfigurationsQuestion, said_once
from landwaiter.rules.instants import Clock, utc_now
from landwaiter.rules.protocol import Facts, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.settings import PlatformField, RuleSettings
from landwaiter.workloads.values import ImageUse

LABELS_MAX = 100
LABEL_MAX_CHARACTERS = 253
AGE_MAX_DAYS = 36_500
LAYERS_MAX = 10_000
FUTURE = timedelta(days=1)
"""How far the clock of a builder may be ahead of ours."""

VALUE_MAX_CHARACTERS = 4096
"""Of the value of a label; a longer one meets no pattern, and breaks any."""

_SIZE = re.compile(r"([1-9][0-9]{0,15})(|k|M|G|T|Ki|Mi|Gi|Ti)", re.ASCII)
_UNITS: Mapping[str, int] = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T"), start=1)},
    **{unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)},
}


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, and how the admin wrote it."""

    text: str
    in_bytes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the size. Raises `ValueError`, which says what is wanted."""
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{quoted(text)} given, a size such as 500Mi is wanted: a whole number of bytes, "
                f"or with {', '.join(unit for unit in _UNITS if unit)}"
            )
        return cls(text, int(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class LabelPattern:
    """A label by its name, and a glob over its value, in which `*` stands for anything."""

    name: str
    value: str
    _glob: Glob = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Nothing divides the value of a label into parts that a star would stay within.
        object.__setattr__(self, "_glob", Glob(self.value, separator="\0"))

    def is_met(self, labels: Mapping[str, str]) -> bool:
        """Whether the label is there, is not empty, and has a value of the form."""
        value = labels.get(self.name, "")
        return 0 < len(value) <= VALUE_MAX_CHARACTERS and self._glob.matches(value)

    def is_broken(self, labels: Mapping[str, str]) -> bool:
        """Whether the label is there with a value of the form, or one too long to be looked at."""
        value = labels.get(self.name)
        return value is not None and (
            len(value) > VALUE_MAX_CHARACTERS or self._glob.matches(value)
        )

    def __str__(self) -> str:
        return f'"{self.name}"' if self.value == "*" else f'"{self.name}" with "{self.value}"'


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with an image, and what to do about it."""

    said: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Refuses images that break a limit; None and empty are no limit."""

    id: ClassVar[RuleId] = RuleId("imageLimits")
    reads: ClassVar[frozenset[str]] = frozenset({"nodes"})
    judges_content: ClassVar[bool] = True
    vouches_for_registry: ClassVar[bool] = False

    max_size: Size | None = None
    max_layers: int | None = None
    max_age_days: int | None = None
    required_labels: tuple[LabelPattern, ...] = ()
    forbidden_labels: tuple[LabelPattern, ...] = ()
    platforms: tuple[Platform, ...] = ()
    unpinned: Unpinned = "Deny"
    clock: Clock = field(default=utc_now, repr=False, compare=False)

    def needs(self, use: ImageUse) -> tuple[ConfigurationsQuestion, ...]:
        """Ask for what the images say of themselves."""
        return (ConfigurationsQuestion(use.reference, self.platforms, use.place.nodes),)

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return what is wrong with one image use, None where nothing is."""
        for question in self.needs(use):
            answer = facts.about(question)
            if isinstance(answer, Undecided):
                return answer
            found = [(image, each) for image in answer.images for each in self._problems(image)]
            if found:
                problems = ((image, each.said) for image, each in found)
                remedy = "; ".join(dict.fromkeys(each.remedy for _, each in found))
                return Violation(
                    self.id,
                    reason="image limit broken",
                    detail=said_once(problems, answer, untold="it breaks a limit of the policy"),
                    remedy=remedy if answer.may_be_told else "build it within the limits",
                )
        return None

    def _problems(self, image: ImageConfiguration) -> Iterator[_Problem]:
        size = sum(image.layer_sizes)
        if self.max_size is not None and size > self.max_size.in_bytes:
            said = f"its layers have {_in_words(size)}, at most {self.max_size.text} is wanted"
            yield _Problem(said, "make it smaller: a slimmer base, a build of several stages")
        layers = len(image.layer_sizes)
        if self.max_layers is not None and layers > self.max_layers:
            said = f"it has {layers} layers, at most {self.max_layers} is wanted"
            yield _Problem(said, "build it with fewer steps that add files")
        if self.max_age_days is not None and (said := self._problem_of_age(image)):
            yield _Problem(said, "build it anew")
        yield from self._problems_of_labels(image.labels)

    def _problem_of_age(self, image: ImageConfiguration) -> str:
        """Return what is wrong with the time of creation, empty where nothing is."""
        most = self.max_age_days or 0
        wanted = f"and one of at most {most} day{'' if most == 1 else 's'} is wanted"
        if image.created is None:
            return f"it does not say when it was created, {wanted}"
        age = self.clock() - image.created
        on = f"it was created on {image.created.date()}"
        if age > timedelta(days=most):
            return f"{on}, {age.days} days ago, {wanted}"
        return f"{on}, which is yet to come, {wanted}" if age < -FUTURE else ""

    def _problems_of_labels(self, labels: Mapping[str, str]) -> Iterator[_Problem]:
        for pattern in self.required_labels:
            if not pattern.is_met(labels):
                value = labels.get(pattern.name)
                seen = "it lacks a label" if value is None else f"its label is {quoted(value)}"
                remedy = f"add the label: `docker build --label {pattern.name}=VALUE .`"
                yield _Problem(f"{seen}, {pattern} is wanted", remedy)
        for pattern in self.forbidden_labels:
            if pattern.is_broken(labels):
                said = (
                    f"it has the label {quoted(pattern.name)} with {quoted(labels[pattern.name])}"
                )
                yield _Problem(f"{said}, none is wanted", f"leave out the label {pattern.name}")


def _in_words(size: int) -> str:
    """Return a number of bytes, and in the unit that people know."""
    for unit in ("Gi", "Mi", "Ki"):
        if size >= _UNITS[unit]:
            return f"{size} bytes ({size / _UNITS[unit]:.1f}{unit})"
    return f"{size} bytes"


def _size(value: object) -> Size:
    if isinstance(value, Size):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a size is a string, not {type(value).__name__}")  # noqa: TRY004  # As pydantic wants it.
    return Size.parse(value)


SizeField = Annotated[
    Size,
    PlainValidator(_size),
    PlainSerializer(lambda size: size.text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE.pattern}$"}),
]


def _label_name(text: str) -> str:
    if not 0 < len(text) <= LABEL_MAX_CHARACTERS or not text.isprintable() or " " in text:
        raise ValueError(
            f"{quoted(text)} given, the name of a label is wanted: at most "
            f"{LABEL_MAX_CHARACTERS} characters without spaces"
        )
    return text


LabelName = Annotated[str, AfterValidator(_label_name)]
LabelGlob = Annotated[str, Field(min_length=1, max_length=LABEL_MAX_CHARACTERS)]
LabelsField = Annotated[dict[LabelName, LabelGlob], Field(min_length=1, max_length=LABELS_MAX)]


class ImageLimitsSettings(RuleSettings):
    """Every image is small, young and labelled enough."""

    max_compressed_size: SizeField | None = None
    """What the layers may come to as the registry stores them, such as `500Mi`."""
    max_layers: int | None = Field(default=None, ge=1, le=LAYERS_MAX)
    """How many layers an image may have."""
    max_age_days: int | None = Field(default=None, ge=1, le=AGE_MAX_DAYS)
    """How long ago an image may have been created, in days."""
    required_labels: LabelsField = Field(default_factory=dict)
    """
    Labels that an image must have, with a pattern of their values: `*` stands for anything. An
    empty value is none.
    """
    forbidden_labels: LabelsField = Field(default_factory=dict)
    """Labels that an image must not have, with a pattern of the values that are meant."""
    platforms: list[PlatformField] = Field(
        default_factory=list, min_length=1, max_length=PLATFORMS_MAX
    )
    """The platforms of your nodes: of an index only images for them are judged, else all."""
    unpinned: Unpinned = "Deny"
    """What becomes of a reference without digest whose current image keeps the limits."""

    @model_validator(mode="after")
    def _decides_something(self) -> Self:
        limits = (
            self.max_compressed_size,
            self.max_layers,
            self.max_age_days,
            self.required_labels,
            self.forbidden_labels,
        )
        if not any(limits):
            raise ValueError("no limit given, at least one is wanted")
        return self

    def rule(self, folder: Path) -> ImageLimits:
        """Return the rule; it reads no file."""
        return ImageLimits(
            max_size=self.max_compressed_size,
            max_layers=self.max_layers,
            max_age_days=self.max_age_days,
            required_labels=_patterns(self.required_labels),
            forbidden_labels=_patterns(self.forbidden_labels),
            platforms=tuple(self.platforms),
            unpinned=self.unpinned,
        )


def _patterns(labels: Mapping[str, str]) -> tuple[LabelPattern, ...]:
    return tuple(LabelPattern(name, value) for name, value in labels.items())
