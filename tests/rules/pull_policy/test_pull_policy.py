"""What `pullPolicy` takes for Kubernetes' default, and what it accepts as settings."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from landwaiter.images.patterns import ImagePattern, TagPattern
from landwaiter.images.reference import ImageReference
from landwaiter.rules.protocol import NO_FACTS, RuleId, Violation
from landwaiter.rules.pull_policy import PullPolicy, PullPolicySettings, default_for
from landwaiter.workloads.values import ImagePlace, ImageUse

A_DIGEST = "sha256:" + "a" * 64
LATEST = TagPattern.parse("latest")


@pytest.mark.parametrize(
    ("image", "default"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        (f"nginx:latest@{A_DIGEST}", "Always"),
        ("registry.example.com:5000/app", "Always"),
        (f"nginx@{A_DIGEST}", "IfNotPresent"),
        (f"nginx:1@{A_DIGEST}", "IfNotPresent"),
        ("nginx:1", "IfNotPresent"),
        ("nginx:Latest", "IfNotPresent"),
        ("nginx:latest-1", "IfNotPresent"),
    ],
)
def test_the_default_is_that_of_kubernetes(image: str, default: str) -> None:
    """Kubernetes 1.36.3 looks at the tag, and takes `latest` only where a digest is not written."""
    assert default == default_for(ImageReference.parse(image))


def test_only_always_is_good_enough_for_latest() -> None:
    """Nobody has to list `latest` for it to float."""
    place = ImagePlace("spec.containers[0].image", "app", "nginx:latest", "IfNotPresent")
    rule = PullPolicySettings.model_validate({}).rule(Path())

    assert Violation(
        RuleId("pullPolicy"),
        reason="floating tag not pulled",
        detail=(
            'tag "latest" floats, and imagePullPolicy is IfNotPresent: a node that has an older '
            "image of this tag would run that; Always is wanted"
        ),
        remedy="write imagePullPolicy: Always, or name a digest: NAME:TAG@sha256:...",
    ) == rule.judge(ImageUse(place, ImageReference.parse("nginx:latest")), NO_FACTS)


def test_semantics_06_a_template_is_judged_again_when_its_pull_policy_changes() -> None:
    """The rule names the field that it reads."""
    assert frozenset({"pull_policy"}) == PullPolicy.reads


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({}, PullPolicy((LATEST,))),
        ({"floating": ["main", "latest"]}, PullPolicy((LATEST, TagPattern.parse("main")))),
        (
            {"preloaded": ["docker.io/library/pause:3.*"]},
            PullPolicy((LATEST,), (ImagePattern.parse("docker.io/library/pause:3.*"),)),
        ),
    ],
)
def test_settings_become_the_rule(settings: dict[str, object], rule: PullPolicy) -> None:
    """`latest` is first among the floating tags; patterns of preloaded images may have tags."""
    assert rule == PullPolicySettings.model_validate(settings).rule(Path())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"floating": []}, "at least 1 item"),
        ({"floating": ["a b"]}, 'tag pattern "a b" given, a tag is wanted'),
        ({"floating": ["a"] * 1001}, "at most 1000 items"),
        ({"preloaded": []}, "at least 1 item"),
        ({"preloaded": ["nginx"]}, "docker.io/library/nginx"),
        ({"preloaded": ["**"] * 1001}, "at most 1000 items"),
        ({"never": "Deny"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    settings: dict[str, object], message: str
) -> None:
    """An empty list, a pattern of another kind and an unknown field do not load."""
    with pytest.raises(ValidationError) as refused:
        PullPolicySettings.model_validate(settings)

    assert message in str(refused.value)
