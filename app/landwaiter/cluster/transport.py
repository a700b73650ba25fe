"""
Requests to the Kubernetes API, by a blocking client in threads of its own.

The event loop's default threads are never used, so that a hanging API server cannot stop name
resolution; every wait in a thread ends by itself.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol, Self
from urllib.parse import quote, urlencode

import urllib3

from landwaiter import __version__
from landwaiter.cluster.api_servers import ApiServer, own_api_server
from landwaiter.cluster.keys import ObjectKey
from landwaiter.cluster.observing import RequestObserver, observed
from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.errors import ClusterUnavailable

THREADS = 8
"""Questions under way at once; a hundredth of what an API server serves at once by default."""

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
"""Each is spent twice at most: the API server may have closed a connection that was kept."""

TOTAL_SECONDS = 8.0
"""How long one answer may take however it trickles in: within what a webhook may take (10 s)."""

ANSWER_MAX_BYTES = 12 * 1024 * 1024
"""
More than any object can have: etcd takes none of over 1.5 MiB, and JSON writes some characters as
six. Whoever may write a ServiceAccount could otherwise make it unreadable, which is undecided, and
under failurePolicy Ignore an admission.
"""

LINE_MAX_BYTES = 2 * ANSWER_MAX_BYTES
"""One event of a watch, which holds one object."""

WATCHES = 9
"""Connections kept besides those of the threads: one for each resource that is watched."""

CLOCKS_AGREE_SECONDS = 5.0
"""Less than this is the way of the answer, and the rounding of its time to whole seconds."""

_CHUNK_BYTES = 65_536
_RETRIES: Final = urllib3.Retry(total=1, redirect=0, allowed_methods=frozenset({"GET"}))


class AnswerTooLarge(ClusterUnavailable):
    """An answer has more than `ANSWER_MAX_BYTES`; a list can be asked for in smaller pages."""


class AccessRefused(ClusterUnavailable):
    """The API server does not let us ask this; asking again changes nothing."""


class Transport(Protocol):
    """Whatever fetches single objects."""

    async def get(self, key: ObjectKey) -> bytes | None:
        """
        Return the object as JSON, None where there is none.

        Takes a bounded time. Raises `ClusterUnavailable`.
        """
        ...

    def close(self) -> None:
        """Let go of threads and connections."""
        ...


class ApiTransport:
    """Asks a Kubernetes API server."""

    def __init__(self, server: ApiServer, *, observer: RequestObserver | None = None) -> None:
        self._observer = observer
        self._server = server
        self._epoch: float | None = None  # The API server's time at our monotonic clock's 0.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kubernetes")

    @classmethod
    def connect(
        cls,
        kubeconfig: Path | None = None,
        *,
        context: str | None = None,
        observer: RequestObserver | None = None,
    ) -> Self:
        """
        Return a transport to the cluster of a kubeconfig, or without one to our own.

        `context` is one of the kubeconfig, None for the current one. Raises `ClusterUnavailable`
        when the configuration cannot be used.
        """
        connections = THREADS + WATCHES
        if kubeconfig is None:
            return cls(own_api_server(connections=connections), observer=observer)
        from landwaiter.cluster.kubeconfig import (  # noqa: PLC0415  # Not needed in a Pod.
            api_server_of,
        )

        server = api_server_of(kubeconfig, context, connections=connections)
        return cls(server, observer=observer)

    async def get(self, key: ObjectKey) -> bytes | None:
        """Return the object as JSON, None where there is none. Raises `ClusterUnavailable`."""
        path = key.resource.value.format(namespace=key.namespace, name=key.name)
        request = ApiRequest("GET", path, str(key), "get", key.resource.plural)
        answer = await self.send(request)
        if answer.status == HTTPStatus.OK:
            return answer.content
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        refused = answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        raise (AccessRefused if refused else ClusterUnavailable)(refusal(request, answer.status))

    async def send(self, request: ApiRequest) -> ApiAnswer:
        """
        Return the answer to a request, whatever its status.

        Takes a bounded time. Raises `ClusterUnavailable` when there was no answer; a request that
        writes may have been carried out then.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.send_blocking, request)

    @contextmanager
    def stream(self, request: ApiRequest, *, read_seconds: float) -> Iterator["Stream"]:
        """
        Give the answer line by line, in the calling thread; the connection ends with the context.

        `read_seconds` is how long the next bytes may take. Raises `ClusterUnavailable`.
        """
        with _named(request):
            response = self._open(request, read_seconds)
        try:
            yield Stream(request, response)
        finally:
            response.close()

    def close(self) -> None:
        """Let go of the threads, which end by themselves, and of the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._server.connections.clear()

    def send_blocking(self, request: ApiRequest) -> ApiAnswer:
        """Do as `send` does, in the calling thread."""
        with observed(request, self._observer) as seen:
            answer = self._answer(request, time.monotonic() + TOTAL_SECONDS)
            seen.status = answer.status
            return answer

    def _answer(self, request: ApiRequest, ends_at: float) -> ApiAnswer:
        with _named(request):
            response = self._open(request, READ_SECONDS)
            self._note_time(response.headers.get("Date"))
            try:
                content = _body(response, request, ends_at)
            except BaseException:
                response.close()
                raise
            response.release_conn()
            return ApiAnswer(response.status, content)

    def server_time(self) -> float:
        """
        Return the API server's time, in seconds since the epoch, as its last answer told it.

        It goes on from there by a clock that does not leap. It is our own time where there was no
        answer, and at an answer that has about the same.
        """
        epoch = self._epoch
        return time.time() if epoch is None else epoch + time.monotonic()

    def _note_time(self, date: str | None) -> None:
        now = time.time()
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        agreed = now if abs(told - now) <= CLOCKS_AGREE_SECONDS else told
        self._epoch = agreed - time.monotonic()

    def _open(self, request: ApiRequest, read_seconds: float) -> urllib3.BaseHTTPResponse:
        url = f"{self._server.url}{request.path}"
        if request.query:
            url += f"?{urlencode(request.query, quote_via=quote)}"
        return self._server.connections.urlopen(
            request.method,
            url,
            headers=self._headers(request),
            body=None if request.body is None else json.dumps(request.body),
            retries=_RETRIES,
            redirect=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
            preload_content=False,
        )

    def _headers(self, request: ApiRequest) -> dict[str, str]:
        # The API server notes the part before the slash as who has written a field.
        headers = {"Accept": "application/json", "User-Agent": f"landwaiter/{__version__}"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if (shown := self._server.authorization()) is not None:
            headers["Authorization"] = shown
        return headers


class Stream:
    """
    An answer that is read line by line while it is written; `shutdown` ends it from outside.

    Used in one thread, but for `shutdown`.
    """

    def __init__(self, request: ApiRequest, response: urllib3.BaseHTTPResponse) -> None:
        self._request = request
        self._response = response

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self._response.status

    def lines(self) -> Iterator[bytes]:
        """Yield lines until the server ends the answer. Raises `ClusterUnavailable`."""
        rest = bytearray()
        with _named(self._request):
            while chunk := self._response.read1(_CHUNK_BYTES):
                rest += chunk
                *whole, last = rest.split(b"\n")
                rest = bytearray(last)
                if len(rest) > LINE_MAX_BYTES:
                    raise ClusterUnavailable(f"{self._request.what}: a line is too long")
                yield from (bytes(line) for line in whole if line)
        if rest:
            yield bytes(rest)

    def shutdown(self) -> None:
        """End the reading of another thread at once."""
        self._response.shutdown()


@contextmanager
def _named(request: ApiRequest) -> Iterator[None]:
    """Turn what the client raises into a fault that names the request, and no address."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as cause:
        reason = getattr(cause, "reason", None)
        fault = type(reason if isinstance(reason, Exception) else cause).__name__
        raise ClusterUnavailable(
            f"{_undone(request)}: the Kubernetes API did not answer ({fault})"
        ) from cause


def _body(response: urllib3.BaseHTTPResponse, request: ApiRequest, ends_at: float) -> bytes:
    content = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        content += chunk
        if len(content) > ANSWER_MAX_BYTES:
            raise AnswerTooLarge(f"{request.what} has over {ANSWER_MAX_BYTES} bytes")
        if time.monotonic() > ends_at:
            raise ClusterUnavailable(f"{request.what} took over {TOTAL_SECONDS:g} s to read")
    return bytes(content)


def refusal(request: ApiRequest, status: int) -> str:
    """Return a sentence on an answer that is neither what was asked for nor its absence."""
    if status == HTTPStatus.FORBIDDEN:
        return (
            f"Landwaiter may not {_doing(request)} {request.what}: its ServiceAccount needs the "
            f'verb "{request.verb}" on "{request.resource}"'
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return f"{_undone(request)}: the Kubernetes API does not accept our credentials"
    return f"{_undone(request)}: the Kubernetes API answered {status}"


def _doing(request: ApiRequest) -> str:
    return "read" if request.method == "GET" else "write"


def _undone(request: ApiRequest) -> str:
    return f"{request.what} could not be {'read' if request.method == 'GET' else 'written'}"
