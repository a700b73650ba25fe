"""
The routes `POST /validate` and `POST /observe`, and what bounds a request before it is a review.

A 4xx or 5xx from here means that the *call* was wrong or came at a bad moment; the API server then
goes by the webhook's `failurePolicy`, and shows the text of such an answer to the person. What is
about the object is always HTTP 200 (see `reply`).

Too many requests at once are answered with 503 and `Retry-After`: the API server's client waits
and posts the same review again, up to ten times within the webhook's timeout, so that a burst is
not needlessly refused under `failurePolicy: Fail` (k8s.io/client-go v0.36, rest/with_retry.go).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.routing import Route

from landwaiter.admission.deadline import answer_by
from landwaiter.admission.handler import Handler
from landwaiter.admission.outcome import Call
from landwaiter.admission.reply import call_refused
from landwaiter.admission.review import decode
from landwaiter.errors import InvalidReview
from landwaiter.policy.case import Side
from landwaiter.telemetry.metrics import Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CALLER_IS_API_SERVER: Final = "landwaiter.caller_is_api_server"
"""The key in the ASGI scope's `state` that `serving` sets to True for a proven API server."""

BODY_IS_WHOLE: Final = "landwaiter.body_is_whole"
"""The key in the ASGI scope that `serving` sets to True once all of the body has arrived."""

MEBIBYTE: Final = 1024 * 1024

OVERLOADED_RETRY_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """
    What one request, and all of them together, may take.

    `body_bytes`: the API server takes request bodies of at most 3 MiB (k8s.io/apiserver v0.36,
    pkg/server/config.go, MaxRequestBodyBytes), so an UPDATE brings two objects of at most 3 MiB;
    the rest of a review, the requester and the options, is far below 1 MiB: 7 MiB.

    `body_seconds`: 3 Mbit/s bring 7 MiB within 20 s; the API server is nearer than that, and its
    own timeout is 30 s at most.

    `requests`: how many may be judged at once. One that waits for a registry holds about 32 kB
    (measured, a Pod of 3 containers), and a rollout of 500 Pods must find room four times over.
    Those whose body is still arriving do not count, or slow senders could use the places up.

    `bytes_held`: bodies that are being read, of all requests together: nine of the largest, or
    ten thousand of the usual 6 kB. A body is freed when it has been decoded.
    """

    body_bytes: int = 7 * MEBIBYTE
    body_seconds: float = 20.0
    requests: int = 2000
    bytes_held: int = 64 * MEBIBYTE


class _Refusal(Exception):
    """A request that ends before there is a review; never leaves this module."""

    def __init__(self, status: HTTPStatus, label: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.label = label


class Gate:
    """Bounds and decodes requests, and hands them to the handler. Counts what is under way."""

    def __init__(self, *, handler: Handler, limits: RequestLimits, metrics: Metrics) -> None:
        self._handler = handler
        self._limits = limits
        self._metrics = metrics
        self._requests = 0
        self._bytes_held = 0
        metrics.watch(requests=lambda: self._requests, body_bytes=lambda: self._bytes_held)

    async def answer(self, scope: Scope, receive: Receive, send: Send, side: Side) -> None:
        """Answer one HTTP request."""
        try:
            body = await self._answer(scope, receive, side)
        except _Refusal as refusal:
            await self._refuse(send, refusal)
        else:
            await _send(send, HTTPStatus.OK, b"application/json", body)

    async def _answer(self, scope: Scope, receive: Receive, side: Side) -> bytes:
        arrived = time.monotonic()
        self._check_head(scope)
        try:
            deadline = answer_by(arrived, _timeouts(scope["query_string"]))
        except InvalidReview as problem:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "timeout parameter", str(problem)) from problem
        is_api_server = scope.get("state", {}).get(CALLER_IS_API_SERVER) is True
        call = Call(side, arrived, deadline, is_api_server=is_api_server)
        try:
            review = decode(await self._body(scope, receive))
        except InvalidReview as problem:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "not a review", str(problem)) from problem
        if self._requests >= self._limits.requests:
            raise _overloaded()
        answering = self._handler.answer(review, call)
        # The handler lets go of the objects in the review before it waits, and so must this frame.
        del review
        self._requests += 1
        try:
            return (await answering).to_json()
        finally:
            self._requests -= 1

    def _check_head(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        content_type = headers.get(b"content-type", b"")
        if content_type.partition(b";")[0].strip().lower() != b"application/json":
            text = f"Content-Type: seen {_quoted(content_type)}, wanted application/json"
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content type", text)
        encoding = headers.get(b"content-encoding", b"identity")
        if encoding.lower() != b"identity":
            text = f"Content-Encoding: seen {_quoted(encoding)}, wanted none"
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content type", text)
        # The HTTP parser has refused anything but digits here.
        if int(headers.get(b"content-length", b"0")) > self._limits.body_bytes:
            raise self._too_large()

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body; one that is there as a whole needs no timer, as most are."""
        if scope.get(BODY_IS_WHOLE) is True:
            return await self._received(receive)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._received(receive)
        except TimeoutError as late:
            text = f"the body did not arrive within {self._limits.body_seconds:g} s"
            raise _Refusal(HTTPStatus.REQUEST_TIMEOUT, "too slow", text) from late

    async def _received(self, receive: Receive) -> bytes:
        """Return the body. What is held of it counts towards the bytes of all requests."""
        chunks: list[bytes] = []
        held = 0
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Refusal(HTTPStatus.BAD_REQUEST, "not a review", "body ended early")
                chunk: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                held += len(chunk)
                self._bytes_held += len(chunk)
                self._check_size(held)
                chunks.append(chunk)
        finally:
            self._bytes_held -= held
        return b"".join(chunks)

    def _check_size(self, held: int) -> None:
        if held > self._limits.body_bytes:
            raise self._too_large()
        if self._bytes_held > self._limits.bytes_held:
            raise _overloaded()

    def _too_large(self) -> _Refusal:
        text = f"the body has more than {self._limits.body_bytes} bytes"
        return _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large", text)

    async def _refuse(self, send: Send, refusal: _Refusal) -> None:
        self._metrics.http_refused(refusal.label)
        # The rest of a body that nobody wants is not read: the connection ends with the answer.
        headers = [(b"connection", b"close")]
        if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", str(OVERLOADED_RETRY_SECONDS).encode()))
        body = call_refused(refusal.status, str(refusal))
        await _send(send, refusal.status, b"application/json", body, *headers)


def _overloaded() -> _Refusal:
    text = "too many reviews at once, try again in a moment"
    return _Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", text)


def _quoted(value: bytes) -> str:
    return ascii(value[:60].decode("latin-1"))


@lru_cache(maxsize=64)
def _timeouts(query: bytes) -> tuple[str, ...]:
    """Return the values of `timeout`; an API server sends the same query time and again."""
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    return tuple(values.get("timeout", ()))


async def _send(
    send: Send,
    status: HTTPStatus,
    content_type: bytes,
    body: bytes,
    *headers: tuple[bytes, bytes],
) -> None:
    length = (b"content-length", str(len(body)).encode())
    all_headers = [*headers, length, (b"content-type", content_type)]
    await send({"type": "http.response.start", "status": int(status), "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


class _Endpoint:
    """An ASGI application for one path: of FastAPI, a review needs the routing alone."""

    def __init__(self, gate: Gate, side: Side) -> None:
        self._gate = gate
        self._side = side

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gate.answer(scope, receive, send, self._side)


class AdmissionApp:
    """
    The ASGI application of the admission port: two paths, and no page about itself.

    A review goes straight to its path; FastAPI, which would take as long again to find it, answers
    whatever is not a POST to one of them.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._sides = {"/validate": Side.ENFORCE, "/observe": Side.OBSERVE}
        self._others = FastAPI(
            docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
        )
        for path, side in self._sides.items():
            endpoint = _Endpoint(gate, side)
            self._others.router.routes.append(Route(path, endpoint, methods=["POST"]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        side = self._sides.get(scope["path"]) if scope.get("method") == "POST" else None
        if side is None:
            await self._others(scope, receive, send)
        else:
            await self._gate.answer(scope, receive, send, side)


def admission_app(gate: Gate) -> AdmissionApp:
    """Return the application of the admission port."""
    return AdmissionApp(gate)
