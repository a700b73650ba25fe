"""
Judges what is running in a cluster by candidate policies, reading only.

Each object is judged as if it were created now, by the webhook's own judge.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from landwaiter.cluster.client import ClusterClient
from landwaiter.cluster.keys import ObjectKey
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.cluster.running import RunningObject, running_objects
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.view import ClusterView, NamespaceLabels
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, InvalidInput, InvalidReview
from landwaiter.images.reference import ShortNames
from landwaiter.policy.case import Case, Operation, RequestObjects, Side
from landwaiter.policy.install import PolicyInstallSettings
from landwaiter.policy.judge import Judge
from landwaiter.policy.matching import Policy
from landwaiter.policy.sources import load_policies
from landwaiter.rules.verdict import Verdict
from landwaiter.wiring.expressions import match_conditions
from landwaiter.wiring.one_moment import OneMoment
from landwaiter.wiring.outside import OutsideSettings, fact_source
from landwaiter.workloads.values import Workload
from landwaiter.workloads.walker import read_workload

JUDGED_AT_ONCE: Final = 16
"""Objects whose images are looked up at the same time; most need nothing looked up."""

KUBECONFIG: Final = "KUBECONFIG"
DEFAULT_KUBECONFIG: Final = Path("~/.kube/config")


@dataclass(frozen=True, slots=True)
class RunningSettings:
    """
    What is judged, and by what.

    Without `kubeconfig` it is the one that kubectl would take, or inside a Pod its service
    account; `context` and `namespace` are None for the current one and for all.
    """

    policies: Path
    install: PolicyInstallSettings
    outside: OutsideSettings
    short_names: ShortNames
    kubeconfig: Path | None
    context: str | None
    namespace: str | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class JudgedObject:
    """One object and its verdict; `unreadable` says why there is none, and is else empty."""

    running: RunningObject
    workload: Workload | None = None
    verdict: Verdict = field(default_factory=Verdict)
    unreadable: str = ""


class CountedTransport:
    """Passes requests on and counts them; all of them only read."""

    def __init__(self, transport: ApiTransport) -> None:
        self._transport = transport
        self.requests = 0

    async def get(self, key: ObjectKey) -> bytes | None:
        """Return one object as JSON, None where there is none."""
        self.requests += 1
        return await self._transport.get(key)

    async def send(self, request: ApiRequest) -> ApiAnswer:
        """Return the answer to a request."""
        self.requests += 1
        return await self._transport.send(request)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._transport.close()


class RunningCluster:
    """A cluster whose objects are judged kind by kind."""

    def __init__(
        self,
        settings: RunningSettings,
        transport: CountedTransport,
        judge: Judge,
        policies: Sequence[Policy],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._objects = ClusterObjects(transport)
        self._judge = judge
        self.policies = policies

    @property
    def requests(self) -> int:
        """How many requests the API server has been sent."""
        return self._transport.requests

    async def judged(self, kind: str) -> AsyncIterator[list[JudgedObject]]:
        """Yield the objects of a kind with their verdicts, page by page. Raises `Unavailable`."""
        places = asyncio.Semaphore(JUDGED_AT_ONCE)
        namespace = self._settings.namespace or ""
        async for page in running_objects(self._objects, kind, namespace=namespace):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._judged(each, places)) for each in page]
            yield [task.result() for task in tasks]

    async def _judged(self, running: RunningObject, places: asyncio.Semaphore) -> JudgedObject:
        if running.is_superseded:
            return JudgedObject(running)
        try:
            workload = read_workload(
                running.content,
                namespace=running.namespace,
                short_names=self._settings.short_names,
            )
        except InvalidReview as problem:
            return JudgedObject(running, unreadable=str(problem))
        if workload is None:
            raise ValueError(f"{running.kind} carries no images")
        async with places:
            case = Case(
                Operation.CREATE,
                workload,
                Deadline.after(self._settings.timeout_seconds),
                credentials_allowed=True,
                objects=RequestObjects.of_manifest(
                    running.content, namespace=running.namespace, requester=None
                ),
                offers=False,
            )
            verdict = await self._judge.judge(case, Side.ALL)
        return JudgedObject(running, workload, verdict.without_retry())


@asynccontextmanager
async def running_cluster(settings: RunningSettings) -> AsyncIterator[RunningCluster]:
    """
    Give a cluster whose objects can be judged, for the body of the context.

    Raises `InvalidInput` when a policy or the registries do not load or the namespace does not
    exist, and `ClusterUnavailable` when the cluster cannot be asked.
    """
    documents = load_policies(settings.policies, settings.install)
    kubeconfig = settings.kubeconfig or _kubeconfig_of_kubectl()
    transport = CountedTransport(ApiTransport.connect(kubeconfig, context=settings.context))
    # A clock that stands still: what is remembered never grows old.
    client = ClusterClient(transport, clock=lambda: 0.0)
    try:
        view = OneMoment(client)
        await _check_namespace(view, settings)
        async with (
            fact_source(settings.outside, policies=lambda: documents.policies, view=view) as source,
            match_conditions() as conditions,
        ):
            judge = Judge(
                policies=lambda: documents,
                source=source,
                namespaces=NamespaceLabels(view),
                install=settings.install,
                conditions=conditions,
            )
            yield RunningCluster(settings, transport, judge, documents.policies)
    finally:
        await client.close()


async def _check_namespace(view: ClusterView, settings: RunningSettings) -> None:
    """Refuse a namespace that is not there: its list is empty, and reads as if all were well."""
    if (name := settings.namespace) is None:
        return
    try:
        found = await view.get_namespace(name, deadline=Deadline.after(settings.timeout_seconds))
    except ClusterUnavailable:
        return  # Whoever may list Pods there need not be allowed to read the namespace.
    if found is None:
        raise InvalidInput(f'namespace "{name:.100}" does not exist')


def _kubeconfig_of_kubectl() -> Path | None:
    """Return the files that kubectl would read, None where there is none."""
    if files := os.environ.get(KUBECONFIG):
        return Path(files)
    default = DEFAULT_KUBECONFIG.expanduser()
    return default if default.exists() else None
