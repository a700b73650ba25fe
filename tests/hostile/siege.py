"""
A Landwaiter that is attacked, while somebody else goes on asking it what it is for.

Every check of an attack is also a check of what the others notice of it: their reviews are
answered, rightly and in time, `/livez` answers, and the memory stays within what operations are
told.
"""

import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from landwaiter.serving.certificates import read_file
from load.driving import Driver
from load.generations import policies, questions
from load.learning import learn, paired, post
from load.orders import Orders
from realparts.landwaiter import Landwaiter
from realparts.processes import http_status, wait_until

MEMORY_MAX_BYTES = 704 * 1024 * 1024
"""The bound for an install without conditions (docs/install.md, "Sizing")."""
REVIEWS_A_SECOND = 20.0
SECONDS_AT_MOST = 2400.0
SLOWEST_MILLISECONDS = 9_000.0
"""The API server waits for ten seconds by default."""
ANSWERS_AFTER = 20
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Siege:
    """A process under attack and the load of the others."""

    landwaiter: Landwaiter
    load: Driver

    def is_alive(self) -> bool:
        """Whether `/livez` answers."""
        return http_status(f"{self.landwaiter.metrics_url}/livez", timeout_seconds=5) == 200

    def peak_bytes(self) -> int:
        """Return the most memory that the process has had so far."""
        status = Path(f"/proc/{self.landwaiter.process.pid}/status").read_text("ascii")
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    @contextmanager
    def attacked(self) -> Iterator[None]:
        """Check what the others have noticed of the attack in the block, and after it."""
        self.load.order(phase=f"attack at {time.monotonic()}")
        before = self._answers()
        yield
        reached = self._answers()
        alive = self.is_alive()
        wait_until(
            lambda: self._answers() >= reached + ANSWERS_AFTER,
            within_seconds=PATIENCE_SECONDS,
            what="answers after the attack",
        )
        report = self.load.report()
        bugs = [
            self.landwaiter.metric(f"landwaiter_{name}_total")
            for name in ("handler_errors", "judge_overruns")
        ]
        seen = (
            report.failed,
            reached > before,
            alive,
            bugs,
            report.milliseconds["p100"] < SLOWEST_MILLISECONDS,
            self.peak_bytes() < MEMORY_MAX_BYTES,
        )
        told = f"{report.milliseconds}, at most {self.peak_bytes() / 2**20:.0f} MiB"
        assert seen == ({}, True, True, [0.0, 0.0], True, True), told

    def _answers(self) -> int:
        return sum(self.load.report().kinds.values())


@contextmanager
def besieged(folder: Path) -> Iterator[Siege]:
    """Run a Landwaiter that others ask, with policies without conditions."""
    with Landwaiter(folder / "landwaiter", policies=policies(0, conditions=False)) as landwaiter:
        wanted = questions()
        tls = landwaiter.client_context()
        even = learn(wanted, lambda each, number: post(landwaiter.port, tls, each, number), 0)
        orders = Orders(
            (landwaiter.port,),
            read_file(landwaiter.authority.certificate).decode(),
            rate=REVIEWS_A_SECOND,
        )
        known = paired(wanted, even, even)
        with Driver(folder / "load", known, orders, seconds_at_most=SECONDS_AT_MOST) as load:
            yield Siege(landwaiter, load)


@contextmanager
def room_for(descriptors: int) -> Iterator[None]:
    """Let this process have so many files open. Raises `ValueError` where the system forbids it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    most = descriptors if hard == resource.RLIM_INFINITY else min(descriptors, hard)
    if most < descriptors:
        raise ValueError(f"{descriptors} open files are wanted, the system allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(descriptors, before[0]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
