"""What a registry of metrics has counted."""

from prometheus_client import CollectorRegistry


def counted(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric that are not zero, by their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name and sample.value
    }
