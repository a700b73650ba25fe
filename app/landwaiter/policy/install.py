"""What an install decides for all policies, beside the documents."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class UnmatchedImages(StrEnum):
    """What becomes of an image that no ClusterImagePolicy which denies here is about."""

    ALLOW = "Allow"
    DENY = "Deny"


class NamespacedExceptions(StrEnum):
    """What becomes of exceptions that whoever runs a namespace has written."""

    REFUSE = "Refuse"
    ALLOW = "Allow"


EXCEPTION_MAX_DAYS: Final = 7
"""Long enough to mend what an exception bridges; who needs longer says so for the install."""


@dataclass(frozen=True, slots=True)
class PolicyInstallSettings:
    """The options of `serve` and `check` that are about policies."""

    unmatched_images: UnmatchedImages = UnmatchedImages.ALLOW
    namespaced_exceptions: NamespacedExceptions = NamespacedExceptions.REFUSE
    exception_max_days: int = EXCEPTION_MAX_DAYS
    kms_schemes: frozenset[str] | None = frozenset()
    """The schemes of services that policies may name keys of; None where that is not known."""


DEFAULTS: Final = PolicyInstallSettings()

ANY_INSTALL: Final = PolicyInstallSettings(
    namespaced_exceptions=NamespacedExceptions.ALLOW, exception_max_days=36500, kms_schemes=None
)
"""For verbs that look at documents without knowing which install they are for."""
