"""The log has how many runs of cosign there may be, and why."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from landwaiter.container import Container
from landwaiter.sizing import MIB, CosignRuns, cosign_runs
from landwaiter.wiring.room import tell_runs

CHOICE = {"event": "runs of cosign at once", "log_level": "info", "cores": 4}
NO_ROOM = {
    "event": "the memory limit has no room for the runs of cosign on a bad day",
    "log_level": "warning",
}
UNLIMITED = {"runs": 4, "asked": None, "memory_limit_mib": None, "runs_with_room": None}
LIMITED = {"runs": 9, "asked": 9, "memory_limit_mib": 600, "runs_with_room": 0}
TOO_SMALL = {"runs": 9, "memory_limit_mib": 600, "needed_mib": 560 + 9 * 65}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (cosign_runs(Container(4)), [{**CHOICE, **UNLIMITED}]),
        (
            cosign_runs(Container(4, 600 * MIB), 9),
            [{**CHOICE, **LIMITED}, {**NO_ROOM, **TOO_SMALL}],
        ),
    ],
    ids=["chosen", "asked for, without room"],
)
def test_the_choice_is_told_with_its_reasons(
    runs: CosignRuns, expected: list[dict[str, Any]]
) -> None:
    """What was asked for counts, and a warning tells where it has no room."""
    with capture_logs() as lines:
        tell_runs(runs)

    assert expected == lines
