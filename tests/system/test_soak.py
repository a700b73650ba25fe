"""
An install at half of what it can do, while all that may happen to it happens.

Reviews are posted by a process of its own (`load/program.py`), each answer is checked, and a share
goes through the API server. Meanwhile policies change, replicas are replaced and certificates
renew. `make test` runs the first minute, `make soak` ten; LANDWAITER_SOAK_SECONDS says how long.
"""

import json
import os
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from load.driving import Driver
from load.generations import Asked, Question, Signed, filled, policies, questions
from load.install import InstallUnderLoad, Watched
from load.learning import learn, paired, post
from load.orders import APIAddress, Orders, Report
from load.program import told_by_api
from load.trend import Trend, trend
from realparts.balancer import Balancer
from realparts.control_plane import ControlPlane
from realparts.guard import Guard
from realparts.processes import wait_until
from realparts.short_lived import LIFETIME
from system.objects import pods_of
from system.test_webhook_objects import OBSERVE, VALIDATE
from system.workshop import Workshop

SECONDS = float(os.environ.get("LANDWAITER_SOAK_SECONDS", "60"))
MORE_SECONDS = 240.0
"""For everything before and after, on a busy machine."""

WARM_SECONDS, CAPACITY_SECONDS = 3.0, 5.0
CHANGE_SECONDS = 3.0
UPGRADES_AT = (5.0, 125.0)
"""The last of them early enough for those that are left to be measured in the last five minutes."""
CERTIFICATE_SECONDS = 45.0
"""Renewed at two thirds; a busy machine has the rest of it to change over."""
TICK_SECONDS = 0.25
SHOWN_EVERY_SECONDS = 10.0
IN_FORCE_SECONDS = 10.0

SETTLING_SECONDS = min(SECONDS / 2, 175)
"""
Until a process has filled what it keeps for all times, and the allocator has its pools.

Names of images that are remembered are as many as ever after 150 s, so the first minute alone shows
the end of it.
"""
SHORT_SECONDS = 300.0
GROWTH_MAX_BYTES = (8 if SECONDS < SHORT_SECONDS else 4) * 1024 * 1024
"""
What is called flat: that much in all the time that is measured, at the lower end of the estimate.

A short run sees the end of what a process keeps for all times. In ten minutes it is less than
anything that could be kept of each review, or of each new set of policies or certificate.
"""
LEAST_SECONDS = 10.0
"""How long there must be measurements for a slope."""
BLOCKS = 40
"""Into how many medians they are put together."""
KEPT_UP = 0.75
"""The share of what was due that must have been sent, whatever else the machine does."""


@dataclass
class Scene:
    """An install that is armed, with what it is asked and what is right."""

    install: InstallUnderLoad
    cluster: ControlPlane
    namespace: str

    def ask(self, question: Question, number: int) -> str:
        """Ask the first replica, or the API server."""
        if question.to_api:
            pod = json.loads(filled(question.body, number))
            path = f"{pods_of(self.namespace)}?dryRun=All"
            answer = self.cluster.request("POST", path, pod, user="developer")
            return told_by_api(answer.status, answer.body)
        return self.ask_at(self.install.watched[0], question, number)

    def ask_at(self, watched: Watched, question: Question, number: int) -> str:
        """Ask one replica."""
        tls = ssl.create_default_context(cadata=self.install.bundle())
        return post(watched.replica.port, tls, question, number)

    def learned(self) -> list[Asked]:
        """Return the questions with their answers by set 0 and by set 1, which is left in force."""
        wanted = questions(self.install.signed)
        even = learn(wanted, self.ask, 0)
        self.install.change_policies()
        wait_until(
            lambda: all(
                "-g000001" in self.ask_at(each, wanted[0], 1) for each in self.install.watched
            ),
            within_seconds=IN_FORCE_SECONDS,
            what="set 1 at both replicas",
        )
        return paired(wanted, even, learn(wanted, self.ask, 1))

    def api(self) -> APIAddress:
        """Return where Pods are created in dry runs."""
        url = f"{self.cluster.url}{pods_of(self.namespace)}?dryRun=All"
        token = self.cluster.users["developer"].token
        return APIAddress(url, str(self.cluster.files.ca), token)


@pytest.fixture
def scene(guarded_cluster: ControlPlane, workshop: Workshop, tmp_path: Path) -> Iterator[Scene]:
    """Give an install of two replicas; what it has made is gone afterwards."""
    signed = workshop.plain.images.make_image("soak/app:1.0")
    workshop.plain.signer.sign_with_cosign3(signed, workshop.ci)
    unsigned = workshop.plain.images.make_image("soak/app:2.0", labels={"is": "unsigned"})
    key = workshop.ci.public.read_text("utf-8")
    with Balancer() as balancer:
        guard = Guard(
            tmp_path,
            guarded_cluster,
            balancer,
            policies=policies(0),
            arguments=["--drain-seconds=3"],
            registries=workshop.registries(),
            environment={LIFETIME: str(CERTIFICATE_SECONDS)},
            short_lived=True,
        )
        guard.install()
        try:
            install = InstallUnderLoad(guard, Signed(workshop.plain.host, key, signed, unsigned))
            install.add()
            install.add()
            guard.wait_until_armed(OBSERVE, VALIDATE)
            yield Scene(install, guarded_cluster, guarded_cluster.new_namespace())
        finally:
            guard.clear()


class Told:
    """Says every ten seconds how it goes, on the terminal itself."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._due = 0.0

    def say(self, text: str) -> None:
        """Say something that is asked for once."""
        with self._capsys.disabled():
            print(f"\n  soak: {text}", file=sys.stderr, end="", flush=True)

    def progress(self, seconds: float, install: InstallUnderLoad, report: Report) -> None:
        """Say how far it is, if that is due."""
        if seconds < self._due:
            return
        self._due = seconds + SHOWN_EVERY_SECONDS
        kept = [f"{each.kept[-1][1] / 2**20:.0f} MiB" for each in install.serving if each.kept]
        self.say(
            f"{seconds:.0f} of {SECONDS:.0f} s, {sum(report.kinds.values())} answers, "
            f"{sum(report.failed.values())} failed, p99 {report.milliseconds['p99']:.0f} ms, "
            f"{install.generation} policy changes, {install.renewals()} renewals, "
            f"{sum(1 for each in install.watched if each.left)} replaced, {', '.join(kept)}"
        )


def capacity_of(load: Driver) -> float:
    """Return how many reviews are answered in a second, when as many as possible are posted."""
    for phase, seconds in (("warm", WARM_SECONDS), ("capacity", CAPACITY_SECONDS)):
        load.order(phase=phase)
        wait_until(
            partial(has_lasted, load, phase, seconds), within_seconds=60, what=f"phase {phase}"
        )
    report = load.report()
    return report.answered / report.seconds


def has_lasted(load: Driver, phase: str, seconds: float) -> bool:
    report = load.report()
    return report.phase == phase and report.seconds >= seconds


def soak(install: InstallUnderLoad, load: Driver, told: Told) -> None:
    """Let everything happen in its time; end early where a request has failed."""
    began = time.monotonic()
    upgrades = list(UPGRADES_AT)
    next_change = 0.0
    while (seconds := time.monotonic() - began) < SECONDS and not load.report().failed:
        install.sample()
        if seconds >= next_change:
            install.change_policies()
            next_change = seconds + CHANGE_SECONDS
        if upgrades and seconds >= upgrades[0]:
            upgrades.pop(0)
            install.replace_all()
        told.progress(seconds, install, load.report())
        time.sleep(TICK_SECONDS)


@dataclass(frozen=True, slots=True)
class Memory:
    """How the memory of one replica went, and how many reviews a second it answered."""

    trend: Trend
    last_bytes: float
    rate: float

    @property
    def is_flat(self) -> bool:
        """Whether it has not grown, as far as can be told."""
        return self.trend.low * self.trend.seconds < GROWTH_MAX_BYTES

    def __str__(self) -> str:
        each = self.trend.per(self.rate)
        return (
            f"memory {self.last_bytes / 2**20:.0f} MiB, growing by {each.slope:+.1f} bytes a "
            f"review ({each.low:+.1f} to {each.high:+.1f}, 95 %), "
            f"{self.trend.slope * 3600 / 2**20:+.1f} MiB an hour, over {each.seconds:.0f} s"
        )


def memories(watched: Sequence[Watched], rate: float) -> list[Memory]:
    """Return what is known of each replica that was there for long enough."""
    found = []
    for each in watched:
        since = each.since + SETTLING_SECONDS
        settled = [sample for sample in each.kept if sample[0] >= since]
        seconds = settled[-1][0] - settled[0][0] if settled else 0.0
        if seconds >= LEAST_SECONDS:
            growth = trend(settled, block_seconds=seconds / BLOCKS)
            found.append(Memory(growth, settled[-1][1], rate / 2))
    return found


@pytest.mark.timeout(SECONDS + MORE_SECONDS)
def test_nothing_fails_and_memory_is_flat(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At half of what is possible, through changes of policies, replicas and certificates."""
    install, told = scene.install, Told(capsys)
    known = scene.learned()
    ports = tuple(each.replica.port for each in install.watched)
    with Driver(
        tmp_path / "load",
        known,
        Orders(ports, install.bundle()),
        seconds_at_most=SECONDS + MORE_SECONDS,
        api=scene.api(),
    ) as load:
        install.driver = load
        with install.followed():
            capacity = capacity_of(load)
            told.say(f"{capacity:.0f} reviews a second are possible; half of that from now on")
            load.order(phase="soak", rate=capacity / 2)
            soak(install, load, told)
            faults = [
                each.replica.metric(f"landwaiter_{name}_total")
                for each in install.serving
                for name in ("handler_errors", "judge_overruns")
            ]
            report = load.finish()
    found = memories(install.watched, report.answered / report.seconds)
    told.say(
        f"{report.answered} reviews in {report.seconds:.0f} s, {report.handshakes} connections; "
        + ", ".join(f"{share} {value:.1f} ms" for share, value in report.milliseconds.items())
    )
    for each in found:
        told.say(str(each))
    install.guard.balancer.drop()

    assert {} == report.failed
    assert {each.question.kind for each in known} == set(report.kinds)
    assert [0.0] * 4 == faults
    assert report.answered >= KEPT_UP * capacity / 2 * report.seconds
    assert report.sets >= 0.8 * install.generation
    assert install.renewals() >= SECONDS // 60
    assert [0] * 2 * sum(1 for at in UPGRADES_AT if at < SECONDS) == install.exit_codes()
    assert (True, []) == (len(found) >= 1, [str(each) for each in found if not each.is_flat])
