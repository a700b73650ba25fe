"""
An install whose API server goes away, for as long as a test wants to wait for.

It goes on beside other tests: they are not asked for anything, and the processor time of a process
is its own, however busy the machine is.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from realparts.control_plane import ControlPlane
from realparts.landwaiter import Landwaiter
from realparts.processes import retried_on_port_clash, wait_until
from system.installation import a_policy, documents
from system.policies import PRIVATE

VIEWS = ("namespaces", "serviceaccounts")
ACCOUNTS = "serviceaccounts"
HEARD_SECONDS = 30.0
"""Of which waiting between two attempts takes ten at most."""

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a core was used in how many seconds."""

    seconds: float
    of_a_core: float


class LongOutage:
    """A Landwaiter that is ready, and then is without an API server until `heal`."""

    def __init__(self, folder: Path) -> None:
        self.cluster = ControlPlane(folder / "cluster", with_controllers=False)
        self.landwaiter = Landwaiter(
            folder / "landwaiter",
            policies=documents(a_policy("away", {"pullSecrets": {"requireFor": [PRIVATE]}})),
            cluster=self.cluster,
        )
        self._began = 0.0
        self._used = 0.0

    def begin(self) -> None:
        """Start everything, and take the API server away."""
        self.cluster.start()
        retried_on_port_clash(self.landwaiter.start)
        self.cluster.stop_api_server()
        self._began, self._used = time.monotonic(), self._cpu_seconds()

    def share_after(self, seconds: float) -> Share:
        """Return what Landwaiter has used since then, once it has lasted so long."""
        wait_until(
            lambda: time.monotonic() >= self._began + seconds,
            within_seconds=seconds + 1,
            what=f"{seconds:g} s of outage",
        )
        used, lasted = self._cpu_seconds() - self._used, time.monotonic() - self._began
        return Share(lasted, used / lasted)

    def ages(self) -> dict[str, float]:
        """Return for how many seconds nothing has been heard of each view, by its metrics."""
        name = "landwaiter_view_age_seconds"
        return {each: self.landwaiter.metric(name, resource=each) for each in VIEWS}

    def heal(self) -> None:
        """Bring the API server back; return once a new account and all views are heard of."""
        before, began = self._accounts(), time.monotonic()
        self.cluster.start_api_server()
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "new"}}
        path = "/api/v1/namespaces/default/serviceaccounts"
        assert 201 == self.cluster.request("POST", path, account).status
        wait_until(
            lambda: (
                self._accounts() > before and max(self.ages().values()) < time.monotonic() - began
            ),
            within_seconds=HEARD_SECONDS,
            what="news of an account and of all views",
        )

    def end(self) -> None:
        """End everything."""
        self.landwaiter.stop()
        self.cluster.stop()

    def _accounts(self) -> float:
        return self.landwaiter.metric("landwaiter_view_objects", resource=ACCOUNTS)

    def _cpu_seconds(self) -> float:
        """Return the processor time of the whole group so far, of what has ended in it too."""
        group = str(self.landwaiter.process.pid)
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text("ascii", errors="replace").rpartition(")")[2].split()
            except OSError:  # It has ended meanwhile, and counts among what its parent has reaped.
                continue
            if fields[2] == group:
                ticks += sum(map(int, fields[11:15]))
        return ticks / _TICKS_A_SECOND
