"""What the inventory of verified images tells whoever counts."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from landwaiter.telemetry.metrics import closed

IGNORED: Final = ("malformed", "forged", "replayed", "future", "expired")
WRITTEN: Final = ("written", "withdrawn", "failed", "dropped")
REMOVED: Final = ("expired", "surplus", "not believed")


class InventoryMetrics:
    """What is kept of what was verified; `count` is asked when metrics are read."""

    def __init__(self, registry: CollectorRegistry, *, count: Callable[[], int]) -> None:
        known = Gauge(
            "landwaiter_verified_images",
            "VerifiedImage objects that are believed, each an image under one authority.",
            registry=registry,
        )
        known.set_function(count)
        self._ignored = Counter(
            "landwaiter_verified_images_ignored",
            "VerifiedImage objects that were heard of and are not believed.",
            ("cause",),
            registry=registry,
        )
        self._written = Counter(
            "landwaiter_verified_image_writes",
            "Successes that were to be kept, or to be kept no longer, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        self._removed = Counter(
            "landwaiter_verified_images_removed",
            "VerifiedImage objects that this replica has removed.",
            ("cause",),
            registry=registry,
        )
        for counter, values in (
            (self._ignored, IGNORED),
            (self._written, WRITTEN),
            (self._removed, REMOVED),
        ):
            for value in values:
                counter.labels(value)

    def ignored(self, why: str) -> None:
        """Count an object that is not believed."""
        self._ignored.labels(closed(why, IGNORED)).inc()

    def written(self, outcome: str) -> None:
        """Count what became of a success."""
        self._written.labels(closed(outcome, WRITTEN)).inc()

    def removed(self, why: str) -> None:
        """Count an object that was removed."""
        self._removed.labels(closed(why, REMOVED)).inc()
