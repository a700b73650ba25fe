"""Notes become Events, beside everything else."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster.an_api import FakeAPI
from landwaiter.cluster.events import NOTE_MAX_BYTES, WAITING_MAX, EventRecorder, Note, Regarding
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.errors import ClusterUnavailable

WEBHOOK = Regarding("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "guard")
SECRET = Regarding("v1", "Secret", "tls", "lw", "uid-1")
A_NOTE = Note(WEBHOOK, "WebhookRepaired", "KeepWebhook", "it had been deleted", is_warning=True)


async def written(api: FakeAPI, *notes: Note, until: Callable[[], bool]) -> list[dict[str, Any]]:
    """Return the Events that come of notes, once the condition holds."""
    recorder = EventRecorder(ClusterObjects(api), instance="replica-1")
    running = asyncio.create_task(recorder.run())
    for note in notes:
        recorder.record(note)
    async with asyncio.timeout(10):
        while not until():  # noqa: ASYNC110  # Another task decides.
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return list(api.objects.values())


async def test_a_note_is_an_event_on_its_object() -> None:
    """An object that is in no namespace has its Events in `default`, another one beside it."""
    api = FakeAPI()
    notes = (A_NOTE, Note(SECRET, "CertificateMade", "KeepCertificate", "made"))
    found = await written(api, *notes, until=lambda: len(api.objects) == 2)
    kept = [
        {
            key: event[key]
            for key in ("type", "reason", "action", "note", "regarding", "reportingInstance")
        }
        | {"namespace": event["metadata"]["namespace"]}
        for event in found
    ]

    assert [
        {
            "namespace": "default",
            "type": "Warning",
            "reason": "WebhookRepaired",
            "action": "KeepWebhook",
            "note": "it had been deleted",
            "reportingInstance": "replica-1",
            "regarding": {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingWebhookConfiguration",
                "name": "guard",
            },
        },
        {
            "namespace": "lw",
            "type": "Normal",
            "reason": "CertificateMade",
            "action": "KeepCertificate",
            "note": "made",
            "reportingInstance": "replica-1",
            "regarding": {
                "apiVersion": "v1",
                "kind": "Secret",
                "name": "tls",
                "namespace": "lw",
                "uid": "uid-1",
            },
        },
    ] == kept


async def test_the_same_note_again_is_counted() -> None:
    """A quarrel over an object does not fill the cluster with Events."""
    api = FakeAPI()
    found = await written(api, *[A_NOTE] * 5, until=lambda: api.answered == 5)

    assert [5] == [event["series"]["count"] for event in found]


async def test_another_text_is_another_event() -> None:
    """What was repaired is in each of them."""
    api = FakeAPI()
    other = replace(A_NOTE, text="editor had changed rules")
    found = await written(api, A_NOTE, other, until=lambda: api.answered == 2)

    assert [A_NOTE.text, other.text] == [event["note"] for event in found]


async def test_an_event_that_is_gone_is_made_anew() -> None:
    """The API server drops Events after an hour."""
    api = FakeAPI()
    recorder = EventRecorder(ClusterObjects(api), instance="replica-1")
    running = asyncio.create_task(recorder.run())
    async with asyncio.timeout(10):
        for answers in (1, 3):
            recorder.record(A_NOTE)
            while api.answered < answers:  # noqa: ASYNC110  # Another task decides.
                await asyncio.sleep(0)
            api.objects.clear()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert ["POST", "PATCH", "POST"] == [asked.split()[0] for asked in api.asked]


async def test_events_that_are_not_taken_are_lost_and_no_more() -> None:
    """A missing right, or no API server: the next note is tried all the same."""
    for api in (FakeAPI(refused=frozenset({"POST"})), FakeAPI(down=ClusterUnavailable("down"))):
        other = replace(A_NOTE, reason="Other")
        found = await written(api, A_NOTE, other, until=lambda api=api: api.answered == 2)  # type: ignore[misc]  # Bound now.

        assert [] == found


async def test_notes_that_wait_are_bounded() -> None:
    """The oldest are lost; taking one never waits."""
    api = FakeAPI()
    recorder = EventRecorder(ClusterObjects(api), instance="x" * 500)
    for number in range(WAITING_MAX + 10):
        recorder.record(replace(A_NOTE, reason=f"R{number}"))
    running = asyncio.create_task(recorder.run())
    async with asyncio.timeout(10):
        while len(api.objects) < WAITING_MAX:  # noqa: ASYNC110  # Another task decides.
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert [f"R{n}" for n in range(10, WAITING_MAX + 10)] == [
        event["reason"] for event in api.objects.values()
    ]
    assert {128} == {len(event["reportingInstance"]) for event in api.objects.values()}


@pytest.mark.parametrize("text", ["x" * 2000, "ä" * 800])
async def test_a_long_note_is_cut(text: str) -> None:
    """At a character, within what an Event may have."""
    api = FakeAPI()
    found = await written(api, replace(A_NOTE, text=text), until=lambda: bool(api.objects))

    assert NOTE_MAX_BYTES == len(found[0]["note"].encode())
    assert text.startswith(found[0]["note"])
