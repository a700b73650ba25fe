"""
A live cluster whose namespaces and service accounts are watched, so that asking costs nothing.

The view answers with what it has heard, as long as it has heard anything lately; what it lacks is
asked for by name before it is called missing, for a namespace can be younger than the news of it
(design, semantics 8). A view that has heard nothing for `STALE_SECONDS` is not asked at all, so no
answer is older than that. Secrets are never listed or watched: they are read one by one, for the
Pods that name them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from landwaiter.cluster.client import ClusterClient
from landwaiter.cluster.decoding import decode_namespace, decode_service_account
from landwaiter.cluster.following import Watched, WatchSource
from landwaiter.cluster.listing import Content
from landwaiter.cluster.requests import ApiResource
from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.cluster.watching import Watch
from landwaiter.deadline import Deadline

NAMESPACES: Final = ApiResource("", "v1", "namespaces", namespaced=False)
SERVICE_ACCOUNTS: Final = ApiResource("", "v1", "serviceaccounts")

STALE_SECONDS: Final = 80.0
"""An API server sends a bookmark about every minute; that some of them tarry is no news."""

KEPT_MAX: Final = 100
"""
Pull secrets of an account, and labels of a namespace, with which it is still kept.

Whoever may create accounts could fill the memory otherwise; what is not kept is asked for by name.
"""

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class ViewState:
    """How one view stands; `age_seconds` is None as long as nothing has been heard."""

    resource: str
    objects: int
    age_seconds: float | None
    is_settled: bool


class WatchedCluster:
    """
    A `ClusterView` of a live cluster; made, used and closed on one event loop.

    Without `accounts` service accounts are not watched, only ever asked for by name: where they may
    not be read, a watch would be refused again and again.
    """

    def __init__(
        self, source: WatchSource, client: ClusterClient, *, accounts: bool = True
    ) -> None:
        self._client = client
        self._watches_accounts = accounts
        self._namespaces = Watch(source, Watched(NAMESPACES, _kept_namespace))
        self._accounts = Watch(source, Watched(SERVICE_ACCOUNTS, _kept_account))

    def start(self) -> None:
        """Begin to watch; until the first lists are there, everything is asked for by name."""
        self._namespaces.start()
        if self._watches_accounts:
            self._accounts.start()

    def states(self) -> tuple[ViewState, ...]:
        """Return how each view stands."""
        accounts = (_state(SERVICE_ACCOUNTS, self._accounts),) if self._watches_accounts else ()
        return (_state(NAMESPACES, self._namespaces), *accounts)

    async def get_namespace(
        self, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Namespace | None:
        """Return a namespace, None where there is none."""
        known = None if fresh else _lately(self._namespaces).get(("", name))
        if known is not None:
            return known
        return await self._client.get_namespace(name, deadline=deadline, fresh=fresh)

    def known_namespace(self, name: str) -> Namespace | None:
        """Return a namespace without asking for it, None where it is not known at this moment."""
        known = _lately(self._namespaces).get(("", name))
        return self._client.known_namespace(name) if known is None else known

    async def get_service_account(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ServiceAccount | None:
        """Return a service account, None where there is none."""
        known = None if fresh else _lately(self._accounts).get((namespace, name))
        if known is not None:
            return known
        return await self._client.get_service_account(
            namespace, name, deadline=deadline, fresh=fresh
        )

    async def get_secret(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Secret | None:
        """Return a Secret, None where there is none."""
        return await self._client.get_secret(namespace, name, deadline=deadline, fresh=fresh)

    async def get_config_map(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ConfigMap | None:
        """Return a ConfigMap, None where there is none."""
        return await self._client.get_config_map(namespace, name, deadline=deadline, fresh=fresh)

    async def close(self) -> None:
        """End the watches, the questions under way, and the client's threads."""
        await self._namespaces.close()
        await self._accounts.close()
        await self._client.close()


def _kept_namespace(content: Content) -> Namespace | None:
    namespace = decode_namespace(content)
    return namespace if len(namespace.labels) <= KEPT_MAX else None


def _kept_account(content: Content) -> ServiceAccount | None:
    account = decode_service_account(content)
    return account if len(account.pull_secrets) <= KEPT_MAX else None


def _lately(watch: Watch[ValueT]) -> Mapping[tuple[str, str], ValueT]:
    """Return what a watch knows, nothing where it has not heard anything lately."""
    age = watch.age_seconds()
    return watch.values if age is not None and age <= STALE_SECONDS else {}


def _state(resource: ApiResource, watch: Watch[ValueT]) -> ViewState:
    return ViewState(
        str(resource), len(watch.values), watch.age_seconds(), watch.is_synced or watch.is_refused
    )
