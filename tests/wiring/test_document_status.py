"""What the status of a document says, and who writes it when."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.beside import beside
from landwaiter.cluster import persistence
from landwaiter.cluster.events import Note, Regarding
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiAnswer, ApiRequest, ApiResource
from landwaiter.errors import ClusterUnavailable
from landwaiter.policy.cluster_documents import ClusterDocument, DocumentName, DocumentState
from landwaiter.policy.exceptions import Clock, PolicyException
from landwaiter.policy.lint_cluster import Said
from landwaiter.rules.pinned_tags import PinnedTags
from landwaiter.rules.verdict import GrantedException
from landwaiter.wiring.document_status import StatusWriter
from policy.judging import named

NAME = DocumentName("ClusterImagePolicy", "", "p")
RESOURCE = ApiResource("landwaiter.dev", "v1alpha1", "clusterimagepolicies", namespaced=False)
PATH = "/apis/landwaiter.dev/v1alpha1/clusterimagepolicies/p"
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
LOADED = named("p", PinnedTags(floating=None))


def a_state(generation: int = 1, **changes: Any) -> DocumentState:  # noqa: ANN401
    document = ClusterDocument(NAME, generation, {})
    return DocumentState(document, **{"loaded": LOADED, **changes})


def an_exception(expires: datetime) -> DocumentState:
    name = DocumentName("ImagePolicyException", "", "p")
    granted = GrantedException("e", "alice", "why", expires)
    loaded = PolicyException(granted, (), (), frozenset({"shop"}))
    return DocumentState(ClusterDocument(name, 1, {}), loaded)


@dataclass
class Server:
    """Holds one document; `faults` are how often it fails first."""

    content: dict[str, Any] | None = field(
        default_factory=lambda: {
            "apiVersion": "landwaiter.dev/v1alpha1",
            "metadata": {"name": "p", "uid": "u", "resourceVersion": "1"},
        }
    )
    faults: int = 0
    writes: list[dict[str, Any]] = field(default_factory=list)
    reads: int = 0

    async def send(self, request: ApiRequest) -> ApiAnswer:
        await asyncio.sleep(0)
        if self.faults:
            self.faults -= 1
            raise ClusterUnavailable("away")
        if request.method == "GET":
            self.reads += 1
            status = 404 if self.content is None else 200
            return ApiAnswer(status, json.dumps(self.content).encode())
        assert (f"{PATH}/status", "PUT") == (request.path, request.method)
        assert request.body is not None
        self.content = dict(request.body)
        self.writes.append(dict(request.body["status"]))
        return ApiAnswer(200, json.dumps(self.content).encode())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # Tasks decide.
            await asyncio.sleep(0.002)


def writer(
    server: Server,
    *,
    leads: Callable[[], bool] = lambda: True,
    clock: Clock = lambda: NOW,
    note: Callable[[Note], None] = lambda _: None,
) -> StatusWriter:
    resources = {NAME.kind: RESOURCE, "ImagePolicyException": RESOURCE}
    return StatusWriter(ClusterObjects(server), resources, is_leader=leads, note=note, clock=clock)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(persistence, "RETRY_MAX_SECONDS", 0.002)


async def test_a_status_is_written_once_and_not_again() -> None:
    """The same state is looked at once, and a status that says it already is left alone."""
    server = Server()
    first, second = writer(server), writer(server)
    async with beside(first.run()):
        first.take((a_state(),))
        await until(lambda: len(server.writes) == 1)
        first.take((a_state(),))
        first.take((a_state(2),))
        await until(lambda: len(server.writes) == 2)
    reads = server.reads
    async with beside(second.run()):
        second.take((a_state(2),))
        await until(lambda: server.reads > reads)
        await asyncio.sleep(0)

    assert [1, 2] == [each["observedGeneration"] for each in server.writes]


async def test_only_the_replica_that_leads_writes() -> None:
    """One that becomes the leader looks at everything that it knows."""
    server, leads = Server(), [False]
    status = writer(server, leads=lambda: leads[0])
    async with beside(status.run()):
        status.take((a_state(),))
        for _ in range(20):
            await asyncio.sleep(0)
        before = len(server.writes)
        leads[0] = True
        status.begin()
        await until(lambda: len(server.writes) == 1)

    assert 0 == before


async def test_faults_are_tried_again_and_what_is_gone_is_left() -> None:
    """An outage delays a status; a document that was deleted needs none."""
    server, gone = Server(faults=2), Server(content=None)
    first, second = writer(server), writer(gone)
    async with beside(first.run()), beside(second.run()):
        first.take((a_state(),))
        second.take((a_state(),))
        await until(lambda: len(server.writes) == 1 and gone.reads == 1)

    assert [] == gone.writes


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {each["type"]: each["status"] for each in status["conditions"]}


async def test_what_the_linter_says_comes_when_it_has_looked() -> None:
    """The rest of the status does not wait for it, and nothing is claimed before."""
    server = Server()
    status = writer(server)
    async with beside(status.run()):
        status.take((a_state(),))
        await until(lambda: len(server.writes) == 1)
        status.linted({NAME: Said(a_state().document, ("field x: y",))})
        await until(lambda: len(server.writes) == 2)

    assert [
        {"Ready": "True", "Degraded": "False"},
        {"Ready": "True", "Degraded": "False", "Warning": "True"},
    ] == list(map(conditions, server.writes))
    assert [{"rules": 1, "exceptions": 0}, {"rules": 1, "exceptions": 0, "warnings": 1}] == [
        each["counts"] for each in server.writes
    ]


async def test_the_end_of_an_exception_is_told_without_a_change() -> None:
    """The writer looks again at the second at which the next one ends."""
    server = Server()
    times = iter([NOW, NOW, NOW, NOW])
    status = writer(server, clock=lambda: next(times, NOW + timedelta(seconds=1)))
    async with beside(status.run()):
        status.take((an_exception(NOW + timedelta(milliseconds=20)),))
        await until(lambda: len(server.writes) == 2)

    assert ["True", "False"] == [conditions(each)["Ready"] for each in server.writes]


async def test_a_document_that_does_not_load_is_told_of_once_in_an_event() -> None:
    """By whoever writes it into the status; a replica that finds it there has nothing to tell."""
    server = Server()
    notes: list[Note] = []
    first, second = (writer(server, note=notes.append) for _ in range(2))
    async with beside(first.run()):
        first.take((a_state(),))
        await until(lambda: len(server.writes) == 1)
        first.take((a_state(2, problem="field x: bad"),))
        await until(lambda: len(server.writes) == 2)
    reads = server.reads
    async with beside(second.run()):
        second.take((a_state(2, problem="field x: bad"),))
        await until(lambda: server.reads > reads)
        await asyncio.sleep(0)

    about = Regarding("landwaiter.dev/v1alpha1", "ClusterImagePolicy", "p", "", "u")
    assert [Note(about, "NotLoaded", "Load", "field x: bad", is_warning=True)] == notes
