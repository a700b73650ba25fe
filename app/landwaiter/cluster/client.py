"""
A live cluster: single objects, remembered for seconds, each asked for once at a time.

What is remembered was true seconds ago; an absence is never remembered, and never taken from a
question that was already under way when the call came: a Secret created a moment ago is found.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import TTLCache

from landwaiter.cluster.decoding import (
    Undecodable,
    decode_config_map,
    decode_namespace,
    decode_secret,
    decode_service_account,
)
from landwaiter.cluster.keys import ObjectKey, Resource
from landwaiter.cluster.transport import Transport
from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, DeadlineExceeded
from landwaiter.manifests.names import is_dns_label, is_dns_subdomain

NAMESPACE_SECONDS = 2.0
"""How long a namespace is remembered: no longer than an informer of the API server lags behind."""

ACCOUNT_SECONDS = 5.0
SECRET_SECONDS = 5.0
"""How long a Secret that made a Pod good is remembered; what refuses is asked for `fresh`."""

REMEMBERED_MAX_BYTES = 16 * 1024 * 1024
"""Of each kind; 20,000 usual pull secrets, or sixteen of the largest."""

WAITING_MAX = 1_000
"""Questions under way or waiting for a thread; more are told to come back in a moment."""

_OBJECT_BYTES = 800
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class _Flight(Generic[_Value]):
    """A question under way; `number` says which came first."""

    number: int
    task: "asyncio.Task[_Value | None]"


class _Memory(Generic[_Value]):
    """
    The objects of one kind: a cache with a lifetime, and the questions under way.

    Owned by one event loop. Entries are keyed by namespace and name, leave after `seconds`, and
    the least recently used leave when they take more than `REMEMBERED_MAX_BYTES` together.
    """

    def __init__(
        self,
        transport: Transport,
        decode: Callable[[bytes], _Value],
        *,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._decode = decode
        self._flights: dict[ObjectKey, _Flight[_Value]] = {}
        self._started = 0
        self._known: TTLCache[ObjectKey, tuple[_Value, int]] = TTLCache(
            REMEMBERED_MAX_BYTES, seconds, timer=clock, getsizeof=lambda entry: entry[1]
        )

    async def get(self, key: ObjectKey, *, deadline: Deadline, fresh: bool) -> _Value | None:
        """Return one object, None where there is none."""
        if not fresh and (entry := self._known.get(key)) is not None:
            return entry[0]
        before = self._started
        while True:
            flight = self._flights.get(key) or self._start(key)
            try:
                async with deadline.timeout():
                    found = await asyncio.shield(flight.task)
            except TimeoutError as cause:
                raise DeadlineExceeded(f"{key} was not read in time") from cause
            if flight.number > before or (found is not None and not fresh):
                return found

    def known(self, key: ObjectKey) -> _Value | None:
        """Return what is remembered of an object, None where nothing is."""
        entry = self._known.get(key)
        return None if entry is None else entry[0]

    def _start(self, key: ObjectKey) -> _Flight[_Value]:
        if len(self._flights) >= WAITING_MAX:
            raise DeadlineExceeded(f"{key} was not read: {WAITING_MAX} others are waiting")
        self._started += 1
        flight = _Flight(self._started, asyncio.create_task(self._fetch(key)))
        flight.task.add_done_callback(_retrieve)
        self._flights[key] = flight
        return flight

    async def _fetch(self, key: ObjectKey) -> _Value | None:
        try:
            content = await self._transport.get(key)
            if content is None:
                self._known.pop(key, None)
                return None
            value = self._decode(content)
        except Undecodable as cause:
            raise ClusterUnavailable(f"{key} cannot be understood: {cause}") from cause
        finally:
            self._flights.pop(key, None)
        if (size := len(content) + _OBJECT_BYTES) <= REMEMBERED_MAX_BYTES:
            self._known[key] = (value, size)
        return value

    async def close(self) -> None:
        """End the questions under way."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _retrieve(task: "asyncio.Task[_Value | None]") -> None:
    """Take note of a failure that nobody has waited for, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()


class ClusterClient:
    """A `ClusterView` of a live cluster; made and used on one event loop, and closed on it."""

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._namespaces = _Memory(
            transport, decode_namespace, seconds=NAMESPACE_SECONDS, clock=clock
        )
        self._accounts = _Memory(
            transport, decode_service_account, seconds=ACCOUNT_SECONDS, clock=clock
        )
        self._secrets = _Memory(transport, decode_secret, seconds=SECRET_SECONDS, clock=clock)
        self._config_maps = _Memory(
            transport, decode_config_map, seconds=SECRET_SECONDS, clock=clock
        )

    async def get_namespace(
        self, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Namespace | None:
        """Return a namespace, None where there is none."""
        if not is_dns_label(name):
            return None
        key = ObjectKey(Resource.NAMESPACES, "", name)
        return await self._namespaces.get(key, deadline=deadline, fresh=fresh)

    def known_namespace(self, name: str) -> Namespace | None:
        """Return a namespace without asking for it, None where it is not known at this moment."""
        return self._namespaces.known(ObjectKey(Resource.NAMESPACES, "", name))

    async def get_service_account(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ServiceAccount | None:
        """Return a service account, None where there is none."""
        if not (is_dns_label(namespace) and is_dns_subdomain(name)):
            return None
        key = ObjectKey(Resource.SERVICE_ACCOUNTS, namespace, name)
        return await self._accounts.get(key, deadline=deadline, fresh=fresh)

    async def get_secret(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Secret | None:
        """Return a Secret, None where there is none."""
        if not (is_dns_label(namespace) and is_dns_subdomain(name)):
            return None
        key = ObjectKey(Resource.SECRETS, namespace, name)
        return await self._secrets.get(key, deadline=deadline, fresh=fresh)

    async def get_config_map(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ConfigMap | None:
        """Return a ConfigMap, None where there is none."""
        if not (is_dns_label(namespace) and is_dns_subdomain(name)):
            return None
        key = ObjectKey(Resource.CONFIG_MAPS, namespace, name)
        return await self._config_maps.get(key, deadline=deadline, fresh=fresh)

    async def close(self) -> None:
        """End the questions under way, and let go of threads and connections."""
        for memory in (self._namespaces, self._accounts, self._secrets, self._config_maps):
            await memory.close()
        self._transport.close()
