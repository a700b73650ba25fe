"""Which images of an index a rule is asked about."""

import pytest

from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference
from landwaiter.rules.image_content import ConfigurationsQuestion
from landwaiter.workloads.nodes import ANY_NODE, Choice, NodeSelection, NodeTerm

SUBJECT = ImageReference.parse(f"registry.example.com/app@sha256:{'a' * 64}")
LINUX = NodeTerm(os=Choice(frozenset({"linux"})))
AMD64 = NodeTerm(architecture=Choice(frozenset({"amd64"})))
ARM64 = NodeTerm(architecture=Choice(frozenset({"arm64"})))
OFFERED = (
    *("linux/386", "linux/amd64", "linux/amd64/v3", "linux/arm/v6", "linux/arm64"),
    *("linux/s390x", "windows/amd64"),
)


@pytest.mark.parametrize(
    ("platforms", "nodes", "expected"),
    [
        ((), ANY_NODE, OFFERED),
        ((), NodeSelection((LINUX,)), OFFERED[:-1]),
        (
            (),
            NodeSelection((AMD64,)),
            ("linux/386", "linux/amd64", "linux/amd64/v3", "windows/amd64"),
        ),
        ((), NodeSelection((ARM64,)), ("linux/arm/v6", "linux/arm64")),
        (("linux/amd64",), ANY_NODE, ("linux/386", "linux/amd64", "linux/amd64/v3")),
        (("linux/amd64/v2",), ANY_NODE, ("linux/386", "linux/amd64", "linux/amd64/v3")),
        (("linux/amd64", "linux/arm64"), NodeSelection((ARM64,)), ("linux/arm/v6", "linux/arm64")),
        (("linux/amd64",), NodeSelection((ARM64,)), ()),
        (("linux/s390x",), NodeSelection((ARM64, LINUX)), ("linux/s390x",)),
    ],
)
def test_images_for_nodes_that_there_are_and_that_are_chosen_may_run(
    platforms: tuple[str, ...], nodes: NodeSelection, expected: tuple[str, ...]
) -> None:
    """Of every variant, and of the older architecture that such a node also takes."""
    question = ConfigurationsQuestion(SUBJECT, tuple(map(Platform.parse, platforms)), nodes)

    assert expected == tuple(each for each in OFFERED if question.may_run(Platform.parse(each)))


@pytest.mark.parametrize("platforms", [(), (Platform("linux", "amd64"),)])
def test_an_image_that_names_no_platform_may_run_anywhere(
    platforms: tuple[Platform, ...],
) -> None:
    """CRI-O takes it where it finds no better one, and containerd looks into the image."""
    assert ConfigurationsQuestion(SUBJECT, platforms, NodeSelection((ARM64,))).may_run(None)
