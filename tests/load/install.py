"""
An install under load: replicas that are replaced, policies that change, certificates that renew.

What a Service does is done here: new connections go to replicas that are ready. What happens, and
when, is up to the caller, who calls from the main thread; beside it the CA bundle of the webhook
object is followed, as the API server follows it.
"""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509

from load.driving import Driver
from load.generations import Signed, policies
from load.memory import kept_bytes
from load.trend import Sample
from realparts.guard import Guard, Replica
from realparts.processes import http_status, wait_until

FOLLOWED_EVERY_SECONDS = 0.2
UNREADY = 503
DRAIN_SECONDS = 20.0
TURNED_SECONDS = 10.0
"""How long SIGTERM may take to be heard on a busy machine."""


@dataclass(slots=True)
class Watched:
    """A replica, since when it is asked, and what it has kept in memory; `left` when it drained."""

    replica: Replica
    since: float
    kept: list[Sample] = field(default_factory=list)
    left: float | None = None

    def sample(self) -> None:
        """Measure once."""
        self.kept.append((time.monotonic(), float(kept_bytes(self.replica.process.pid))))


@dataclass
class InstallUnderLoad:
    """Two replicas or more, of which `driver` knows the ports once there is one."""

    guard: Guard
    signed: Signed
    generation: int = 0
    watched: list[Watched] = field(default_factory=list)
    driver: Driver | None = None
    stages: list[int] = field(default_factory=list)
    """How many CAs the webhook object has named, at each change of their number."""

    @property
    def serving(self) -> list[Watched]:
        """Return the replicas that connections go to."""
        return [each for each in self.watched if each.left is None]

    def bundle(self) -> str:
        """Return the CAs that the API server is told of, in PEM."""
        found = self.guard.webhook_object() or {"webhooks": []}
        texts = {each["clientConfig"].get("caBundle", "") for each in found["webhooks"]}
        return base64.b64decode(max(texts, default="")).decode()

    def add(self) -> Watched:
        """Start a replica by the policies of the moment, and lead connections to it."""
        replica = self.guard.start(policies=self._policies())
        added = Watched(replica, time.monotonic())
        self.watched.append(added)
        self._lead()
        return added

    def replace_all(self) -> None:
        """Roll out new replicas, one after the other, as a Deployment does with a surge of one."""
        for old in list(self.serving):
            self.add()
            self._retire(old)

    def _retire(self, old: Watched) -> None:
        old.left = time.monotonic()
        old.replica.drain()
        wait_until(
            lambda: http_status(f"{old.replica.metrics_url}/readyz") in {UNREADY, None},
            within_seconds=TURNED_SECONDS,
            what="an unready replica",
        )
        self._lead()

    def _lead(self) -> None:
        ports = tuple(each.replica.port for each in self.serving)
        self.guard.balancer.ports = ports
        if self.driver is not None:
            self.driver.order(ports=ports)

    def change_policies(self) -> None:
        """Give every replica the next set."""
        self.generation += 1
        for each in self.serving:
            file = each.replica.folder / "policies" / "policies.yaml"
            file.with_suffix(".new").write_text(self._policies(), "utf-8")
            file.with_suffix(".new").rename(file)

    def _policies(self) -> str:
        return policies(self.generation, self.signed, renamed=False)

    def sample(self) -> None:
        """Measure the memory of every replica that serves."""
        for each in self.serving:
            each.sample()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Tell the load of each change of the CAs that the webhook object names."""
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30)

    def _follow(self, over: threading.Event) -> None:
        known = ""
        while not over.wait(FOLLOWED_EVERY_SECONDS):
            bundle = self.bundle()
            if bundle and bundle != known and self.driver is not None:
                known = bundle
                self.driver.order(bundle=bundle)
                count = len(x509.load_pem_x509_certificates(bundle.encode()))
                if self.stages[-1:] != [count]:
                    self.stages.append(count)

    def renewals(self) -> int:
        """Return how often two CAs were trusted at once, and then one again."""
        pairs = zip(self.stages, self.stages[1:], strict=False)
        return sum(1 for before, after in pairs if (before, after) == (2, 1))

    def exit_codes(self) -> list[int | None]:
        """Return how the replicas that drained have ended; nothing may lead to them any more."""
        drained = [each.replica.process for each in self.watched if each.left is not None]
        for process in drained:
            process.wait(within_seconds=DRAIN_SECONDS)
            process.stop(grace_seconds=0)
        return [process.exit_code for process in drained]
