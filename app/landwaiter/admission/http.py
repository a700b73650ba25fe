"""
The routes `POST /validate` and `POST /observe`, and what bounds a request before it is a review.

A 4xx or 5xx from here means that the *call* was wrong or came at a bad moment; the API server then
goes by the webhook's `failurePolicy`. Texts are plain, because the API server shows the text of
such an answer to the person. What is about the object is always HTTP 200 (see `reply`).

Too many requests at once are answered with 503 and `Retry-After`: the API server's client waits
and posts the same review again, up to ten times within the webhook's timeout, so that a burst is
not needlessly refused under `failurePolicy: Fail` (k8s.io/client-go v0.36, rest/with_retry.go).
"""

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from landwaiter.admission.deadline import answer_by
from landwaiter.admission.handler import Call, Handler
from landwaiter.admission.review import decode
from landwaiter.errors import InvalidReview
from landwaiter.policy.case import Side
from landwaiter.telemetry.metrics import Metrics

CALLER_IS_API_SERVER: Final = "landwaiter.caller_is_api_server"
"""The key in the ASGI scope's `state` that `serving` sets to True for a proven API server."""

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

    `requests`: how many may be read or judged at once. One waiting for a registry holds about
    20 kB, and a rollout of 500 Pods must find room four times over.

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

    async def answer(self, request: Request, side: Side) -> Response:
        """Return the answer to one HTTP request."""
        if self._requests >= self._limits.requests:
            return self._refused(_overloaded())
        self._requests += 1
        self._metrics.in_flight(self._requests)
        try:
            return await self._answer(request, side)
        except _Refusal as refusal:
            return self._refused(refusal)
        finally:
            self._requests -= 1
            self._metrics.in_flight(self._requests)

    async def _answer(self, request: Request, side: Side) -> Response:
        arrived = time.monotonic()
        self._check_head(request)
        try:
            deadline = answer_by(arrived, request.query_params.getlist("timeout"))
        except InvalidReview as problem:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "timeout parameter", str(problem)) from problem
        is_api_server = request.scope.get("state", {}).get(CALLER_IS_API_SERVER) is True
        call = Call(side, arrived, deadline, is_api_server=is_api_server)
        body = await self._body(request)
        try:
            review = decode(body)
        except InvalidReview as problem:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "not a review", str(problem)) from problem
        del body
        coroutine = self._handler.answer(review, call)
        # The handler lets go of the objects in the review before it waits, and so must this frame.
        del review
        reply = await coroutine
        return Response(reply.to_json(), media_type="application/json")

    def _check_head(self, request: Request) -> None:
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            text = f"Content-Type: seen {content_type[:60]!a}, wanted application/json"
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content type", text)
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            text = f"Content-Encoding: seen {encoding[:60]!a}, wanted none"
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content type", text)
        # The HTTP parser has refused anything but digits here.
        if int(request.headers.get("content-length", "0")) > self._limits.body_bytes:
            raise self._too_large()

    async def _body(self, request: Request) -> bytes:
        """Return the body. What is held of it counts towards the bytes of all requests."""
        chunks: list[bytes] = []
        held = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    held += len(chunk)
                    self._hold(len(chunk))
                    if held > self._limits.body_bytes:
                        raise self._too_large()
                    if self._bytes_held > self._limits.bytes_held:
                        raise _overloaded()
                    chunks.append(chunk)
        except TimeoutError as late:
            text = f"the body did not arrive within {self._limits.body_seconds:g} s"
            raise _Refusal(HTTPStatus.REQUEST_TIMEOUT, "too slow", text) from late
        except ClientDisconnect as gone:
            text = "the body ended early"
            raise _Refusal(HTTPStatus.BAD_REQUEST, "not a review", text) from gone
        finally:
            self._hold(-held)
        return b"".join(chunks)

    def _hold(self, count: int) -> None:
        self._bytes_held += count
        self._metrics.body_bytes_held(self._bytes_held)

    def _too_large(self) -> _Refusal:
        text = f"the body has more than {self._limits.body_bytes} bytes"
        return _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large", text)

    def _refused(self, refusal: _Refusal) -> Response:
        self._metrics.http_refused(refusal.label)
        # The rest of a body that nobody wants is not read: the connection ends with the answer.
        headers = {"Connection": "close"}
        if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = str(OVERLOADED_RETRY_SECONDS)
        return PlainTextResponse(f"{refusal}\n", refusal.status, headers=headers)


def _overloaded() -> _Refusal:
    text = "too many reviews at once, try again in a moment"
    return _Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", text)


def admission_app(gate: Gate) -> FastAPI:
    """Return the application of the admission port: two routes, and no page about itself."""

    async def validate(request: Request) -> Response:
        return await gate.answer(request, Side.ENFORCE)

    async def observe(request: Request) -> Response:
        return await gate.answer(request, Side.OBSERVE)

    router = APIRouter(redirect_slashes=False)
    router.add_route("/validate", validate, methods=["POST"])
    router.add_route("/observe", observe, methods=["POST"])
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(router)
    return app
