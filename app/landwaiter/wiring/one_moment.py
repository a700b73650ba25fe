"""
A cluster as it is at one moment, for a report on it.

What the cluster has said once about a namespace, an account or a Secret holds for the whole
report, so a hundred Pods of one account cost one question.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from landwaiter.cluster.transport import AccessRefused
from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.cluster.view import ClusterView
from landwaiter.deadline import Deadline

_Value = TypeVar("_Value")
_Key: TypeAlias = tuple[str, str, str]


class OneMoment:
    """
    A `ClusterView` in which nothing changes.

    Also what is absent, and what we may not read, is asked for once; a fault is tried again.
    """

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._absent: set[_Key] = set()
        self._refused: dict[_Key, str] = {}

    async def get_namespace(
        self,
        name: str,
        *,
        deadline: Deadline,
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> Namespace | None:
        """Return a namespace, None where there is none."""
        key = ("namespace", "", name)
        return await self._once(key, lambda: self._view.get_namespace(name, deadline=deadline))

    def known_namespace(self, name: str) -> Namespace | None:
        """Return a namespace without asking for it, None where it is not known at this moment."""
        return self._view.known_namespace(name)

    async def get_service_account(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> ServiceAccount | None:
        """Return a service account, None where there is none."""
        return await self._once(
            ("account", namespace, name),
            lambda: self._view.get_service_account(namespace, name, deadline=deadline),
        )

    async def get_secret(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> Secret | None:
        """Return a Secret, None where there is none."""
        return await self._once(
            ("secret", namespace, name),
            lambda: self._view.get_secret(namespace, name, deadline=deadline),
        )

    async def get_config_map(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> ConfigMap | None:
        """Return a ConfigMap, None where there is none."""
        return await self._once(
            ("config map", namespace, name),
            lambda: self._view.get_config_map(namespace, name, deadline=deadline),
        )

    async def _once(self, key: _Key, ask: Callable[[], Awaitable[_Value | None]]) -> _Value | None:
        if key in self._absent:
            return None
        if (why := self._refused.get(key)) is not None:
            raise AccessRefused(why)
        try:
            found = await ask()
        except AccessRefused as refused:
            self._refused[key] = str(refused)
            raise
        if found is None:
            self._absent.add(key)
        return found
