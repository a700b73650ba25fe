"""
Every fault that docs/faults.md lists, with people who create Pods all the while.

The install is the same all the time: what a fault has done to it must not be seen in the next one.
Its webhook object judges every namespace, so it has the cluster of those tests that do the same.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from realparts.control_plane import ControlPlane
from realparts.debian_tools import ensure_tools
from realparts.memory_group import memory_group
from realparts.processes import wait_until
from realparts.progress import step
from system.faults.asking import KNOWN, People
from system.faults.enduring import Endured, endure
from system.faults.places import HANGS_FOR, processes_with
from system.faults.table import RUN_SECONDS
from system.faults.victim import PATIENCE_SECONDS, REPLICAS, Victim, a_victim
from system.workshop import Workshop

TOOLS_SECONDS = 30
TICKS_SECONDS = 3.0
"""Within which every replica has looked at the time and at its certificate."""
READY = [200] * REPLICAS
MEBIBYTES = 16
"""Too little for a run of cosign."""


@pytest.fixture(scope="module")
def standing(
    guarded_cluster: ControlPlane, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("small disks, name servers and limits of memory need root")
    with step("Debian's tools", TOOLS_SECONDS) as current:
        ensure_tools(current)
    with a_victim(guarded_cluster, workshop, tmp_path_factory.mktemp("victim")) as victim:
        yield victim


@pytest.fixture(scope="module")
def namespace(standing: Victim) -> str:
    return standing.guard.cluster.new_namespace()


@pytest.fixture
def people(standing: Victim, namespace: str) -> People:
    """Give people who create Pods with images of a host that has no name."""
    images = replace(standing.images, hosts=standing.images.hosts[:1])
    return People(standing.guard.cluster, namespace, images)


@pytest.fixture
def victim(standing: Victim, people: People) -> Victim:
    """Give the install, each replica of which knows the image that counts as known."""
    standing.restart_what_has_ended()
    standing.wait_until_the_known_is_known(lambda: people.ask(KNOWN))
    return standing


@pytest.fixture
def endured(people: People, figures: list[str]) -> Callable[..., Endured]:
    """Let the install go through a fault, with the checks that are the same for all of them."""

    def go_through(
        name: str,
        fault: AbstractContextManager[None],
        *,
        by: People = people,
        of_each_kind: int = 2,
        for_seconds: float = 0.0,
        heals_by_itself: bool = False,
    ) -> Endured:
        found = endure(
            by,
            name,
            fault,
            of_each_kind=of_each_kind,
            for_seconds=for_seconds,
            heals_by_itself=heals_by_itself,
        )
        figures.append(found.figures())
        found.check()
        return found

    return go_through


@contextmanager
def during(fault: AbstractContextManager[None], look: Callable[[], None]) -> Iterator[None]:
    """Look at something when the fault has been there for a while."""
    with fault:
        yield
        look()


def test_a_replica_that_is_killed_is_done_without(
    victim: Victim, endured: Callable[..., Endured]
) -> None:
    """The other one answers at once, and the first one again once the kubelet has started it."""

    @contextmanager
    def killed() -> Iterator[None]:
        victim.kill(victim.replicas[0])
        yield

    endured("replica killed", killed(), heals_by_itself=True)

    assert 1 == victim.restart_what_has_ended()
    assert READY == victim.readiness()


def test_without_api_server_replicas_stay_ready(
    victim: Victim, endured: Callable[..., Endured]
) -> None:
    """They are asked again as soon as it is back."""
    seen: list[list[int | None]] = []
    fault = during(victim.no_api_server(), lambda: seen.append(victim.readiness()))
    endured("API server away", fault)

    assert [READY] == seen


def test_without_etcd_replicas_stay_ready(
    victim: Victim, people: People, endured: Callable[..., Endured]
) -> None:
    """The API server asks them even so, and can store nothing."""
    seen: list[list[int | None]] = []
    hasty = replace(people, answer_seconds=3.0)
    fault = during(victim.no_etcd(), lambda: seen.append(victim.readiness()))
    endured("etcd away", fault, by=hasty, of_each_kind=1)

    assert [READY] == seen


def test_a_full_disk_keeps_new_images_out_and_nothing_else(
    victim: Victim, endured: Callable[..., Endured]
) -> None:
    """No replica becomes unready for it, for all of them would."""
    seen: list[list[int | None]] = []
    endured("disk full", during(victim.full_disks(), lambda: seen.append(victim.readiness())))

    assert [READY] == seen


def test_a_name_server_that_is_silent_keeps_new_images_out_and_nothing_else(
    victim: Victim, people: People, endured: Callable[..., Endured]
) -> None:
    """Registries that are reached by address are verified as ever."""
    endured("no DNS", victim.silent_names(), by=replace(people, images=victim.images))


@pytest.mark.parametrize(("name", "offset"), [("clock ahead", "+100d"), ("clock behind", "-100d")])
def test_a_clock_that_leaps_changes_nothing(
    victim: Victim, endured: Callable[..., Endured], name: str, offset: str
) -> None:
    """No certificate is made by it, and no replica takes its own for one that has ended."""
    before = victim.secret()
    seen: list[list[int | None]] = []
    fault = during(victim.moved_clocks(offset), lambda: seen.append(victim.readiness()))
    endured(name, fault, for_seconds=TICKS_SECONDS)

    assert ([READY], before) == (seen, victim.secret())


def test_a_certificate_that_is_swapped_or_spoilt_refuses_nobody(
    victim: Victim, people: People, endured: Callable[..., Endured]
) -> None:
    """What the Secret holds is served once it is trusted, and made good where it is nothing."""

    @contextmanager
    def swapped() -> Iterator[None]:
        victim.swap_certificate()
        people.wait_for_answers(time.monotonic(), of_each_kind=2, for_seconds=TICKS_SECONDS)
        victim.spoil_certificate()
        yield

    endured("certificate swapped", swapped(), for_seconds=TICKS_SECONDS)

    assert READY == victim.readiness()
    assert victim.secret()["tls.crt"].startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_cosign_that_hangs_is_ended_with_all_that_it_has_started(
    victim: Victim, endured: Callable[..., Endured]
) -> None:
    """The process group goes, so the helper that it waits for goes too."""
    endured("cosign hangs", victim.hanging_cosign())

    wait_until(
        lambda: not processes_with(HANGS_FOR),
        within_seconds=2 * RUN_SECONDS,
        what="the end of every cosign that hangs",
    )


def test_a_memory_limit_ends_a_process_and_no_verdict_is_wrong(
    victim: Victim, endured: Callable[..., Endured]
) -> None:
    """Which process, the kernel says: a cosign or the replica."""

    @contextmanager
    def limited() -> Iterator[None]:
        with memory_group(f"landwaiter-faults-{os.getpid()}") as group:
            group.limit(MEBIBYTES)
            group.add(victim.replicas[0].process.pid)
            wait_until(
                lambda: group.kills() > 0,
                within_seconds=PATIENCE_SECONDS,
                what="a process that the kernel ends",
            )
            yield
        victim.restart_what_has_ended()

    endured("memory limit", limited())

    assert READY == victim.readiness()
