"""
Which replica writes: one at a time, by a Lease that the holder renews.

Replicas of two versions, or with two states of a mounted file, stand side by side during every
upgrade. If each wrote what it thinks right they would undo each other's work without end; so one
of them writes, and the others wait until it has let go or has not been heard of for a while.

A holder that cannot renew stops writing before anybody else may begin. That rests on the rate of
clocks and not on their time: each replica counts from when it saw the Lease change. What is
written is guarded by resource versions besides.

Source: k8s.io/client-go v0.36, tools/leaderelection/leaderelection.go.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.listing import Content
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.errors import ClusterConflict, ClusterUnavailable

LEASES: Final = ApiResource("coordination.k8s.io", "v1", "leases")

RELEASE_SECONDS: Final = 2.0
"""How long letting go may take; without it the others wait until the Lease has run out."""

Owners: TypeAlias = Callable[[], Awaitable[list[dict[str, Any]]]]
"""Gives the ownerReferences of what is made in our own namespace, so that it goes with us."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """
    In seconds: how long a Lease holds, how often it is renewed, and when its holder gives up.

    A holder that was killed is succeeded after `duration` and a `pause`; the holder itself counts
    from before it asked, and gives up three seconds before anybody else may think so.
    """

    duration: int = 10
    give_up: float = 7.0
    pause: float = 2.0


@dataclass(frozen=True, slots=True)
class LeaseName:
    """A Lease, and as whom it is to be held; no two replicas have the same identity."""

    namespace: str
    name: str
    identity: str


class Leadership:
    """
    Holds a Lease whenever nobody else does; used on one event loop.

    `owners` gives the ownerReferences of a Lease that is made here, `changed` is called whenever
    this replica has become the one that writes, or has ceased to be.
    """

    def __init__(
        self,
        objects: ClusterObjects,
        lease: LeaseName,
        *,
        owners: Owners,
        changed: Callable[[], None] = lambda: None,
        times: LeaseTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._lease = lease
        self._owners = owners
        self._changed = changed
        self._times = times or LeaseTimes()
        self._clock = clock
        self._held: Content | None = None
        self._held_since = 0.0
        self._seen: tuple[str, float] | None = None
        self._was_leader = False
        self._fault = ""

    @property
    def is_leader(self) -> bool:
        """Whether this replica is the one that writes, at this moment."""
        return self._held is not None and self._clock() < self._held_since + self._times.give_up

    async def run(self) -> None:
        """Try to hold the Lease until cancelled, and let go of it then."""
        try:
            while True:
                await self.round()
                await asyncio.sleep(self._times.pause)
        finally:
            await self._release()

    async def round(self) -> None:
        """Renew the Lease, or take it if it is free."""
        asked = self._clock()
        try:
            held = await self._renewed() if self._held is not None else await self._taken()
        except ClusterConflict:
            held = None
        except ClusterUnavailable as fault:
            self._note_fault(str(fault))
            held = self._held if self.is_leader else None
            asked = self._held_since
        else:
            self._fault = ""
        self._held, self._held_since = held, asked
        self._note_change()

    async def _renewed(self) -> Content:
        """Write the Lease over the version that was written last."""
        held = dict(self._held or {})
        held["spec"] = {**held["spec"], "renewTime": _now()}
        return await self._objects.replace(LEASES, held)

    async def _taken(self) -> Content | None:
        """Take the Lease if nobody holds it; return it if it is ours now."""
        lease = self._lease
        found = await self._objects.get(LEASES, lease.name, namespace=lease.namespace)
        if found is None:
            owners = await self._owners()
            metadata = {"name": lease.name, "namespace": lease.namespace, "ownerReferences": owners}
            return await self._objects.create(LEASES, {"metadata": metadata, "spec": self._spec(0)})
        if not self._is_free(found):
            return None
        transitions = _spec_of(found).get("leaseTransitions")
        count = transitions + 1 if isinstance(transitions, int) else 1
        return await self._objects.replace(LEASES, {**found, "spec": self._spec(count)})

    def _is_free(self, lease: Content) -> bool:
        """Whether nobody holds it, or whoever does has not been heard of for long enough."""
        spec, version = _spec_of(lease), str(lease["metadata"].get("resourceVersion", ""))
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._clock())
        if spec.get("holderIdentity") in {None, "", self._lease.identity}:
            return True
        seconds = spec.get("leaseDurationSeconds")
        duration = seconds if isinstance(seconds, int) else self._times.duration
        return self._clock() - self._seen[1] >= min(duration, 6 * self._times.duration)

    async def _release(self) -> None:
        """Let go of the Lease, so that the next one need not wait for its end."""
        if not self.is_leader or self._held is None:
            return
        spec = {**_spec_of(self._held), "holderIdentity": "", "leaseDurationSeconds": 1}
        freed = {**self._held, "spec": spec}
        self._held = None
        self._note_change()
        with suppress(ClusterUnavailable, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._objects.replace(LEASES, freed)

    def _spec(self, transitions: int) -> dict[str, Any]:
        now = _now()
        return {
            "holderIdentity": self._lease.identity,
            "leaseDurationSeconds": self._times.duration,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _note_change(self) -> None:
        if (is_leader := self.is_leader) != self._was_leader:
            self._was_leader = is_leader
            _log.info("this replica writes" if is_leader else "another replica writes")
            self._changed()

    def _note_fault(self, fault: str) -> None:
        """Log each kind of fault once, until all is well again."""
        if fault != self._fault:
            self._fault = fault
            _log.warning("the Lease could not be held", error=fault)


def _spec_of(lease: Content) -> Mapping[str, Any]:
    spec = lease.get("spec")
    return spec if isinstance(spec, dict) else {}


def _now() -> str:
    """Return the time for people to read; nothing here depends on it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
