"""What the status of a document says, and who writes it when."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiAnswer, ApiRequest, ApiResource
from landwaiter.errors import ClusterUnavailable
from landwaiter.policy.cluster_documents import ClusterDocument, DocumentName, DocumentState
from landwaiter.wiring import document_status as module
from landwaiter.wiring.document_status import StatusWriter, status_of

NAME = DocumentName("ClusterImagePolicy", "", "p")
RESOURCE = ApiResource("landwaiter.dev", "v1alpha1", "clusterimagepolicies", namespaced=False)
PATH = "/apis/landwaiter.dev/v1alpha1/clusterimagepolicies/p"
THEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)


def a_state(generation: int = 1, **changes: Any) -> DocumentState:  # noqa: ANN401
    document = ClusterDocument(NAME, generation, {})
    return DocumentState(document, **{"rules": ("pinnedTags",), **changes})


def told(status: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(c["type"], c["status"], c["message"]) for c in status["conditions"]]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (
            a_state(),
            [
                ("Ready", "True", "this generation is in force"),
                ("Degraded", "False", "this generation is in force"),
            ],
        ),
        (
            a_state(rules=(), problem="field x: bad"),
            [
                ("Ready", "False", "the last good generation is in force"),
                ("Degraded", "True", "field x: bad"),
            ],
        ),
        (
            a_state(rules=(), problem="field x: bad", in_force=False),
            [
                ("Ready", "False", "no generation has ever loaded; nothing is in force"),
                ("Degraded", "True", "field x: bad"),
            ],
        ),
    ],
)
def test_the_conditions_say_what_judges(
    state: DocumentState, expected: list[tuple[str, str, str]]
) -> None:
    """Whether this generation, an older one or none is in force, and why."""
    status = status_of(state, {}, NOW)

    assert expected == told(status)
    assert (1, list(state.rules)) == (status["observedGeneration"], status["rules"])


def test_a_condition_that_stays_keeps_its_time() -> None:
    """Only a change of the status is a transition."""
    before = status_of(a_state(1), {}, THEN)
    same = status_of(a_state(2), before, NOW)
    other = status_of(a_state(3, problem="bad"), before, NOW)
    times = [[c["lastTransitionTime"] for c in each["conditions"]] for each in (same, other)]

    assert [["2026-11-24T12:00:00Z"] * 2, ["2026-11-24T13:00:00Z"] * 2] == times


@dataclass
class Server:
    """Holds one document; `faults` are how often it fails first."""

    content: dict[str, Any] | None = field(
        default_factory=lambda: {"metadata": {"name": "p", "resourceVersion": "1"}}
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


def writer(server: Server, *, leads: Callable[[], bool] = lambda: True) -> StatusWriter:
    return StatusWriter(
        ClusterObjects(server), {NAME.kind: RESOURCE}, is_leader=leads, clock=lambda: NOW
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(module, "RETRY_MAX_SECONDS", 0.002)


async def test_a_status_is_written_once_and_not_again() -> None:
    """The same state is looked at once, and a status that says it already is left alone."""
    server = Server()
    first, second = writer(server), writer(server)
    async with first.writing():
        first.take((a_state(),))
        await until(lambda: len(server.writes) == 1)
        first.take((a_state(),))
        first.take((a_state(2),))
        await until(lambda: len(server.writes) == 2)
    reads = server.reads
    async with second.writing():
        second.take((a_state(2),))
        await until(lambda: server.reads > reads)
        await asyncio.sleep(0)

    assert [1, 2] == [each["observedGeneration"] for each in server.writes]


async def test_only_the_replica_that_leads_writes() -> None:
    """One that becomes the leader looks at everything that it knows."""
    server, leads = Server(), [False]
    status = writer(server, leads=lambda: leads[0])
    async with status.writing():
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
    async with first.writing(), second.writing():
        first.take((a_state(),))
        second.take((a_state(),))
        await until(lambda: len(server.writes) == 1 and gone.reads == 1)

    assert [] == gone.writes
