"""The log has how many runs of cosign there may be, and why."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from landwaiter.container import Container
from landwaiter.sizing import MIB
from landwaiter.wiring.outside import OutsideSettings
from landwaiter.wiring.room import with_room_for_cosign

CHOICE = {"event": "runs of cosign at once", "log_level": "info", "cores": 4}
NO_ROOM = {
    "event": "the memory limit has no room for the runs of cosign on a bad day",
    "log_level": "warning",
}
UNLIMITED = {"runs": 4, "asked": None, "memory_limit_mib": None, "runs_with_room": None}
LIMITED = {"runs": 9, "asked": 9, "memory_limit_mib": 600, "runs_with_room": 0}
TOO_SMALL = {"runs": 9, "memory_limit_mib": 600, "needed_mib": 560 + 9 * 65}


@pytest.mark.parametrize(
    ("container", "asked", "runs", "expected"),
    [
        (Container(4), None, 4, [{**CHOICE, **UNLIMITED}]),
        (Container(4, 600 * MIB), 9, 9, [{**CHOICE, **LIMITED}, {**NO_ROOM, **TOO_SMALL}]),
    ],
    ids=["chosen", "asked for, without room"],
)
def test_the_choice_is_told_with_its_reasons(
    container: Container, asked: int | None, runs: int, expected: list[dict[str, Any]]
) -> None:
    """What was asked for counts, and a warning tells where it has no room."""
    with capture_logs() as lines:
        settings = with_room_for_cosign(OutsideSettings(None, "cosign", asked), container)

    assert expected == lines
    assert OutsideSettings(None, "cosign", runs) == settings
