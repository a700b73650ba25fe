"""Examines whether the memory limit of the Pod has room for the runs of cosign."""

from collections.abc import Iterator

from landwaiter.doctor.findings import Finding, Severity
from landwaiter.doctor.picture import Picture
from landwaiter.sizing import LEAST_MIB, MIB, RUN_MIB


def examine(picture: Picture) -> Iterator[Finding]:
    """Yield a limit that a bad day would break, also where no policy has what is optional."""
    runs = picture.install.cosign_runs
    if runs is None or runs.fits:
        return
    yield Finding(
        "memoryLimitTooSmall",
        Severity.ADVICE,
        "memory limit of this container",
        f"{(runs.container.memory_bytes or 0) // MIB} MiB, and {runs.at_once} of cosign at once",
        f"{runs.needs_mebibytes} MiB: {LEAST_MIB} on a bad day, and {RUN_MIB} for each of cosign",
        "raise the memory limit (resources.limits.memory of the chart)"
        + (", or lower --cosign-runs (cosign.runs)" if runs.at_once > 1 else ""),
    )
