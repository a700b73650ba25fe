"""Examines what is around the cluster: registries, and the time."""

from collections.abc import Iterator
from typing import Final

from landwaiter.doctor.findings import Finding, Severity
from landwaiter.doctor.picture import Picture

CLOCK_SECONDS: Final = 60.0


def examine(picture: Picture) -> Iterator[Finding]:
    """Yield registries that cannot be reached, and clocks that disagree."""
    for host, problem in sorted(picture.registries.items()):
        if problem is not None:
            yield Finding(
                "registryUnreachable",
                Severity.PROBLEM,
                f"registry {host}",
                problem,
                "an answer, be it a refusal",
                "check name resolution, network policies, proxies and CAs; "
                "a registry that must not be asked needs no entry in --registries",
            )
    if abs(picture.ahead_seconds) > CLOCK_SECONDS:
        yield Finding(
            "clocksDisagree",
            Severity.ADVICE,
            "clock",
            f"the API server is {picture.ahead_seconds:.0f} s ahead of this machine",
            f"at most {CLOCK_SECONDS:.0f} s",
            "synchronise the clocks; certificates go by that of the API server",
        )
