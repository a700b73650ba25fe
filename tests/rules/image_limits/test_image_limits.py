"""Where the limits of `imageLimits` lie, and which settings load."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landwaiter.images.configuration import ImageConfiguration
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference
from landwaiter.rules.image_content import UNTOLD, Configurations, ConfigurationsQuestion
from landwaiter.rules.image_limits import (
    VALUE_MAX_CHARACTERS,
    ImageLimits,
    ImageLimitsSettings,
    LabelPattern,
    Size,
)
from landwaiter.rules.protocol import Facts, RuleId, Undecided, Violation
from landwaiter.workloads.values import ImagePlace, ImageUse

A_DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"registry.example.com/app@{A_DIGEST}"
USE = ImageUse(ImagePlace("spec.containers[0].image", "app", IMAGE), ImageReference.parse(IMAGE))
NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
SOURCE = "org.opencontainers.image.source"
OF_30_DAYS = "and one of at most 30 days is wanted"
IS = "is wanted"


def an_image(**changes: Any) -> ImageConfiguration:  # noqa: ANN401  # Any field of an image.
    return ImageConfiguration(A_DIGEST, Platform("linux", "amd64"), **changes)


def said_of(image: ImageConfiguration, rule: ImageLimits) -> str:
    """Return the detail of the refusal, empty where the image is admitted."""
    found = rule.judge(USE, Facts(dict.fromkeys(rule.needs(USE), Configurations((image,)))))
    assert not isinstance(found, Undecided)
    return found.detail if found else ""


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((), ""),
        ((1024,), ""),
        ((1000, 24), ""),
        ((1000, 25), "its layers have 1025 bytes (1.0Ki), at most 1Ki is wanted"),
        ((2**31, 2**30), "its layers have 3221225472 bytes (3.0Gi), at most 1Ki is wanted"),
    ],
)
def test_the_size_is_that_of_all_layers(layers: tuple[int, ...], said: str) -> None:
    """The limit itself is allowed, one byte more is not."""
    rule = ImageLimits(max_size=Size.parse("1Ki"))

    assert said == said_of(an_image(layer_sizes=layers), rule)


def test_a_small_size_is_told_in_bytes() -> None:
    """No unit is written where there is less than one of it."""
    rule = ImageLimits(max_size=Size.parse("9"))

    assert "its layers have 10 bytes, at most 9 is wanted" == said_of(
        an_image(layer_sizes=(10,)), rule
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("10k", 10_000),
        ("10Ki", 10_240),
        ("500M", 500_000_000),
        ("500Mi", 524_288_000),
        ("2G", 2_000_000_000),
        ("2Gi", 2_147_483_648),
        ("1T", 1_000_000_000_000),
        ("1Ti", 1_099_511_627_776),
    ],
)
def test_sizes_are_written_as_in_kubernetes(text: str, size: int) -> None:
    """Whole numbers, with the units that resources have."""
    assert size == Size.parse(text).in_bytes


@pytest.mark.parametrize(("layers", "said"), [(2, ""), (3, "it has 3 layers, at most 2 is wanted")])
def test_layers_are_counted(layers: int, said: str) -> None:
    """The limit itself is allowed."""
    assert said == said_of(an_image(layer_sizes=(1,) * layers), ImageLimits(max_layers=2))


@pytest.mark.parametrize(
    ("created", "said"),
    [
        (NOW, ""),
        (NOW - timedelta(days=30), ""),
        (
            NOW - timedelta(days=30, microseconds=1),
            f"it was created on 2027-01-01, 30 days ago, {OF_30_DAYS}",
        ),
        (NOW + timedelta(days=1), ""),
        (
            NOW + timedelta(days=1, microseconds=1),
            f"it was created on 2027-02-01, which is yet to come, {OF_30_DAYS}",
        ),
        (None, f"it does not say when it was created, {OF_30_DAYS}"),
        (
            datetime.fromisoformat("1970-01-01T00:00:00+23:59"),
            f"it was created on 1970-01-01, 20850 days ago, {OF_30_DAYS}",
        ),
        (
            datetime.fromisoformat("9999-12-31T23:59:59-23:59"),
            f"it was created on 9999-12-31, which is yet to come, {OF_30_DAYS}",
        ),
    ],
)
def test_an_image_is_as_old_as_it_says(created: datetime | None, said: str) -> None:
    """To the microsecond, by the clock that is given; a day ahead is taken for a wrong clock."""
    rule = ImageLimits(max_age_days=30, clock=lambda: NOW)

    assert said == said_of(an_image(created=created), rule)


@pytest.mark.parametrize(
    ("pattern", "labels", "said"),
    [
        ("*", {SOURCE: "x"}, ""),
        ("*", {}, f'it lacks a label, "{SOURCE}" is wanted'),
        ("*", {SOURCE: ""}, f'its label is "", "{SOURCE}" is wanted'),
        ("*", {SOURCE.upper(): "x"}, f'it lacks a label, "{SOURCE}" is wanted'),
        ("https://a.example/*", {SOURCE: "https://a.example/b/c\nd"}, ""),
        (
            "https://a.example/*",
            {SOURCE: "https://a.example.evil/"},
            f'its label is "https://a.example.evil/", "{SOURCE}" with "https://a.example/*" {IS}',
        ),
        ("x", {SOURCE: "X"}, f'its label is "X", "{SOURCE}" with "x" is wanted'),
        ("*", {SOURCE: "x" * VALUE_MAX_CHARACTERS}, ""),
    ],
)
def test_a_label_is_required_by_name_and_value(
    pattern: str, labels: dict[str, str], said: str
) -> None:
    """Patterns are anchored; an empty value is none."""
    rule = ImageLimits(required_labels=(LabelPattern(SOURCE, pattern),))

    assert said == said_of(an_image(labels=labels), rule)


@pytest.mark.parametrize(
    ("pattern", "labels", "said"),
    [
        ("*", {}, ""),
        ("*", {"stage": "x"}, 'it has the label "stage" with "x", none is wanted'),
        ("*", {"stage": ""}, 'it has the label "stage" with "", none is wanted'),
        ("dev*", {"stage": "prod"}, ""),
        ("dev*", {"stage": "devel"}, 'it has the label "stage" with "devel", none is wanted'),
        ("dev*", {"Stage": "devel"}, ""),
    ],
)
def test_a_label_is_forbidden_by_name_and_value(
    pattern: str, labels: dict[str, str], said: str
) -> None:
    """With `*` also where its value is empty."""
    rule = ImageLimits(forbidden_labels=(LabelPattern("stage", pattern),))

    assert said == said_of(an_image(labels=labels), rule)


def test_a_value_that_is_too_long_to_be_looked_at_is_refused_both_ways() -> None:
    """A label can have a megabyte, and nobody waits for a pattern to be compared with that."""
    labels = {"stage": "x" * (VALUE_MAX_CHARACTERS + 1)}
    pattern = LabelPattern("stage", "x*")

    assert (False, True) == (pattern.is_met(labels), pattern.is_broken(labels))


def test_semantics_20_who_may_be_anybody_is_told_nothing_of_the_image() -> None:
    """The verdict is the same, without sizes, times and labels, and without which limit it is."""
    rule = ImageLimits(max_layers=1)
    answer = Configurations((an_image(layer_sizes=(1, 1)),), may_be_told=False)
    found = rule.judge(USE, Facts(dict.fromkeys(rule.needs(USE), answer)))

    assert (
        Violation(
            RuleId("imageLimits"),
            reason="image limit broken",
            detail=f"it breaks a limit of the policy; {UNTOLD}",
            remedy="build it within the limits",
        )
        == found
    )


def test_what_is_not_known_is_undecided() -> None:
    """A fault outside is for the evaluator to weigh."""
    rule, down = ImageLimits(max_layers=1), Undecided("could not be found out", "503")
    question = ConfigurationsQuestion(USE.reference, (), USE.place.nodes)

    assert down == rule.judge(USE, Facts({question: down}))


def test_semantics_06_a_template_is_judged_again_when_its_choice_of_nodes_changes() -> None:
    """Other images of an index could run then."""
    assert frozenset({"nodes"}) == ImageLimits.reads


def test_settings_become_the_rule() -> None:
    """Each setting has its place."""
    settings = {
        "maxCompressedSize": "1Gi",
        "maxLayers": 3,
        "maxAgeDays": 4,
        "requiredLabels": {SOURCE: "*"},
        "forbiddenLabels": {"stage": "dev"},
        "platforms": ["linux/amd64"],
        "unpinned": "Warn",
    }

    assert ImageLimits(
        max_size=Size("1Gi", 2**30),
        max_layers=3,
        max_age_days=4,
        required_labels=(LabelPattern(SOURCE, "*"),),
        forbidden_labels=(LabelPattern("stage", "dev"),),
        platforms=(Platform("linux", "amd64"),),
        unpinned="Warn",
    ) == ImageLimitsSettings.model_validate(settings).rule(Path())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no limit given, at least one is wanted"),
        ({"platforms": ["linux/amd64"]}, "no limit given"),
        ({"maxCompressedSize": "0"}, "a size such as 500Mi is wanted"),
        ({"maxCompressedSize": "1.5Gi"}, "a size such as 500Mi is wanted"),
        ({"maxCompressedSize": "500 Mi"}, "a size such as 500Mi is wanted"),
        ({"maxCompressedSize": 500}, "a size is a string, not int"),
        ({"maxLayers": 0}, "greater than or equal to 1"),
        ({"maxLayers": "3"}, "valid integer"),
        ({"maxAgeDays": 36_501}, "less than or equal to 36500"),
        ({"requiredLabels": {}}, "at least 1 item"),
        ({"requiredLabels": {"a b": "*"}}, "the name of a label is wanted"),
        ({"requiredLabels": {"a": ""}}, "at least 1 character"),
        ({"requiredLabels": {f"a{n}": "*" for n in range(101)}}, "at most 100 items"),
        ({"forbiddenLabels": {"a": None}}, "valid string"),
        ({"maxLayers": 1, "platforms": []}, "at least 1 item"),
        ({"maxLayers": 1, "unpinned": "Allow"}, "Input should be 'Deny' or 'Warn'"),
        ({"maxSize": "1Gi"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    """No limit, an empty list, and a number of another form do not load."""
    with pytest.raises(ValidationError) as refused:
        ImageLimitsSettings.model_validate(settings)

    assert message in str(refused.value)
