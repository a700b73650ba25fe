"""Connections fit into what the system allows."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from landwaiter.serving.descriptors import connections_with

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [
        (resource.RLIM_INFINITY, 4000),
        (1_000_000, 4000),
        (5024, 4000),
        (4096, 3072),
        (1024, 512),
        (100, 50),
        (1, 1),
    ],
)
def test_connections_leave_room_for_everything_else(descriptors: int, connections: int) -> None:
    """Half of the descriptors at least, and no more than all but a thousand."""

    assert connections == connections_with(descriptors, 4000)


@pytest.mark.parametrize(("hard", "expected"), [(8000, "4000 5024"), (2000, "1000 2000")])
def test_the_soft_limit_is_raised_as_far_as_it_goes(hard: int, expected: str) -> None:
    """A shell's usual 1,024 would be used up by whoever opens as many connections."""
    program = (
        "import resource as r\n"
        f"r.setrlimit(r.RLIMIT_NOFILE, (256, {hard}))\n"
        "from landwaiter.serving.descriptors import connections_within_limit\n"
        "print(connections_within_limit(4000), r.getrlimit(r.RLIMIT_NOFILE)[0])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "app")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert expected == run.stdout.strip()
