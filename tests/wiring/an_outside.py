"""What is outside, as the application wires it: a cluster, a registry and cosign, all faked."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from cosign.fakes import fake_cosign
from landwaiter.cluster.view import NamespaceLabels
from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.inventory.ledger import Ledger
from landwaiter.policy.case import Case, Operation, Side
from landwaiter.policy.judge import Judge
from landwaiter.policy.matching import Policy
from landwaiter.policy.policy_set import PolicySet
from landwaiter.rules.protocol import FactSource
from landwaiter.rules.verdict import Verdict
from landwaiter.wiring.outside import OutsideSettings, fact_source
from landwaiter.workloads.values import ImagePlace, ImageUse
from registry.fake_registry import FakeRegistry
from wiring.a_cluster import FakeCluster, an_inquiry


@dataclass
class Clock:
    """What time it is for whoever counts ages; the time of day until it is set."""

    seconds: float | None = None

    def __call__(self) -> float:
        return time.time() if self.seconds is None else self.seconds


@dataclass
class Outside:
    """Everything outside: a registry, a cluster, cosign; and what has been counted."""

    registry: FakeRegistry
    cluster: FakeCluster
    source: FactSource
    collectors: CollectorRegistry
    clock: Clock
    policies: list[Policy] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def runs(self) -> float:
        """How often cosign has been asked about an image's signatures in the old format."""
        return self._runs_of("simple signing")

    @property
    def attestation_runs(self) -> float:
        """How often cosign has been asked about an image's attestations in the old format."""
        return self._runs_of("envelope")

    def _runs_of(self, form: str) -> float:
        name = "landwaiter_cosign_run_images_total"
        return self.collectors.get_sample_value(name, {"format": form}) or 0

    async def judged(
        self, text: str, *, dry_run: bool = False, trusted: bool = True, seconds: float = 20
    ) -> Verdict:
        """Return the verdict on a Pod with one image, by the policies."""
        judge = Judge(
            policies=lambda: PolicySet(tuple(self.policies)),
            source=self.source,
            namespaces=NamespaceLabels(self.cluster),
            inventory=self.ledger,
        )
        place = replace(an_inquiry().workload, uses=(use(text),))
        case = Case(
            Operation.CREATE,
            place,
            Deadline.after(seconds),
            dry_run=dry_run,
            credentials_allowed=trusted,
        )
        return await judge.judge(case, Side.ENFORCE)


@asynccontextmanager
async def outside(
    tmp_path: Path,
    *,
    users: Mapping[str, str] | None = None,
    mirror: Callable[[str], Mapping[str, object]] | None = None,
    ledger: Ledger | None = None,
) -> AsyncIterator[Outside]:
    """Give a world that is as it should be; `mirror` says what the registry's host mirrors."""
    cluster, ledger = FakeCluster(), ledger or Ledger()
    async with FakeRegistry(users=users) as registry:
        file = tmp_path / "registries.yaml"
        entry = {"host": registry.host, "plainHTTP": True}
        mirrors = [mirror(registry.host)] if mirror else []
        file.write_text(json.dumps({"registries": [entry], "mirrors": mirrors}))
        settings = OutsideSettings(file, str(fake_cosign(tmp_path)))
        async with _process(settings, registry, cluster, [], ledger) as world:
            yield world


@asynccontextmanager
async def another_process(world: Outside, tmp_path: Path, ledger: Ledger) -> AsyncIterator[Outside]:
    """Give the same world to a process that remembers nothing but what its ledger has kept."""
    settings = OutsideSettings(tmp_path / "registries.yaml", str(fake_cosign(tmp_path)))
    async with _process(settings, world.registry, world.cluster, world.policies, ledger) as other:
        yield other


@asynccontextmanager
async def _process(
    settings: OutsideSettings,
    registry: FakeRegistry,
    cluster: FakeCluster,
    policies: list[Policy],
    ledger: Ledger,
) -> AsyncIterator[Outside]:
    collectors, clock = CollectorRegistry(), Clock()
    async with fact_source(
        settings,
        policies=lambda: policies,
        view=cluster,
        collectors=collectors,
        clock=clock,
        ledger=ledger,
    ) as source:
        yield Outside(registry, cluster, source, collectors, clock, policies, ledger)


def use(text: str) -> ImageUse:
    return ImageUse(ImagePlace("spec.containers[0].image", "app", text), ImageReference.parse(text))
