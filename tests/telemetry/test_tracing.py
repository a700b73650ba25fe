"""Spans arrive at a collector, say nothing secret, and keep nobody waiting."""

import asyncio
import sys
import time
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from landwaiter.errors import InvalidInput
from landwaiter.telemetry.steps import reviewed, step
from landwaiter.telemetry.tracing import EXPORT_SECONDS, tracing
from telemetry.a_collector import a_collector


def attributes_of(span: Span) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_review_and_what_it_waits_for_are_one_trace() -> None:
    """Steps are below the review, also those of tasks that it has made."""

    async def work() -> None:
        with step("cosign", format="bundle", images=2):
            await asyncio.sleep(0)

    with a_collector() as collector:
        async with tracing(collector.url) as tracer:
            with reviewed(tracer, "review") as (_, span):
                with step("signature"):
                    await asyncio.create_task(work())
                span.describe({"decision": "allow"})
    found = {span.name: span for span in collector.spans}
    review, signature, cosign = found["review"], found["signature"], found["cosign"]

    assert 3 == len(collector.spans)
    assert {review.trace_id} == {span.trace_id for span in collector.spans}
    assert (b"", review.span_id, signature.span_id) == (
        review.parent_span_id,
        signature.parent_span_id,
        cosign.parent_span_id,
    )
    assert {"landwaiter.decision": "allow"} == attributes_of(review)
    assert {"landwaiter.format": "bundle", "landwaiter.images": 2} == attributes_of(cosign)


async def test_no_text_of_an_error_gets_into_a_trace() -> None:
    """What a registry or a person has said may hold anything; the type of the fault is enough."""
    with a_collector() as collector:
        async with tracing(collector.url) as tracer:
            with (
                pytest.raises(ValueError, match="hunter2"),
                reviewed(tracer, "review"),
                step("digest"),
            ):
                raise ValueError("password hunter2")
    texts = [str(span) for span in collector.spans]

    assert [{"error.type": "ValueError"}] * 2 == [attributes_of(each) for each in collector.spans]
    assert [] == [text for text in texts if "hunter2" in text]


async def test_nobody_waits_for_a_collector_that_is_stuck() -> None:
    """Thousands of spans are taken at once, what is over is lost, and the end takes seconds."""
    with a_collector() as collector:
        collector.stuck.set()
        async with tracing(collector.url) as tracer:
            began = time.monotonic()
            for _ in range(5_000):
                with reviewed(tracer, "review"), step("digest"):
                    pass
            took = time.monotonic() - began
            began = time.monotonic()
        ending = time.monotonic() - began

    assert took < 5
    assert ending < 2 * EXPORT_SECONDS + 2


async def test_without_an_address_nothing_is_traced() -> None:
    """And the library is not loaded for it."""
    async with tracing(None) as tracer:
        assert None is tracer


@pytest.mark.parametrize(
    "endpoint",
    ["collector:4318", "ftp://collector/v1/traces", "http://", "http://c:99999/", "http://a:b@c/"],
)
async def test_an_address_that_cannot_be_used_stops_the_start(endpoint: str) -> None:
    """Also one with credentials in it, which would get into logs."""
    with pytest.raises(InvalidInput, match="--otlp-endpoint: "):
        async with tracing(endpoint):
            pass


async def test_a_missing_library_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option does nothing without it, so it is refused."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(InvalidInput, match=r"landwaiter\[tracing\] is wanted"):
        async with tracing("http://127.0.0.1:4318/v1/traces"):
            pass
