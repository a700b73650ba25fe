"""
Traces of single reviews, sent with OpenTelemetry to whoever collects them.

The library is an optional part (`landwaiter[tracing]`) and is loaded only where an address is
given. Spans are handed to its thread; when that cannot keep up, or nobody answers at the address,
spans are lost, and no review waits. What goes wrong in the body of a span is told by the name of
its type alone, for its text may quote what others have said.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from landwaiter import __version__
from landwaiter.errors import InvalidInput
from landwaiter.telemetry.steps import AttributeValue, Span, Tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as LibrarySpan
    from opentelemetry.trace import Tracer as LibraryTracer

TEXT_MAX_CHARACTERS: Final = 256
"""Of one attribute; namespaces and digests are shorter."""

EXPORT_SECONDS: Final = 2.0
"""How long one batch may take to be sent, and how long the end waits for the last one."""


class _Described:
    """A span of the library."""

    def __init__(self, span: "LibrarySpan") -> None:
        self._span = span

    def describe(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add what is known by now."""
        self._span.set_attributes(_named(attributes))


class OpenTelemetry:
    """A `Tracer` of the library's."""

    def __init__(self, tracer: "LibraryTracer") -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, AttributeValue]) -> Iterator[Span]:
        """Open a span below the one that is open, for the body of the context."""
        with self._tracer.start_as_current_span(
            name,
            attributes=_named(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield _Described(span)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                raise


@asynccontextmanager
async def tracing(endpoint: str | None) -> AsyncIterator[Tracer | None]:
    """
    Give what traces reviews, None without an address; what is left is sent at the end.

    Raises `InvalidInput` for an address that cannot be used, or where the library is missing.
    """
    if endpoint is None:
        yield None
        return
    provider = _provider(endpoint)
    try:
        yield OpenTelemetry(provider.get_tracer("landwaiter", __version__))
    finally:
        await _shut_down(provider)


async def _shut_down(provider: "TracerProvider") -> None:
    """Send what is left, in a thread that is left behind when it takes too long."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # The loop is closed: nobody has waited so long.
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=shut_down, name="traces", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(2 * EXPORT_SECONDS):
            await ended.wait()


def _provider(endpoint: str) -> "TracerProvider":
    _check(endpoint)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as cause:
        raise InvalidInput(
            "--otlp-endpoint: OpenTelemetry is not installed; landwaiter[tracing] is wanted"
        ) from cause
    provider = TracerProvider(
        resource=Resource.create({"service.name": "landwaiter", "service.version": __version__}),
        span_limits=SpanLimits(max_span_attribute_length=TEXT_MAX_CHARACTERS),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _check(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if "@" in parts.netloc:
        raise InvalidInput(
            "--otlp-endpoint: credentials given in the address, where logs can show them; they are "
            "wanted in OTEL_EXPORTER_OTLP_HEADERS"
        )
    if not usable:
        raise InvalidInput("--otlp-endpoint: no such address, wanted http(s)://HOST:PORT/v1/traces")


def _named(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {f"landwaiter.{name}": value for name, value in attributes.items()}
