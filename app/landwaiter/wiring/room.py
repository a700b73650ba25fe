"""Tells how many runs of cosign there may be at once, and why."""

from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.sizing import MIB, CosignRuns

_log = cast("FilteringBoundLogger", structlog.get_logger())


def tell_runs(runs: CosignRuns) -> None:
    """Log the choice with its reasons, and warn where there is no room for it on a bad day."""
    limit = runs.container.memory_bytes
    limit_mib = None if limit is None else limit // MIB
    _log.info(
        "runs of cosign at once",
        runs=runs.at_once,
        asked=runs.asked,
        cores=runs.container.cores,
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
