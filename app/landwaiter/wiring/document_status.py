"""
Writes into each document's status what has become of it.

One replica writes, the one that holds the Lease; the others have the same to say. What a status
says already is not written again, and a document that has changed meanwhile gets its status with
its next state. Nothing waits for a status.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, cast

import structlog
import tenacity
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.errors import ClusterUnavailable
from landwaiter.policy.cluster_documents import ClusterDocument, DocumentName, DocumentState
from landwaiter.policy.exceptions import Clock, utc_now

ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 0.5
RETRY_MAX_SECONDS: Final = 10.0

_log = cast("FilteringBoundLogger", structlog.get_logger())


class StatusWriter:
    """Writes statuses while this replica is the one that writes; used on one event loop."""

    def __init__(
        self,
        objects: ClusterObjects,
        resources: Mapping[str, ApiResource],
        *,
        is_leader: Callable[[], bool],
        clock: Clock = utc_now,
    ) -> None:
        self._objects = objects
        self._resources = dict(resources)
        self._is_leader = is_leader
        self._clock = clock
        self._wanted: dict[DocumentName, DocumentState] = {}
        self._written: dict[DocumentName, DocumentState] = {}
        self._changed = asyncio.Event()

    def take(self, states: tuple[DocumentState, ...]) -> None:
        """Write these states when there is time."""
        self._wanted = {state.document.name: state for state in states}
        self._changed.set()

    def begin(self) -> None:
        """Look at every status again: this replica has become the one that writes, or not."""
        self._written.clear()
        self._changed.set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write inside the block."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for name, state in list(self._wanted.items()):
                if self._is_leader() and self._written.get(name) != state:
                    await self._write(name, state)
            for gone in self._written.keys() - self._wanted.keys():
                del self._written[gone]

    async def _write(self, name: DocumentName, state: DocumentState) -> None:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(ClusterUnavailable),
            wait=tenacity.wait_random_exponential(RETRY_SECONDS, RETRY_MAX_SECONDS),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
        try:
            await retrying(self._written_once, name, state)
        except ClusterUnavailable as fault:
            _log.warning("the status of a document was not written", error=str(fault))
        else:
            self._written[name] = state

    async def _written_once(self, name: DocumentName, state: DocumentState) -> None:
        resource = self._resources[name.kind]
        found = await self._objects.get(resource, name.name, namespace=name.namespace)
        if found is None:
            return
        before = found.get("status") or {}
        wanted = status_of(state, before, self._clock())
        if wanted != before:
            await self._objects.replace(resource, {**found, "status": wanted}, subresource="status")


def status_of(state: DocumentState, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the status of a document; a condition that stays keeps its time."""
    document = state.document
    if state.problem is None:
        ready = ("True", "InForce", "this generation is in force")
        degraded = ("False", "InForce", "this generation is in force")
    elif state.in_force:
        ready = ("False", "NotLoaded", "the last good generation is in force")
        degraded = ("True", "NotLoaded", state.problem)
    else:
        ready = ("False", "NotLoaded", "no generation has ever loaded; nothing is in force")
        degraded = ("True", "NotLoaded", state.problem)
    old = {each.get("type"): each for each in before.get("conditions") or ()}
    conditions = [
        _condition(kind, values, document, old.get(kind, {}), now)
        for kind, values in (("Ready", ready), ("Degraded", degraded))
    ]
    return {
        "observedGeneration": document.generation,
        "rules": list(state.rules),
        "conditions": conditions,
    }


def _condition(
    kind: str,
    values: tuple[str, str, str],
    document: ClusterDocument,
    before: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    status, reason, message = values
    stays = before.get("status") == status and "lastTransitionTime" in before
    since = before["lastTransitionTime"] if stays else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": kind,
        "status": status,
        "observedGeneration": document.generation,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
