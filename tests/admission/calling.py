"""An ASGI caller, as uvicorn would call, that can misbehave."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from admission.builders import FixedJudge
from landwaiter.admission.handler import Handler, Judge
from landwaiter.admission.http import (
    BODY_IS_WHOLE,
    AdmissionApp,
    Gate,
    RequestLimits,
    admission_app,
)
from landwaiter.images.reference import ShortNames
from landwaiter.telemetry.metrics import Metrics

JSON = {"content-type": "application/json"}


@dataclass
class Application:
    """The application of the admission port, with what it counts."""

    app: AdmissionApp
    registry: CollectorRegistry

    def counted(self, name: str, **labels: str) -> float | None:
        """Return one metric."""
        return self.registry.get_sample_value(name, labels)


def an_application(
    judge: Judge | None = None, *, limits: RequestLimits | None = None
) -> Application:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    handler = Handler(
        judge=judge or FixedJudge(), short_names=ShortNames.DOCKER_HUB, metrics=metrics
    )
    gate = Gate(handler=handler, limits=limits or RequestLimits(), metrics=metrics)
    return Application(admission_app(gate), registry)


@dataclass
class HTTPAnswer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def ask(
    application: Application,
    body: bytes | Iterable[bytes] | AsyncIterator[bytes] = b"",
    *,
    path: str = "/validate",
    query: str = "",
    method: str = "POST",
    headers: Mapping[str, str] = JSON,
    state: Mapping[str, Any] | None = None,
    is_whole: bool = False,
) -> HTTPAnswer:
    """
    Send one request and return its answer; `body` may be pieces that come one by one.

    With `is_whole` the server says that all of them are there.
    """
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": dict(state or {}),
        **({BODY_IS_WHOLE: True} if is_whole else {}),
    }
    answer = HTTPAnswer()
    pieces = _pieces(body)

    async def receive() -> dict[str, Any]:
        piece = await anext(pieces, None)
        if piece is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await application.app(scope, receive, send)
    return answer


async def _pieces(
    body: bytes | Iterable[bytes] | AsyncIterator[bytes],
) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
    elif isinstance(body, AsyncIterator):
        async for piece in body:
            yield piece
    else:
        for piece in body:
            await asyncio.sleep(0)
            yield piece
