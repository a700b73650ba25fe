"""
Policies that are objects of the cluster: watched, put in force together, told of in their status.

Changes are gathered for a moment, loaded in a thread, and put in force in one step, well within two
seconds. Before the first lists are there nothing is answered. The last good document of each name
is kept in a ConfigMap, so that one that is broken while Landwaiter restarts loses nothing. A start
that cannot list them, because their definitions or our rights have gone, goes on with those; where
none were ever kept it ends with the reason. One replica writes what has become of each document
into its status, off the request path.
"""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.events import EventRecorder
from landwaiter.cluster.following import Watched, WatchSource
from landwaiter.cluster.leadership import Leadership, LeaseName
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.watching import Watch
from landwaiter.errors import ClusterUnavailable, InvalidPolicy
from landwaiter.policy.cluster_documents import (
    ClusterDocument,
    ClusterDocuments,
    DocumentName,
    DocumentState,
    document_of,
)
from landwaiter.policy.crd import RESOURCE_KINDS
from landwaiter.policy.exceptions import Clock, utc_now
from landwaiter.policy.install import PolicyInstallSettings
from landwaiter.policy.live import PoliciesInForce
from landwaiter.policy.models import API_VERSION
from landwaiter.serving.companions import run_all
from landwaiter.telemetry.observers import ViewMetrics
from landwaiter.wiring.document_lint import DocumentLinting
from landwaiter.wiring.document_status import StatusWriter
from landwaiter.wiring.own_objects import OwningRole
from landwaiter.wiring.policies import ConfigMapName, LastGoodSet
from landwaiter.wiring.views import age_of

SOURCE: Final = "cluster"

FIRST_LIST_SECONDS: Final = 30.0
"""How long the start waits for the first lists."""

GATHER_SECONDS: Final = 0.2
"""How long changes are gathered: `kubectl apply` of a folder is one new set, and not ten."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


LEASE: Final = "landwaiter-policies"
"""Who holds it in Landwaiter's namespace writes statuses."""


@dataclass(frozen=True, slots=True)
class ClusterPolicySettings:
    """
    What an install decides about policies in the cluster.

    `last_good` is None to keep none; `role` is the Role of the install in its namespace, with which
    the Lease goes, None where the Lease is nobody's.
    """

    own_namespace: str
    install: PolicyInstallSettings
    last_good: ConfigMapName | None
    role: str | None = None


@asynccontextmanager
async def cluster_policies(
    settings: ClusterPolicySettings,
    transport: ApiTransport,
    in_force: PoliciesInForce,
    views: ViewMetrics | None = None,
) -> AsyncIterator[None]:
    """Keep the cluster's documents in force inside the block; raises as `watched` does."""
    objects = ClusterObjects(transport)
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    resources = {each.kind: resource_of(each.plural, each.scope) for each in RESOURCE_KINDS}
    recorder = EventRecorder(objects, instance=identity)
    status = StatusWriter(
        objects, resources, is_leader=lambda: leadership.is_leader, note=recorder.record
    )
    linting = DocumentLinting(is_leader=lambda: leadership.is_leader, found=status.linted)

    def begin() -> None:
        status.begin()
        linting.begin()

    def tell(states: tuple[DocumentState, ...]) -> None:
        status.take(states)
        linting.take(states)

    lease = LeaseName(settings.own_namespace, LEASE, identity)
    owners = _nobody
    if settings.role is not None:
        role = OwningRole(objects, namespace=settings.own_namespace, name=settings.role)
        owners = role.references
    leadership = Leadership(objects, lease, owners=owners, changed=begin)
    documents = ClusterDocuments(settings.install, own_namespace=settings.own_namespace)
    last_good = None
    if settings.last_good is not None:
        last_good = LastGoodSet(objects, settings.last_good)
    parts = ClusterPolicyParts(transport, documents, last_good, tell, views=views)
    beside = asyncio.create_task(run_all((leadership.run, recorder.run, status.run, linting.run)))
    try:
        async with ClusterPolicies(parts, in_force).watched():
            yield
    finally:
        await _end(beside)


async def _nobody() -> list[dict[str, Any]]:
    """Return no owner: without a Role the Lease stays, as small as a note, for the next install."""
    return []


@dataclass(frozen=True, slots=True)
class ClusterPolicyParts:
    """
    What cluster policies are kept in force with.

    `last_good` is None where no set is kept; `tell` is None where nobody wants to know what has
    become of the documents, and `views` where nobody looks at metrics.
    """

    source: WatchSource
    documents: ClusterDocuments
    last_good: LastGoodSet | None
    tell: Callable[[tuple[DocumentState, ...]], None] | None = None
    clock: Clock = utc_now
    views: ViewMetrics | None = None


def resource_of(plural: str, scope: str) -> ApiResource:
    """Return a kind of document as the API server knows it."""
    group, _, version = API_VERSION.partition("/")
    return ApiResource(group, version, plural, namespaced=scope == "Namespaced")


class ClusterPolicies:
    """Keeps the documents of a cluster in force; made and used on one event loop."""

    def __init__(self, parts: ClusterPolicyParts, in_force: PoliciesInForce) -> None:
        self._parts = parts
        self._in_force = in_force
        self._changed = asyncio.Event()
        self._kept_digest: str | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._watches = {
            each.kind: Watch(
                parts.source,
                Watched(resource_of(each.plural, each.scope), partial(document_of, each.kind)),
                changed=self._changed.set,
            )
            for each in RESOURCE_KINDS
        }
        if parts.views is not None:
            for each in RESOURCE_KINDS:
                _show(parts.views, each.plural, self._watches[each.kind])

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """
        Put the documents in force, and their changes inside the block.

        Raises `ClusterUnavailable` when they cannot be listed in time, and none were kept.
        """
        async with AsyncExitStack() as stack:
            for watch in self._watches.values():
                watch.start()
                stack.push_async_callback(watch.close)
            is_restored = await self._restore()
            if (missing := await self._first_lists()) is None:
                await self._load()
            elif is_restored:
                self._in_force.replace(SOURCE, self._parts.documents.policy_set)
                self._in_force.keep(SOURCE, missing)
                _log.error("started from the last good documents of the cluster", error=missing)
            else:
                raise ClusterUnavailable(missing)
            stack.push_async_callback(self._stop_keeping)
            watching = asyncio.create_task(self._follow())
            watching.add_done_callback(self._ended)
            stack.push_async_callback(partial(_end, watching))
            yield

    async def _first_lists(self) -> str | None:
        """Return why they are not there in time, None where they are."""
        try:
            async with asyncio.timeout(FIRST_LIST_SECONDS):
                for watch in self._watches.values():
                    await watch.synced()
        except TimeoutError:
            missing = [kind for kind, watch in self._watches.items() if not watch.is_synced]
            return (
                f"{', '.join(missing)} could not be listed within {FIRST_LIST_SECONDS:g} s; their "
                "definitions and the verbs get, list and watch on them are wanted"
            )
        return None

    async def _restore(self) -> bool:
        """Take what was kept; return whether there was anything, be it no document at all."""
        if self._parts.last_good is None:
            return False
        try:
            snapshot = await self._parts.last_good.snapshot()
        except (InvalidPolicy, ClusterUnavailable) as problem:
            _log.info("no last good documents of the cluster", error=str(problem))
            return False
        await asyncio.to_thread(self._parts.documents.restore, snapshot, self._parts.clock())
        return True

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            if all(watch.is_synced for watch in self._watches.values()):
                await self._load()

    async def _load(self) -> None:
        self._changed.clear()
        found: dict[DocumentName, ClusterDocument] = {
            document.name: document
            for watch in self._watches.values()
            for document in watch.values.values()
        }
        now = self._parts.clock()
        states = await asyncio.to_thread(self._parts.documents.update, found, now)
        self._in_force.replace(SOURCE, self._parts.documents.policy_set)
        if broken := [state for state in states if state.problem is not None]:
            first = broken[0]
            text = f"{len(broken)} documents, {first.document.name}: {first.problem}"
            self._in_force.keep(SOURCE, text)
            _log.error("documents of the cluster do not load", error=text)
        if self._parts.tell is not None:
            self._parts.tell(states)
        await self._keep()

    async def _keep(self) -> None:
        """Keep what is good now, off the path of whoever asks."""
        if self._parts.last_good is None:
            return
        snapshot = self._parts.documents.snapshot()
        if snapshot.digest == self._kept_digest:
            return
        self._kept_digest = snapshot.digest
        await self._stop_keeping()
        self._keeping = asyncio.create_task(self._parts.last_good.keep(snapshot))

    async def _stop_keeping(self) -> None:
        if self._keeping is not None:
            await _end(self._keeping)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say of a bug that no change is seen any more; the set in force still judges."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._in_force.keep(SOURCE, "the documents are not watched any more: see the log")
            _log.critical("a bug ended the watch of the cluster's policies", exc_info=error)


def _show(views: ViewMetrics, plural: str, watch: Watch[ClusterDocument]) -> None:
    views.show(
        plural,
        objects=lambda: len(watch.values),
        age_seconds=lambda: age_of(watch.age_seconds()),
    )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
