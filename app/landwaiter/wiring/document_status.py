"""
Writes into each document's status what has become of it.

One replica writes, the one that holds the Lease; the others have the same to say. What a status
says already is not written again, and a document that has changed meanwhile gets its status with
its next state. Nothing waits for a status. A document that does not load is told of in an Event
too, once it is in its status.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.events import Note, Regarding
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.persistence import persistently
from landwaiter.cluster.requests import ApiResource
from landwaiter.errors import ClusterUnavailable
from landwaiter.policy.cluster_documents import DocumentName, DocumentState
from landwaiter.policy.document_report import DocumentReport, next_end, reports_of
from landwaiter.policy.exceptions import Clock, utc_now
from landwaiter.policy.lint_cluster import Linted
from landwaiter.wiring.status_conditions import status_of

LOOK_SECONDS_MAX: Final = 3600.0
"""How long nothing is looked at where no exception ends: the clock may have been set."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


class StatusWriter:
    """
    Writes statuses while this replica is the one that writes; used on one event loop.

    `note` takes what an Event is to say, and returns at once.
    """

    def __init__(
        self,
        objects: ClusterObjects,
        resources: Mapping[str, ApiResource],
        *,
        is_leader: Callable[[], bool],
        note: Callable[[Note], None],
        clock: Clock = utc_now,
    ) -> None:
        self._objects = objects
        self._resources = dict(resources)
        self._is_leader = is_leader
        self._note = note
        self._clock = clock
        self._states: tuple[DocumentState, ...] = ()
        self._linted: Linted = {}
        self._written: dict[DocumentName, DocumentReport] = {}
        self._changed = asyncio.Event()

    def take(self, states: tuple[DocumentState, ...]) -> None:
        """Write these states when there is time."""
        self._states = states
        self._changed.set()

    def linted(self, found: Linted) -> None:
        """Write what the linter has said, when there is time."""
        self._linted = found
        self._changed.set()

    def begin(self) -> None:
        """Look at every status again: this replica has become the one that writes, or not."""
        self._written.clear()
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._something_to_tell()
            self._changed.clear()
            reports = reports_of(self._states, self._linted, self._clock())
            for report in reports:
                name = report.state.document.name
                if self._is_leader() and self._written.get(name) != report:
                    await self._write(name, report)
            for gone in self._written.keys() - {each.state.document.name for each in reports}:
                del self._written[gone]

    async def _something_to_tell(self) -> None:
        """Wait for a change, or for the end of the next exception."""
        now = self._clock()
        end = next_end(self._states, now)
        seconds = LOOK_SECONDS_MAX if end is None else (end - now).total_seconds()
        try:
            async with asyncio.timeout(min(seconds, LOOK_SECONDS_MAX)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _write(self, name: DocumentName, report: DocumentReport) -> None:
        try:
            await persistently()(self._written_once, name, report)
        except ClusterUnavailable as fault:
            _log.warning("the status of a document was not written", error=str(fault))
        else:
            self._written[name] = report

    async def _written_once(self, name: DocumentName, report: DocumentReport) -> None:
        resource = self._resources[name.kind]
        found = await self._objects.get(resource, name.name, namespace=name.namespace)
        if found is None:
            return
        before = found.get("status") or {}
        wanted = status_of(report, before, self._clock())
        if wanted == before:
            return
        await self._objects.replace(resource, {**found, "status": wanted}, subresource="status")
        problem = report.state.problem
        if problem is not None and _degraded(wanted) != _degraded(before):
            about = Regarding(
                api_version=str(found.get("apiVersion", "")),
                kind=name.kind,
                name=name.name,
                namespace=name.namespace,
                uid=str(found["metadata"].get("uid", "")),
            )
            self._note(Note(about, "NotLoaded", "Load", problem, is_warning=True))


def _degraded(status: Mapping[str, Any]) -> tuple[int, str]:
    """Return of which generation the status says what is wrong, and what that is."""
    found = [each for each in status.get("conditions") or () if each.get("type") == "Degraded"]
    message = str(found[0].get("message", "")) if found else ""
    return status.get("observedGeneration", 0), message
