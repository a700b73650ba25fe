"""Chooses how many runs of cosign there may be at once, and tells why."""

from dataclasses import replace
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.container import Container
from landwaiter.sizing import MIB, cosign_runs
from landwaiter.wiring.outside import OutsideSettings

_log = cast("FilteringBoundLogger", structlog.get_logger())


def with_room_for_cosign(settings: OutsideSettings, container: Container) -> OutsideSettings:
    """
    Return the settings with a number of runs, which the log then has with its reasons.

    What the admin says wins; a warning tells where there is no room for it on a bad day.
    """
    runs = cosign_runs(container, settings.cosign_runs)
    limit = container.memory_bytes
    limit_mib = None if limit is None else limit // MIB
    _log.info(
        "runs of cosign at once",
        runs=runs.at_once,
        asked=runs.asked,
        cores=container.cores,
        memory_limit_mib=limit_mib,
        runs_with_room=runs.room,
    )
    if not runs.fits:
        _log.warning(
            "the memory limit has no room for the runs of cosign on a bad day",
            runs=runs.at_once,
            memory_limit_mib=limit_mib,
            needed_mib=runs.needs_mebibytes,
        )
    return replace(settings, cosign_runs=runs.at_once)
