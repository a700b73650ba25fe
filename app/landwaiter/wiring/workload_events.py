"""Tells the cluster, in Events, what was refused and which exceptions were used."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from landwaiter.admission.telling import Told
from landwaiter.cluster.events import EventRecorder, Note, Regarding
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.paced_events import PacedEvents
from landwaiter.policy.models import API_VERSION
from landwaiter.serving.companions import run_all
from landwaiter.telemetry.api_observers import EventMetrics

JUDGE: Final = "JudgeImages"


@dataclass(frozen=True, slots=True)
class WorkloadEvents:
    """
    Makes notes of what there is to tell, as a `Teller`.

    `own_namespace` is where exceptions are that hold in the whole cluster, None where that is not
    known; these are told about in the workload's namespace then.
    """

    record: Callable[[Note], None]
    own_namespace: str | None

    def tell(self, told: Told) -> None:
        """Take one thing to tell."""
        subject = told.subject
        if told.exception is None:
            regarding = Regarding(
                subject.api_version, subject.kind, subject.name, subject.namespace, subject.uid
            )
            reason = "ImagesRefused" if told.is_known else "ImagesUndecided"
            self.record(Note(regarding, reason, JUDGE, told.text, is_warning=True))
            return
        namespace, _, name = told.exception.rpartition("/")
        where = namespace or self.own_namespace or subject.namespace
        regarding = Regarding(API_VERSION, "ImagePolicyException", name, where)
        self.record(Note(regarding, "ExceptionUsed", JUDGE, told.text))


@asynccontextmanager
async def workload_events(
    objects: ClusterObjects, own_namespace: str | None, collectors: CollectorRegistry
) -> AsyncIterator[WorkloadEvents]:
    """Give what tells the cluster, and write Events inside the block."""
    recorder = EventRecorder(objects, instance=f"{socket.gethostname()}_{uuid.uuid4()}")
    paced = PacedEvents(recorder, EventMetrics(collectors))
    running = asyncio.create_task(run_all((paced.run,)))
    try:
        yield WorkloadEvents(paced.record, own_namespace)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
