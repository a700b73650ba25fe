"""What `allowedRegistries` makes of settings, and of single references."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.rules.allowed_registries import AllowedRegistries, AllowedRegistriesSettings
from landwaiter.rules.protocol import NO_FACTS
from landwaiter.workloads.values import ImagePlace, ImageUse

TEAM = ImagePattern.parse("registry.example.com/team")
HUB = ImagePattern.parse("docker.io")


def is_refused(rule: AllowedRegistries, text: str) -> bool:
    place = ImagePlace("spec.containers[0].image", "app", text)
    return rule.judge(ImageUse(place, ImageReference.parse(text)), NO_FACTS) is not None


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        (AllowedRegistries(allow=(TEAM,)), {"docker.io/a/b", "c.example/d"}),
        (AllowedRegistries(deny=(HUB,)), {"docker.io/a/b"}),
        (AllowedRegistries(allow=(TEAM, HUB), deny=(HUB,)), {"docker.io/a/b", "c.example/d"}),
        (AllowedRegistries(allow=(TEAM, HUB)), {"c.example/d"}),
        (AllowedRegistries(allow=(ImagePattern.parse("**"),)), set()),
    ],
)
def test_semantics_03_deny_wins_over_allow_and_alone_allows_the_rest(
    rule: AllowedRegistries, refused: set[str]
) -> None:
    """An image runs when nothing denies it and, where there is a list, the list allows it."""
    images = {"registry.example.com/team/app", "docker.io/a/b", "c.example/d"}

    assert refused == {image for image in images if is_refused(rule, image)}


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"allow": ["docker.io"]}, AllowedRegistries(allow=(HUB,))),
        ({"deny": ["docker.io"]}, AllowedRegistries(deny=(HUB,))),
        (
            {"allow": ["registry.example.com/team"], "deny": ["docker.io"]},
            AllowedRegistries(allow=(TEAM,), deny=(HUB,)),
        ),
    ],
)
def test_both_lists_are_heeded(settings: dict[str, object], rule: AllowedRegistries) -> None:
    """Each of the two fields ends where its name says."""
    assert rule == AllowedRegistriesSettings.model_validate(settings).rule(Path())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "nothing given, allow or deny or both are wanted"),
        ({"allow": []}, "at least 1 item"),
        ({"deny": []}, "at least 1 item"),
        ({"allow": [], "deny": ["docker.io"]}, "at least 1 item"),
        ({"allow": None, "deny": ["docker.io"]}, "should be a valid list"),
        ({"allow": "docker.io"}, "should be a valid list"),
        ({"allow": ["nginx"]}, "for Docker Hub write docker.io/library/nginx"),
        ({"allow": [5]}, "an image pattern is a string, not int"),
        ({"allow": ["docker.io"] * 1001}, "at most 1000 items"),
        ({"allowed": ["docker.io"]}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    settings: dict[str, object], message: str
) -> None:
    """An empty list, or one that YAML left null, is a mistake and not a decision."""
    with pytest.raises(ValidationError) as refused:
        AllowedRegistriesSettings.model_validate(settings)

    assert message in str(refused.value)
