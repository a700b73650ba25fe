"""
Events of the cluster: short notes on an object, which `kubectl describe` shows.

They are written beside everything else, at most so many that wait, and nothing ever waits for
them: a cluster that takes no Events loses notes and no more. A note that is made again is counted
in the Event that there is.

Source: Kubernetes 1.36, k8s.io/api/events/v1 and pkg/apis/core/validation/events.go.
"""

import asyncio
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

import structlog
from cachetools import TTLCache
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.errors import ClusterUnavailable

EVENTS: Final = ApiResource("events.k8s.io", "v1", "events")

CONTROLLER: Final = "landwaiter.dev/landwaiter"

WAITING_MAX: Final = 100
"""Notes that wait to be written; more are lost, oldest first."""

KNOWN_MAX: Final = 500
KNOWN_SECONDS: Final = 600.0
"""How long a note that is made again counts in the same Event, and how many are known."""

NOTE_MAX_BYTES: Final = 1024
NAME_MAX_CHARACTERS: Final = 200
INSTANCE_MAX_CHARACTERS: Final = 128

CLUSTER_NAMESPACE: Final = "default"
"""Where Events about objects that are in no namespace have to be."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that a note is about; `namespace` is empty for one that is in none."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""

    def reference(self) -> dict[str, str]:
        """Return the object as an Event names it."""
        reference = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "namespace": self.namespace,
            "uid": self.uid,
        }
        return {key: value for key, value in reference.items() if value}


@dataclass(frozen=True, slots=True)
class Note:
    """
    What happened, in one word and in a sentence; `action` is what we were doing.

    `is_warning` for what somebody should look at.
    """

    regarding: Regarding
    reason: str
    action: str
    text: str
    is_warning: bool = False


@dataclass(slots=True)
class _Known:
    """An Event that there is; `count` is how often its note has been made."""

    name: str
    namespace: str
    count: int = 1


class EventRecorder:
    """Takes notes at once, and writes them while `run` does."""

    def __init__(self, objects: ClusterObjects, *, instance: str) -> None:
        self._objects = objects
        self._instance = instance[:INSTANCE_MAX_CHARACTERS]
        self._waiting: deque[Note] = deque(maxlen=WAITING_MAX)
        self._arrived = asyncio.Event()
        self._known: TTLCache[Note, _Known] = TTLCache(KNOWN_MAX, KNOWN_SECONDS)
        self._fault = ""

    def record(self, note: Note) -> None:
        """Take a note, and return at once."""
        self._waiting.append(note)
        self._arrived.set()

    async def run(self) -> None:
        """Write notes until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                with suppress(ClusterUnavailable):
                    await self.write(self._waiting.popleft())

    async def write(self, note: Note, times: int = 1) -> None:
        """Write a note that was made so often. Raises `ClusterUnavailable`, and has logged it."""
        try:
            if (known := self._known.get(note)) is None or not await self._count(known, times):
                await self._create(note, times)
        except ClusterUnavailable as fault:
            self._note_fault(str(fault))
            raise
        self._fault = ""

    async def _create(self, note: Note, times: int) -> None:
        regarding, now = note.regarding, _now()
        name = f"{regarding.name[:NAME_MAX_CHARACTERS].rstrip('.-')}.{secrets.token_hex(8)}"
        namespace = regarding.namespace or CLUSTER_NAMESPACE
        content: dict[str, Any] = {
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": now,
            "type": "Warning" if note.is_warning else "Normal",
            "reason": note.reason,
            "action": note.action,
            "note": _cut(note.text),
            "regarding": regarding.reference(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
        }
        if times > 1:
            content["series"] = {"count": times, "lastObservedTime": now}
        await self._objects.create(EVENTS, content)
        self._known[note] = _Known(name, namespace, times)

    async def _count(self, known: _Known, times: int) -> bool:
        """Count a note in its Event; return whether that is still there."""
        known.count += times
        series = {"count": known.count, "lastObservedTime": _now()}
        merged = await self._objects.merge(
            EVENTS, known.name, {"series": series}, namespace=known.namespace
        )
        return merged is not None

    def _note_fault(self, fault: str) -> None:
        """Log each kind of fault once, until a note has been written again."""
        cause = fault.partition(":")[2] or fault
        if cause != self._fault:
            self._fault = cause
            _log.warning("an Event could not be written", error=fault)


def _cut(text: str) -> str:
    return text.encode()[:NOTE_MAX_BYTES].decode(errors="ignore")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
