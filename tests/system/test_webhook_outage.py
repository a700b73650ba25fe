"""What becomes of an install while the API server is away."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realparts.balancer import Balancer
from realparts.control_plane import ControlPlane
from realparts.guard import Guard
from realparts.landwaiter import OK
from realparts.processes import http_status, wait_until
from system.long_outage import VIEWS, LongOutage
from system.test_webhook_objects import DENIES, VALIDATE

SECONDS = 10.0
AWAY_SECONDS = 60.0
CPU_SHARE_MAX = 0.05


@pytest.fixture
def guard(guarded_cluster: ControlPlane, tmp_path: Path) -> Iterator[Guard]:
    with Balancer() as balancer:
        guard = Guard(tmp_path, guarded_cluster, balancer, policies=DENIES)
        guard.install()
        yield guard
        guard.clear()


@contextmanager
def no_api_server(guard: Guard) -> Iterator[None]:
    guard.cluster.stop_api_server()
    try:
        yield
    finally:
        guard.cluster.start_api_server()


def test_an_api_server_that_is_away_keeps_nobody_from_serving(guard: Guard) -> None:
    """Before the first certificate a replica waits, alive; after it, it stays ready."""
    replica = guard.prepared()
    replica.prepare()
    command = replica.command()

    def status(path: str) -> int | None:
        return http_status(f"{replica.metrics_url}{path}")

    with no_api_server(guard):
        replica.spawn(command)
        wait_until(lambda: status("/livez") == OK, within_seconds=SECONDS, what="/livez")
        before = status("/readyz")
    replica.wait_until_ready()
    guard.balancer.ports = (replica.port,)
    guard.wait_until_armed(VALIDATE)
    during = set()
    with no_api_server(guard):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            during.add(status("/readyz"))

    assert (503, {OK}) == (before, during)


def test_a_minute_without_api_server_costs_little_and_is_told(long_outage: LongOutage) -> None:
    """The process stays ready and uses next to nothing; its metrics say how old its news is."""
    share = long_outage.share_after(AWAY_SECONDS)
    old = {view for view, age in long_outage.ages().items() if age >= AWAY_SECONDS}
    ready = http_status(f"{long_outage.landwaiter.metrics_url}/readyz")
    long_outage.heal()

    assert (set(VIEWS), OK) == (old, ready)
    assert share.seconds >= AWAY_SECONDS
    assert 0 < share.of_a_core < CPU_SHARE_MAX, share  # Nothing at all would be nothing measured.
