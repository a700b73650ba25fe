"""
Operating systems and architectures, as images are offered for them: `linux/arm/v7`.

Spellings are brought to one as the container runtimes do it, so that `linux/aarch64` is
`linux/arm64` and `linux/arm` is `linux/arm/v7`. A variant names what a processor can do beyond the
baseline of its architecture; an image of a lower variant runs on a node of a higher one.

Source: OCI image specification 1.1.1 (image index, platform); database.go and compare.go of
github.com/containerd/platforms 1.0.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from landwaiter.errors import InvalidInput
from landwaiter.images.reference import quoted

PLATFORM_MAX_CHARACTERS: Final = 100
PLATFORM_PATTERN: Final = (
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,31}){1,2}$"
)
"""What a schema can say of the text of a platform."""
_PART: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
_LEVEL: Final = re.compile(r"v([0-9]{1,2})(?:\.([0-9]{1,2}))?", re.ASCII)
_OS_ALIASES: Final = MappingProxyType({"macos": "darwin"})
_ALIASES: Final = MappingProxyType(
    {
        "i386": ("386", ""),
        "x86_64": ("amd64", None),
        "x86-64": ("amd64", None),
        "aarch64": ("arm64", None),
        "armhf": ("arm", "v7"),
        "armel": ("arm", "v6"),
    }
)
"""Other names of architectures, and the variant that a name stands for; None leaves it."""
_BASELINES: Final = MappingProxyType({"amd64": "v1", "arm64": "v8", "arm": "v7"})
_ALSO_RUN_BY: Final = MappingProxyType({"386": ("amd64",), "arm": ("arm64",)})
"""The architectures whose nodes also choose images of another one, where they find none better."""


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """
    An operating system, an architecture and a variant of it, in their usual spelling.

    `variant` is empty for the baseline of an architecture, besides arm, whose variants all have
    names.
    """

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "") -> Self:
        """Return the platform in its usual spelling. Raises `ValueError` for what is no name."""
        os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
        for part in (os, architecture, variant or "none"):
            if not _PART.fullmatch(part):
                raise ValueError(quoted(part))
        architecture, implied = _ALIASES.get(architecture, (architecture, None))
        variant = variant if implied is None else implied
        if architecture in _BASELINES:
            variant = _variant(architecture, variant)
        return cls(_OS_ALIASES.get(os, os), architecture, variant)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the platform that an admin writes. Raises `InvalidInput`."""
        parts = text.split("/", maxsplit=3)
        if len(text) <= PLATFORM_MAX_CHARACTERS and len(parts) in (2, 3) and parts[-1]:
            with suppress(ValueError):
                return cls.of(*parts)
        raise InvalidInput(
            f"platform {quoted(text)} given, an operating system and an architecture are wanted, "
            "and perhaps a variant: linux/amd64, linux/arm/v7"
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The architectures of nodes that may choose an image of this platform."""
        return (self.architecture, *_ALSO_RUN_BY.get(self.architecture, ()))

    def runs_on(self, node: "Platform") -> bool:
        """Whether an image of this platform is made for such a node."""
        if (self.os, self.architecture) != (node.os, node.architecture):
            return False
        if self.variant in ("", node.variant):
            return True
        own, of_node = _level(self), _level(node)
        return own is not None and of_node is not None and own <= of_node

    def __str__(self) -> str:
        parts = (self.os, self.architecture, self.variant)
        return "/".join(part for part in parts if part)


def _level(platform: Platform) -> tuple[int, int] | None:
    """Return what can be compared of a variant, None where nothing can."""
    variant = platform.variant or _BASELINES.get(platform.architecture, "")
    match = _LEVEL.fullmatch(variant)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _variant(architecture: str, variant: str) -> str:
    """Return the usual spelling of a variant: `7` is `v7`, and a baseline has none but with arm."""
    if variant.isdigit():
        variant = f"v{variant}"
    if architecture == "arm":
        return variant or _BASELINES["arm"]
    return "" if variant.removesuffix(".0") == _BASELINES[architecture] else variant
