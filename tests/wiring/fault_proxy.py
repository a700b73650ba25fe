"""A proxy on loopback before a real registry that answers one kind of request with a fault."""

import asyncio
import contextlib
import hashlib
import json
import re
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web

from wiring import fault_table as table

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
LARGE_BYTES: Final = 5 * 1024 * 1024
RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time; closing then resets the connection."""

_DIGEST: Final = re.compile(rb"sha256:[0-9a-f]{64}")


def kind_of(path: str, *, subject: str, blob: str) -> str:
    """
    Return the name that the table has for a request.

    `subject` is the image's digest; what blobs are is told by the format.
    """
    pointer = path.rpartition("/")[2]
    stem = subject.replace(":", "-")
    named = {
        subject: table.SUBJECT,
        stem: table.FALLBACK_TAG,
        f"{stem}.sig": table.SIG_MANIFEST,
        f"{stem}.att": table.ATT_MANIFEST,
    }
    if "/referrers/" in path:
        return table.REFERRERS
    if "/blobs/" in path:
        return blob
    other = table.BUNDLE_MANIFEST if pointer.startswith("sha256:") else table.TAG
    return named.get(pointer, other)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the real registry has answered."""

    status: int
    media_type: str
    digest: str | None
    body: bytes

    def response(self) -> web.Response:
        headers = {"Content-Type": self.media_type}
        if self.digest is not None:
            headers["Docker-Content-Digest"] = self.digest
        return web.Response(status=self.status, body=self.body, headers=headers)


class FaultProxy:
    """
    The proxy; an asynchronous context manager.

    `fault` is one of the table's, or None; it is met by requests for which `is_hit` says so.
    """

    def __init__(
        self,
        upstream: str,
        listener: socket.socket,
        *,
        fault: str | None = None,
        is_hit: Callable[[str], bool] = lambda _: True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.hits = 0
        self.paths: list[str] = []
        self._upstream = upstream
        self._listener = listener
        self._fault = fault
        self._is_hit = is_hit
        self._tls = tls
        self._ended = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False)
        )
        application = web.Application()
        application.router.add_route("GET", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, self._listener.dup(), ssl_context=self._tls).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        await self._stack.aclose()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        truth = await self._asked(request)
        if self._fault is None or not self._is_hit(request.path):
            return truth.response()
        self.hits += 1
        return await self._faulty(request, truth, self._fault)

    async def _asked(self, request: web.Request) -> Answer:
        assert self._client is not None
        accept = {"Accept": request.headers.get("Accept", "*/*")}
        url = f"{self._upstream}{request.path_qs}"
        async with self._client.get(url, headers=accept) as reply:
            headers = reply.headers
            media_type = headers.get("Content-Type", "application/octet-stream")
            digest = headers.get("Docker-Content-Digest")
            return Answer(reply.status, media_type, digest, await reply.read())

    async def _faulty(self, request: web.Request, truth: Answer, fault: str) -> web.StreamResponse:
        match fault:
            case "slow":
                await self._ended.wait()
                return truth.response()
            case "cut":
                return await _cut(request, truth)
            case "reset":
                return _reset(request)
            case "altered" | "no JSON" | "too large":
                return _other(request, truth, fault).response()
        headers = {"Retry-After": "300"} if fault == "429" else {}
        body = json.dumps({"errors": [{"code": "FAULT"}]}).encode()
        return web.Response(status=int(fault), body=body, headers=headers)


def _other(request: web.Request, truth: Answer, fault: str) -> Answer:
    """Return an answer with another content, under its own digest unless it is "altered"."""
    is_list = "/referrers/" in request.path
    if fault == "altered":
        zeros = b"sha256:" + b"0" * 64
        body = _DIGEST.sub(zeros, truth.body) if is_list else truth.body[:-1] + b" "
        return replace(truth, body=body)
    body = b"{" if fault == "no JSON" else b" " * LARGE_BYTES
    media_type = truth.media_type
    if truth.status != HTTPStatus.OK:
        media_type = INDEX_TYPE if is_list else MANIFEST_TYPE
    return Answer(HTTPStatus.OK, media_type, f"sha256:{hashlib.sha256(body).hexdigest()}", body)


async def _cut(request: web.Request, truth: Answer) -> web.StreamResponse:
    body = truth.body or b"{}"
    response = web.StreamResponse(
        status=truth.status,
        headers={"Content-Type": truth.media_type, "Content-Length": str(len(body))},
    )
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


def _reset(request: web.Request) -> web.Response:
    transport = request.transport
    assert transport is not None
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE
    )
    transport.abort()
    return web.Response()
