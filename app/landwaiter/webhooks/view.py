"""
What there is of the webhook object and of the ClusterRole that it belongs to, as last heard.

The role is the door: without it there is no webhook object, and whoever deletes it opens the door
for as long as they like. So does whoever deletes our namespace, in which there will be nobody to
answer. What is not known is never taken for missing: as long as the API server has told nothing,
nothing is written.
"""

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from landwaiter.cluster.following import Watched, WatchSource
from landwaiter.cluster.listing import Content
from landwaiter.cluster.watched import NAMESPACES
from landwaiter.cluster.watching import Watch
from landwaiter.tls.bundles import Fingerprint, fingerprints_in
from landwaiter.webhooks.configuration import CLUSTER_ROLES, CONFIGURATIONS, WebhookPath
from landwaiter.webhooks.drift import by_name


class DoorState(StrEnum):
    """How the door stands."""

    UNKNOWN = "unknown"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Door:
    """
    The ClusterRole: open where it is missing or being deleted, or where our namespace is.

    `uid` is empty then, and `why` says which of them it is.
    """

    state: DoorState
    uid: str = ""
    why: str = ""


class Seen(Protocol):
    """Whatever knows how the door and the webhook object stand."""

    def problem(self) -> str | None:
        """Return what is not known, None for nothing."""
        ...

    @property
    def door(self) -> Door:
        """How the door stands."""
        ...

    @property
    def live(self) -> Content | None:
        """The webhook object, None where there is none or it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class _Life:
    """That an object is there, and whether it is being deleted."""

    uid: str
    is_ending: bool


class WebhookView:
    """
    Watches both objects of one name, and our namespace; used on one event loop.

    A Watch is one object each, so that rights to these are enough. `changed` is called after every
    change.
    """

    def __init__(
        self,
        source: WatchSource,
        name: str,
        *,
        own_namespace: str,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._own_namespace = own_namespace
        self._changed = changed
        self._clock = clock
        self._objects = Watch(
            source, Watched(CONFIGURATIONS, _whole, name=name), changed=self._note
        )
        self._roles = Watch(source, Watched(CLUSTER_ROLES, _life, name=name), changed=self._note)
        self._namespaces = Watch(
            source, Watched(NAMESPACES, _life, name=own_namespace), changed=self._note
        )
        self._trusted_since: dict[Fingerprint, float] = {}
        self._absent_since: float | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._objects.start()
        self._roles.start()
        self._namespaces.start()

    async def close(self) -> None:
        """End the watches."""
        await self._objects.close()
        await self._roles.close()
        await self._namespaces.close()

    def problem(self) -> str | None:
        """Return what is not known, and why if the API server has said it; None for nothing."""
        for watch, what in ((self._roles, "ClusterRole"), (self._objects, "webhook object")):
            if not watch.is_synced:
                refused = ", for Landwaiter may not list it" if watch.is_refused else " yet"
                return f'the {what} "{self._name}" is not known{refused}'
        return None

    @property
    def door(self) -> Door:
        """How the door stands."""
        if not self._roles.is_synced:
            return Door(DoorState.UNKNOWN)
        role = self._roles.values.get(("", self._name))
        if role is None or role.is_ending:
            return Door(DoorState.OPEN, why=f'the ClusterRole "{self._name}" is missing')
        namespace = self._namespaces.values.get(("", self._own_namespace))
        if namespace is not None and namespace.is_ending:
            return Door(
                DoorState.OPEN, why=f'the namespace "{self._own_namespace}" is being deleted'
            )
        return Door(DoorState.CLOSED, role.uid)

    @property
    def is_known(self) -> bool:
        """Whether it is known if there is a webhook object, and what it says."""
        return self._objects.is_synced

    @property
    def live(self) -> Content | None:
        """The webhook object, None where there is none or it is not known."""
        return self._objects.values.get(("", self._name))

    def bundles(self) -> tuple[bytes, ...]:
        """Return the CA bundle of each webhook that there is, in PEM."""
        return tuple(bundle_of(each) for each in by_name(self.live or {}).values())

    def is_armed(self, path: WebhookPath) -> bool:
        """Whether the object has the webhook of this path."""
        return path.webhook_name in by_name(self.live or {})

    def trusted_seconds(self, fingerprint: Fingerprint) -> float:
        """
        Return for how long every webhook has trusted a CA, as far as has been seen from here.

        Where there is no webhook nobody connects, which is as good.
        """
        since = self._trusted_since.get(fingerprint, self._absent_since)
        return 0.0 if since is None else self._clock() - since

    def _note(self) -> None:
        now = self._clock()
        bundles = self.bundles() if self.is_known else ()
        trusted = frozenset.intersection(*map(fingerprints_in, bundles)) if bundles else frozenset()
        self._trusted_since = {each: self._trusted_since.get(each, now) for each in trusted}
        if bundles or not self.is_known:
            self._absent_since = None
        elif self._absent_since is None:
            self._absent_since = now
        self._changed()


def _whole(content: Content) -> Content:
    return content


def _life(content: Content) -> _Life:
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        raise ValueError("metadata: missing")  # noqa: TRY004  # Not a bug of ours.
    return _Life(str(metadata.get("uid", "")), "deletionTimestamp" in metadata)


def bundle_of(webhook: Mapping[str, Any]) -> bytes:
    """Return the CA bundle of a webhook in PEM, nothing where it cannot be read."""
    config = webhook.get("clientConfig")
    text = config.get("caBundle") if isinstance(config, dict) else None
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except (binascii.Error, ValueError):
        return b""
