"""What an install decides for all policies, beside the documents."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class UnmatchedImages(StrEnum):
    """What becomes of an image that no ClusterImagePolicy which denies here is about."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class PolicyInstallSettings:
    """The options of `serve` and `check` that are about policies."""

    unmatched_images: UnmatchedImages = UnmatchedImages.ALLOW


DEFAULTS: Final = PolicyInstallSettings()
