"""Which object an Event is about, and what it is called."""

import asyncio

from prometheus_client import CollectorRegistry

from cluster.an_api import FakeAPI
from landwaiter.admission.telling import Subject, Told
from landwaiter.cluster.events import Note, Regarding
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.wiring.workload_events import WorkloadEvents, workload_events

JOB = Subject("batch/v1", "Job", "shop", "nightly", "uid-1")
ABOUT_JOB = Regarding("batch/v1", "Job", "nightly", "shop", "uid-1")


def exception(name: str, namespace: str) -> Regarding:
    return Regarding("landwaiter.dev/v1alpha1", "ImagePolicyException", name, namespace)


def noted(told: Told, own_namespace: str | None = "landwaiter-system") -> list[Note]:
    notes: list[Note] = []
    WorkloadEvents(notes.append, own_namespace).tell(told)
    return notes


def test_what_was_refused_is_a_warning_on_the_object() -> None:
    """What was not known has a word of its own."""
    act = "JudgeImages"

    assert [Note(ABOUT_JOB, "ImagesRefused", act, "no", is_warning=True)] == noted(Told(JOB, "no"))
    assert [Note(ABOUT_JOB, "ImagesUndecided", act, "?", is_warning=True)] == noted(
        Told(JOB, "?", is_known=False)
    )


def test_a_used_exception_has_a_note_itself() -> None:
    """In its namespace; one that holds everywhere is in Landwaiter's, if that is known."""
    own, theirs = Told(JOB, "x", exception="hotfix"), Told(JOB, "x", exception="shop/hotfix")

    def used(regarding: Regarding) -> list[Note]:
        return [Note(regarding, "ExceptionUsed", "JudgeImages", "x")]

    assert used(exception("hotfix", "shop")) == noted(theirs)
    assert used(exception("hotfix", "landwaiter-system")) == noted(own)
    assert used(exception("hotfix", "shop")) == noted(own, None)


async def test_events_are_written_and_counted() -> None:
    """Inside the block, by a task that ends with it."""
    api, collectors = FakeAPI(), CollectorRegistry()
    async with workload_events(ClusterObjects(api), None, collectors) as events:
        events.tell(Told(JOB, "no"))
        async with asyncio.timeout(10):
            while not collectors.get_sample_value(  # noqa: ASYNC110  # Another task counts.
                "landwaiter_workload_events_total", {"outcome": "written"}
            ):
                await asyncio.sleep(0)
    (event,) = api.objects.values()

    assert ("ImagesRefused", "nightly") == (event["reason"], event["regarding"]["name"])
