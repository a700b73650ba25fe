"""Builds registry clients for tests: loopback registries named, and no real waiting."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings

from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.credentials import Credential
from landwaiter.registry.exchange import TransportLimits
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.retries import Patience
from landwaiter.registry.settings import HostSettings, RegistrySettings
from landwaiter.registry.transport import named_by_nobody
from registry.fake_registry import FakeRegistry

BOUNDED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Property tests are bounded by their examples alone: other processes make a machine slow."""

PATIENT = TransportLimits(connect_seconds=15, silence_seconds=15, request_seconds=15)
"""Limits that no test should reach on a busy machine."""


@dataclass(slots=True)
class FastClock:
    """A clock that jumps ahead instead of waiting, and keeps the waits."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def patience(clock: FastClock) -> Patience:
    """Return patience that never waits and never varies."""
    return Patience(clock=clock, sleep=clock.sleep, jitter=lambda: 0.0)


def named(
    *registries: FakeRegistry, ca_file: Path | None = None, realms: tuple[str, ...] = ()
) -> RegistrySettings:
    """Return settings that name the registries, over plain HTTP where there is no CA file."""
    settings = HostSettings(plain_http=ca_file is None, ca_file=ca_file, realms=realms)
    return RegistrySettings({registry.host: settings for registry in registries})


@asynccontextmanager
async def client_for(
    settings: RegistrySettings,
    *,
    clock: FastClock | None = None,
    limits: TransportLimits = PATIENT,
    named_by_policy: Callable[[str], bool] = named_by_nobody,
) -> AsyncIterator[RegistryClient]:
    """Yield a client that retries without waiting."""
    time = clock or FastClock()
    async with RegistryClient(
        settings,
        limits=limits,
        patience=patience(time),
        named_by_policy=named_by_policy,
        clock=time,
    ) as client:
        yield client


def reference(registry: FakeRegistry, rest: str = "team/app:1") -> ImageReference:
    return ImageReference.parse(f"{registry.host}/{rest}")


def keychain(registry: FakeRegistry, *users: tuple[str, str]) -> Keychain:
    """Return a keychain with passwords for the registry, in order."""
    return Keychain(tuple(Credential(registry.host, name, word) for name, word in users))


def soon() -> Deadline:
    """Return a deadline that no test should reach."""
    return Deadline.after(20)
