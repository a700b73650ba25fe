"""What `pinnedTags` makes of settings, and of single references."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from landwaiter.images.patterns import TagPattern
from landwaiter.images.reference import ImageReference
from landwaiter.rules.pinned_tags import PinnedTags, PinnedTagsSettings
from landwaiter.rules.protocol import NO_FACTS, RuleId, Violation
from landwaiter.workloads.values import ImagePlace, ImageUse

A_DIGEST = "sha256:" + "a" * 64
LATEST = TagPattern.parse("latest")
NIGHTLY = TagPattern.parse("nightly-*")


def an_image_use(text: str) -> ImageUse:
    place = ImagePlace("spec.containers[0].image", "app", text)
    return ImageUse(place, ImageReference.parse(text))


def test_semantics_02_a_digest_wins_over_a_floating_tag() -> None:
    """An image pinned by digest is admitted even when its tag floats."""
    use = an_image_use(f"nginx:latest@{A_DIGEST}")

    assert None is PinnedTags(floating=(LATEST,)).judge(use, NO_FACTS)


def test_a_digest_would_mend_every_refusal() -> None:
    """The evaluator is asked to offer the digest that the tag points to now."""
    rules = [PinnedTags(floating=None), PinnedTags(floating=(LATEST,))]

    assert [True, True] == [
        isinstance(found := rule.judge(an_image_use("nginx"), NO_FACTS), Violation)
        and found.digest_helps
        for rule in rules
    ]


def test_the_pattern_that_a_tag_matches_is_named() -> None:
    """A developer who sees a pattern understands why this tag counts as floating."""
    rule = PinnedTags(floating=(LATEST, NIGHTLY))

    assert Violation(
        RuleId("pinnedTags"),
        reason="floating tag",
        detail='tag "nightly-1" floats (matches "nightly-*"); a fixed tag or a digest is wanted',
        remedy="name a version that stays, or add the digest: NAME:TAG@sha256:...",
        digest_helps=True,
    ) == rule.judge(an_image_use("nginx:nightly-1"), NO_FACTS)


@pytest.mark.parametrize(
    ("settings", "floating"),
    [
        ({"require": "digest"}, None),
        ({"require": "fixedTag"}, (LATEST,)),
        ({"require": "fixedTag", "floating": ["nightly-*"]}, (LATEST, NIGHTLY)),
        ({"require": "fixedTag", "floating": ["nightly-*", "latest"]}, (LATEST, NIGHTLY)),
    ],
)
def test_latest_always_floats(
    settings: dict[str, object], floating: tuple[TagPattern, ...] | None
) -> None:
    """A list of other tags cannot make `latest` a fixed one by leaving it out."""
    rule = PinnedTagsSettings.model_validate(settings).rule(Path())

    assert PinnedTags(floating=floating) == rule


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "require\n  Field required"),
        ({"require": "tag"}, "Input should be 'digest' or 'fixedTag'"),
        ({"require": "digest", "floating": ["a"]}, "floating given, but require: digest refuses"),
        ({"require": "fixedTag", "floating": []}, "at least 1 item"),
        ({"require": "fixedTag", "floating": None}, "should be a valid list"),
        ({"require": "fixedTag", "floating": "a"}, "should be a valid list"),
        ({"require": "fixedTag", "floating": [1]}, "a tag pattern is a string, not int"),
        ({"require": "fixedTag", "floating": ["a b"]}, 'tag pattern "a b" given, a tag is wanted'),
        ({"require": "fixedTag", "floating": ["a"] * 1001}, "at most 1000 items"),
        ({"require": "fixedTag", "allow": []}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    settings: dict[str, object], message: str
) -> None:
    """A field that does nothing, or is not known, does not load."""
    with pytest.raises(ValidationError) as refused:
        PinnedTagsSettings.model_validate(settings)

    assert message in str(refused.value)


def test_tag_patterns_are_written_back_as_texts() -> None:
    """Settings round-trip, and their schema shows strings without a default to fill in."""
    written = {"require": "fixedTag", "floating": ["nightly-*"]}
    settings = PinnedTagsSettings.model_validate(written)
    schema = PinnedTagsSettings.model_json_schema()["properties"]["floating"]

    assert written == settings.model_dump(by_alias=True)
    assert {"type": "string", "minLength": 1, "maxLength": 128} == schema["items"]
    assert "default" not in schema
