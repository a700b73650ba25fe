"""How platforms are spelled, and which images are made for which nodes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landwaiter.errors import InvalidInput
from landwaiter.images.platforms import PLATFORM_PATTERN, Platform


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64/v1", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/i386", "linux/386"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/arm64/v8.2", "linux/arm64/v8.2"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/s390x", "linux/s390x"),
        ("linux/ppc64le/power9", "linux/ppc64le/power9"),
        ("macos/arm64", "darwin/arm64"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_a_platform_has_one_spelling(written: str, usual: str) -> None:
    """Names are brought to one form, as the container runtimes do it."""
    assert usual == str(Platform.parse(written))
    assert Platform.parse(usual) == Platform.parse(written)


@pytest.mark.parametrize(
    "text",
    [
        *("", "linux", "linux/", "/amd64", "linux/amd64/", "linux/arm/v7/x", "linux /amd64"),
        *("linux/amd64\n", "linux/ámd64", f"linux/{'a' * 33}", f"linux/amd64/{'v' * 90}"),
    ],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    """The message says what is wanted."""
    with pytest.raises(InvalidInput) as refused:
        Platform.parse(text)

    assert "an operating system and an architecture are wanted" in str(refused.value)


@pytest.mark.parametrize(
    ("image", "node", "runs"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v3", True),
        ("linux/amd64/v2", "linux/amd64/v3", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/amd64/v3", "linux/amd64/v2", False),
        ("linux/386", "linux/amd64", False),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm/v10", "linux/arm/v7", False),
        ("linux/arm", "linux/arm64", False),
        ("linux/arm64", "linux/arm64/v9", True),
        ("linux/arm64/v9", "linux/arm64", False),
        ("linux/arm64/v8.2", "linux/arm64/v8.10", True),
        ("linux/arm64/v8.2", "linux/arm64", False),
        ("linux/ppc64le", "linux/ppc64le/power9", True),
        ("linux/ppc64le/power9", "linux/ppc64le", False),
        ("linux/ppc64le/power9", "linux/ppc64le/power9", True),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_an_image_is_made_for_nodes_that_can_do_as_much(
    image: str, node: str, *, runs: bool
) -> None:
    """The baseline of an architecture runs everywhere on it, a higher variant only above."""
    assert runs == Platform.parse(image).runs_on(Platform.parse(node))


@pytest.mark.parametrize(
    ("image", "hosts"),
    [
        ("linux/amd64", ("amd64",)),
        ("linux/386", ("386", "amd64")),
        ("linux/arm/v6", ("arm", "arm64")),
        ("linux/arm64", ("arm64",)),
    ],
)
def test_a_node_may_choose_an_image_of_an_older_architecture(
    image: str, hosts: tuple[str, ...]
) -> None:
    """A 32-bit image runs on a 64-bit node where the index has nothing better for containerd."""
    assert hosts == Platform.parse(image).hosts


@given(st.text(max_size=120))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    """No text ends in another error, and what is read is read again as the same."""
    try:
        platform = Platform.parse(text)
    except InvalidInput:
        return

    assert re.search(PLATFORM_PATTERN, text)
    assert platform == Platform.parse(str(platform))


@given(st.from_regex(PLATFORM_PATTERN, fullmatch=True).filter(str.isascii))
def test_what_the_schema_takes_is_read(text: str) -> None:
    """The API server refuses no platform that is one, and lets none pass that is none."""
    assert isinstance(Platform.parse(text), Platform)
