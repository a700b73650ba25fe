"""Settings and objects of an install, and a view of them that the test sets."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from landwaiter.cluster.version import ServerVersion
from landwaiter.webhooks.configuration import Wanted, WebhookPath, configuration
from landwaiter.webhooks.settings import ServiceAddress, TrustSecret, WebhookSettings
from landwaiter.webhooks.view import Door, DoorState, Seen

SETTINGS = WebhookSettings(
    name="guard",
    address=ServiceAddress("lw", "landwaiter", 443),
    trust=TrustSecret("guard-tls"),
    own_namespace="lw",
    excluded=frozenset({"networking"}),
    timeout_seconds=7,
)
NEW = ServerVersion(1, 36)
BOTH = frozenset(WebhookPath)
VALIDATE, OBSERVE = WebhookPath.VALIDATE, WebhookPath.OBSERVE


def an_object(
    paths: Collection[WebhookPath] = BOTH,
    *,
    bundle: bytes = b"CA",
    owner: str = "role-1",
    version: ServerVersion | None = NEW,
) -> dict[str, Any]:
    return configuration(SETTINGS, Wanted(paths, bundle, owner, version))


def stored(content: dict[str, Any], *, version: str = "7") -> dict[str, Any]:
    """Return an object as the API server has it."""
    more = {"uid": "uid-1", "resourceVersion": version, "managedFields": []}
    return {**content, "metadata": {**content["metadata"], **more}}


CLOSED = Door(DoorState.CLOSED, "role-1")


@dataclass
class View:
    """What a test says that there is."""

    live: dict[str, Any] | None = None
    door: Door = CLOSED
    unknown: str | None = None

    def problem(self) -> str | None:
        return self.unknown


def _protocol_holds() -> Seen:
    """Let mypy say when the fake and its Protocol part ways."""
    return View()
