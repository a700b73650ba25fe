"""What `platforms` asks of an image, by its policy and by the nodes that its Pod chooses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference
from landwaiter.rules.image_content import UNTOLD, OfferedPlatforms, PlatformsQuestion
from landwaiter.rules.platforms import CHOICES_MAX, Platforms, PlatformsSettings
from landwaiter.rules.protocol import Facts, RuleId, Undecided, Violation
from landwaiter.workloads.nodes import ANY_NODE, Choice, NodeSelection, NodeTerm
from landwaiter.workloads.values import ImagePlace, ImageRole, ImageUse

IMAGE = f"registry.example.com/app@sha256:{'a' * 64}"


def platforms(*texts: str) -> tuple[Platform, ...]:
    return tuple(map(Platform.parse, texts))


def a_use(nodes: NodeSelection = ANY_NODE, *, role: ImageRole = ImageRole.CONTAINER) -> ImageUse:
    place = ImagePlace("spec.containers[0].image", "app", IMAGE, role=role, nodes=nodes)
    return ImageUse(place, ImageReference.parse(IMAGE))


def only(*, os: Sequence[str] | None = None, arch: Sequence[str] | None = None) -> NodeTerm:
    return NodeTerm(
        Choice(None if os is None else frozenset(os)),
        Choice(None if arch is None else frozenset(arch)),
    )


def missing(
    rule: Platforms, use: ImageUse, offered: Sequence[str], *, is_index: bool = True
) -> str | None:
    """Return what a message says is wanted too, None where the image is admitted."""
    answer = OfferedPlatforms(platforms(*offered), is_index=is_index)
    found = rule.judge(use, Facts({PlatformsQuestion(use.reference): answer}))
    if found is None:
        return None
    assert isinstance(found, Violation)
    return found.detail.partition("wanted too: ")[2]


def following(*required: str) -> Platforms:
    return Platforms(platforms(*required), follow_node_selection=True)


NOT_AMD64 = NodeSelection((NodeTerm(architecture=Choice(None, frozenset({"amd64"}))),))
BOTH = ("linux/amd64", "linux/arm64")


@pytest.mark.parametrize(
    ("required", "nodes", "offered", "expected"),
    [
        (BOTH, ANY_NODE, ["linux/amd64"], "linux/arm64"),
        (BOTH, NodeSelection((only(arch=["amd64"]),)), ["linux/amd64"], None),
        (BOTH, NodeSelection((only(arch=["arm64"]),)), ["linux/amd64"], "linux/arm64"),
        (BOTH, NodeSelection((only(os=["linux"]),)), ["linux/amd64"], "linux/arm64"),
        (BOTH, NOT_AMD64, ["linux/arm64"], None),
        (BOTH, NOT_AMD64, ["linux/amd64"], "linux/arm64"),
        (
            BOTH,
            NodeSelection((only(arch=["s390x"]),)),
            list(BOTH),
            "*/s390x (chosen by the Pod)",
        ),
        (
            BOTH,
            NodeSelection((only(os=["windows"]), only(arch=["amd64"]))),
            ["linux/amd64"],
            "windows/* (chosen by the Pod)",
        ),
        (BOTH, NodeSelection((only(arch=[]),)), ["linux/amd64"], "linux/arm64"),
        ((), NodeSelection((only(os=["linux"]),)), ["linux/riscv64"], None),
        (
            (),
            NodeSelection((only(os=["linux"], arch=["arm64", "amd64"]),)),
            ["linux/arm64"],
            "linux/amd64 (chosen by the Pod)",
        ),
        ((), NodeSelection((only(arch=["arm"]),)), ["linux/arm/v6"], None),
        ((), NodeSelection((only(arch=["amd64"]),)), ["linux/amd64/v3"], "*/amd64"),
        (
            (),
            NodeSelection(
                (NodeTerm(Choice(frozenset({"linux"})), Choice(None, frozenset({"amd64"}))),)
            ),
            ["linux/amd64"],
            "linux/* (chosen by the Pod)",
        ),
    ],
)
def test_a_pod_that_chooses_nodes_is_asked_for_their_platforms(
    required: tuple[str, ...], nodes: NodeSelection, offered: list[str], expected: str | None
) -> None:
    """What it names is asked for, what it rules out is not, and a contradiction lifts nothing."""
    found = missing(following(*required), a_use(nodes), offered)

    assert (expected is None) == (found is None)
    assert found is None or found.startswith(str(expected))


def test_without_following_the_pods_choice_does_not_matter() -> None:
    """A policy for images asks the same of all of them."""
    nodes = NodeSelection((only(arch=["amd64"]),))

    assert "linux/arm64" == missing(Platforms(platforms(*BOTH)), a_use(nodes), ["linux/amd64"])


@pytest.mark.parametrize(
    ("role", "is_index", "expected"),
    [
        (ImageRole.VOLUME, False, None),
        (ImageRole.VOLUME, True, "linux/amd64, linux/arm64"),
        (ImageRole.INIT_CONTAINER, False, "linux/amd64, linux/arm64"),
        (ImageRole.EPHEMERAL_CONTAINER, False, "linux/amd64, linux/arm64"),
    ],
)
def test_a_single_image_can_be_mounted_anywhere(
    role: ImageRole, expected: str | None, *, is_index: bool
) -> None:
    """Nothing in a volume is run; out of an index a node still has to find one for itself."""
    use = a_use(role=role)

    assert expected == missing(Platforms(platforms(*BOTH)), use, ["linux/s390x"], is_index=is_index)


def test_where_nothing_is_wanted_nothing_is_asked() -> None:
    """A registry that is down does not matter to a Pod that chooses no platform."""
    assert () == following().needs(a_use(NOT_AMD64))
    assert None is following().judge(a_use(NOT_AMD64), Facts({}))


def test_long_lists_are_asked_for_up_to_a_bound() -> None:
    """A Pod can name thousands of platforms, and each would be looked for in the image."""
    terms = [only(arch=[f"a{n}-{m}" for m in range(30)]) for n in range(30)]
    found = missing(following(), a_use(NodeSelection(tuple(terms))), [])

    assert f" and {CHOICES_MAX - 8} more" == str(found)[-len(" and 56 more") :]


def test_semantics_20_who_may_be_anybody_is_told_nothing_of_the_image() -> None:
    """The verdict is the same, without the platforms that there are, or are not."""
    use, rule = a_use(), Platforms(platforms(*BOTH))
    answer = OfferedPlatforms(platforms("linux/s390x"), is_index=True, may_be_told=False)

    assert Violation(
        RuleId("platforms"),
        reason="platform missing",
        detail=f"it lacks a platform that is wanted; {UNTOLD}",
        remedy="build one index for all of them",
    ) == rule.judge(use, Facts({PlatformsQuestion(use.reference): answer}))


def test_what_is_not_known_is_undecided() -> None:
    """A fault outside is for the evaluator to weigh."""
    use, down = a_use(), Undecided("could not be found out", "503")

    assert down == Platforms(platforms(*BOTH)).judge(
        use, Facts({PlatformsQuestion(use.reference): down})
    )


def test_semantics_06_a_template_is_judged_again_when_its_choice_of_nodes_changes() -> None:
    """Moving to other nodes needs other platforms."""
    assert frozenset({"nodes"}) == Platforms.reads


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (
            {"require": ["linux/x86_64", "linux/amd64"]},
            Platforms(platforms("linux/amd64")),
        ),
        ({"followNodeSelection": True}, Platforms((), follow_node_selection=True)),
        (
            {"require": ["linux/arm"], "followNodeSelection": True, "unpinned": "Warn"},
            Platforms(platforms("linux/arm/v7"), follow_node_selection=True, unpinned="Warn"),
        ),
    ],
)
def test_settings_become_the_rule(settings: dict[str, Any], rule: Platforms) -> None:
    """Spellings of one platform are one platform."""
    assert rule == PlatformsSettings.model_validate(settings).rule(Path())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "nothing given, require or followNodeSelection: true is wanted"),
        ({"followNodeSelection": False}, "nothing given"),
        ({"unpinned": "Warn"}, "nothing given"),
        ({"require": []}, "at least 1 item"),
        ({"require": ["linux/amd64"] * 65}, "at most 64 items"),
        ({"require": ["linux"]}, "an operating system and an architecture are wanted"),
        ({"require": [1]}, "a platform is a string, not int"),
        ({"require": ["linux/amd64"], "unpinned": "Allow"}, "Input should be 'Deny' or 'Warn'"),
        ({"require": ["linux/amd64"], "prefer": []}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    """A rule that would ask for nothing, and a platform that is none, do not load."""
    with pytest.raises(ValidationError) as refused:
        PlatformsSettings.model_validate(settings)

    assert message in str(refused.value)


def test_platforms_are_written_back_in_their_usual_spelling() -> None:
    """Settings round-trip as texts."""
    settings = PlatformsSettings.model_validate({"require": ["linux/aarch64", "linux/arm"]})

    assert ["linux/arm64", "linux/arm/v7"] == settings.model_dump(by_alias=True)["require"]
