"""How the certificate is kept, by several replicas on one store, with a clock of the test's."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

import pytest

from landwaiter.errors import ClusterConflict, ClusterUnavailable
from landwaiter.serving.certificates import CertificatePair
from landwaiter.serving.trust import distrust
from landwaiter.tls import keeper as module
from landwaiter.tls.bundles import fingerprints_in
from landwaiter.tls.keeper import CertificateKeeper, KeeperSettings, SecretStore, SecretVersion
from landwaiter.tls.rotation import RotationTimes, Step
from landwaiter.tls.stored import encode
from tls.states import NAMES, NOW, TWO_THIRDS, a_state

HOST = "landwaiter.lw.svc"
TIMES = RotationTimes()


@dataclass
class Store:
    """A Secret in memory with versions, as the API server has them."""

    entries: Mapping[str, bytes] | None = None
    version: int = 0
    unknown: str | None = None
    fault: ClusterUnavailable | None = None

    def problem(self) -> str | None:
        return self.unknown

    def latest(self) -> SecretVersion | None:
        return None if self.entries is None else SecretVersion(self.entries, self.version)

    async def write(self, entries: Mapping[str, bytes], over: SecretVersion | None) -> None:
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        if (None if over is None else over.token) != (
            None if self.entries is None else self.version
        ):
            raise ClusterConflict("the Secret was written by somebody else meanwhile")
        self.put(entries)

    def __str__(self) -> str:
        return "the Secret"

    def put(self, entries: Mapping[str, bytes] | None) -> None:
        self.entries, self.version = entries, self.version + 1


@dataclass
class Clock:
    """Two clocks that go together."""

    seconds: float = NOW.timestamp()

    def __call__(self) -> float:
        return self.seconds

    def after(self, time: timedelta) -> None:
        self.seconds += time.total_seconds()


@dataclass
class World:
    """A store, the time, what API servers trust, and what replicas have said."""

    store: Store = field(default_factory=Store)
    clock: Clock = field(default_factory=Clock)
    trusted: dict[bytes, float] = field(default_factory=dict)
    noted: list[Step] = field(default_factory=list)

    def replica(self) -> CertificateKeeper:
        settings = KeeperSettings(NAMES, self._trusted, now=self.clock, monotonic=self.clock)
        return CertificateKeeper(self.store, settings, lambda step, _: self.noted.append(step))

    def _trusted(self, authority: bytes) -> timedelta:
        since = self.trusted.get(next(iter(fingerprints_in(authority))), self.clock())
        return timedelta(seconds=self.clock() - since)

    def publish(self, bundle: bytes | None) -> None:
        """Tell the API servers whom to trust."""
        found = fingerprints_in(bundle or b"")
        self.trusted = {each: self.trusted.get(each, self.clock()) for each in found}


def accepted(replica: CertificateKeeper, world: World) -> bool:
    """Whether API servers that trust what was published accept what a replica serves."""
    identity, bundle = replica.identity, replica.bundle
    assert identity is not None
    assert bundle is not None
    pair = CertificatePair(identity.chain, identity.key)
    return fingerprints_in(identity.ca) <= set(world.trusted) and (
        distrust(pair, bundle, HOST) is None
    )


async def test_two_replicas_that_start_at_once_agree_on_one_ca() -> None:
    """The second to write is refused, and takes what the first has written."""
    world = World()
    replicas = [world.replica(), world.replica()]
    ended = await asyncio.gather(*(each.round() for each in replicas), return_exceptions=True)
    for each in replicas:
        await each.round()

    assert [ClusterConflict] == [type(each) for each in ended if each is not None]
    assert replicas[0].identity == replicas[1].identity
    assert [Step.MADE] == world.noted


async def test_a_year_passes_without_a_moment_of_distrust() -> None:
    """Two replicas look every minute or not for days; each answer is trusted by API servers."""
    world = World()
    replicas = [world.replica(), world.replica()]
    late = 0
    for turn in range(400):
        for each in replicas[: 1 + turn % 2]:
            await each.round()
        if turn % 3 == 0:
            world.publish(replicas[0].bundle)
        if replicas[1].identity is not None and turn > 3:
            # A replica changes over within its poll, long before the old CA is forgotten.
            await replicas[1].round()
            late += not all(accepted(each, world) for each in replicas)
        world.clock.after(timedelta(minutes=2) if turn % 8 else timedelta(days=7))

    assert 0 == late
    assert {Step.ANNOUNCED: 5, Step.RENEWED: 5, Step.FORGOTTEN: 5} == {
        step: world.noted.count(step) for step in (Step.ANNOUNCED, Step.RENEWED, Step.FORGOTTEN)
    }


async def test_a_restart_forgets_nothing_but_its_waiting() -> None:
    """A new process takes the state up where the Secret has it, and counts anew."""
    world = World(Store(encode(a_state(age=TWO_THIRDS))))
    first = world.replica()
    await first.round()
    world.publish(first.bundle)
    world.clock.after(TIMES.trusted_after)
    second = world.replica()
    await second.round()
    served = second.identity
    world.clock.after(TIMES.forgotten_after - timedelta(seconds=1))
    await second.round()
    kept = len(world.noted)
    world.clock.after(timedelta(seconds=1))
    await second.round()

    assert [Step.ANNOUNCED, Step.RENEWED, Step.FORGOTTEN] == world.noted
    assert (2, served) == (kept, second.identity)


@pytest.mark.parametrize("damaged", [None, {}, {"tls.crt": b"junk"}])
async def test_a_lost_secret_is_made_anew_around_what_is_served(
    damaged: Mapping[str, bytes] | None,
) -> None:
    """The other replica reads it and serves what it did; the next certificate follows."""
    world = World()
    first, second = world.replica(), world.replica()
    for each in (first, second):
        await each.round()
    served = first.identity
    world.publish(first.bundle)
    world.store.put(damaged)
    for each in (second, first):
        await each.round()
    after = (first.identity, second.identity)
    world.publish(first.bundle)
    world.clock.after(TIMES.trusted_after)
    await first.round()

    assert [Step.MADE, Step.REMADE, Step.RENEWED] == world.noted
    assert (served, served) == after
    assert first.identity != served


async def test_one_that_begins_anew_unknowing_takes_no_trust_away() -> None:
    """A replica that starts while the Secret is gone knows nothing of what the others serve."""
    world = World()
    serving = world.replica()
    await serving.round()
    served = serving.identity
    assert served is not None
    world.store.put(None)
    starting = world.replica()
    await starting.round()
    await serving.round()
    bundles = [each.bundle for each in (serving, starting)]
    await starting.round()
    kept = starting.bundle or b""
    world.clock.after(TIMES.forgotten_after)
    await serving.round()

    assert [Step.MADE, Step.MADE, Step.KEPT, Step.FORGOTTEN] == world.noted
    assert [True, False] == [served.ca in (bundle or b"") for bundle in bundles]
    assert (True, False) == (served.ca in kept, served.ca in (serving.bundle or b""))


async def test_what_is_not_known_is_not_taken_for_missing() -> None:
    """Nothing is written before the Secret has been read, and the reason is told."""
    world = World(Store(unknown="Landwaiter may not list it"))
    replica = world.replica()
    await replica.round()

    assert (None, None, None) == (world.store.entries, replica.identity, replica.bundle)
    assert "Landwaiter may not list it" in str(replica.problem())


async def test_a_first_certificate_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that cannot be written to is asked again until it can."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    world = World(Store(fault=ClusterUnavailable("down")))
    replica = world.replica()
    running = asyncio.create_task(replica.run())
    async with asyncio.timeout(10):
        while "down" not in str(replica.problem()):  # noqa: ASYNC110  # Another task decides.
            await asyncio.sleep(0)
        world.store.fault = None
        await replica.ready()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert (None, [Step.MADE]) == (replica.problem(), world.noted)


async def test_news_is_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed Secret is not left until the next tick, nor is a conflict the end."""
    monkeypatch.setattr(module, "TICK_SECONDS", 1000.0)
    world = World()
    replica = world.replica()
    running = asyncio.create_task(replica.run())
    async with asyncio.timeout(10):
        await replica.ready()
        state = a_state()
        world.store.put(MappingProxyType(encode(state)))
        replica.wake()
        while replica.identity != state.current:  # noqa: ASYNC110  # Another task decides.
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert state.current == replica.identity
    assert state.current.ca in (replica.bundle or b"")


def test_no_representation_shows_a_key() -> None:
    """A version of the Secret is in tracebacks when something fails."""
    entries = encode(a_state())
    line = entries["tls.key"].decode().splitlines()[1]

    assert line not in repr(SecretVersion(entries, {"data": entries}))


def _protocol_holds() -> SecretStore:
    """Let mypy say when the fake and its Protocol part ways."""
    return Store()
