"""
The thread that keeps up with one resource, and tells what it hears.

1. List page by page, and hand over all values at once.
2. Watch from the version of the list. The server is asked to end the watch after some minutes,
   so that every connection is a fresh one now and then, and to send bookmarks: a connection over
   which nothing comes for `SILENCE_SECONDS` is dead, whatever TCP says.
3. A watch that ends is taken up where it ended. Where its version is gone (410), list again.
4. After any fault wait, a random time that doubles up to `BACK_OFF_MAX_SECONDS`, and go on.

Source: kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes"
(read 2026-11-24).
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Generic, NoReturn, Protocol, TypeAlias, TypeVar, cast

import structlog
import tenacity
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.listing import Content, Listing
from landwaiter.cluster.requests import ApiAnswer, ApiRequest, ApiResource
from landwaiter.cluster.transport import AnswerTooLarge, Stream, refusal
from landwaiter.errors import ClusterUnavailable

SILENCE_SECONDS: Final = 90.0
"""An API server sends a bookmark about every minute."""

WATCH_MIN_SECONDS: Final = 240
WATCH_MAX_SECONDS: Final = 480
"""When the server is to end a watch; the spread keeps replicas from asking all at once."""

SHORTEST_SECONDS: Final = 1.0
"""A watch that ends sooner counts as a fault: a server that always ends them is not hurried."""

BACK_OFF_SECONDS: Final = 0.25
BACK_OFF_MAX_SECONDS: Final = 10.0

_log = cast("FilteringBoundLogger", structlog.get_logger())

ObjectName: TypeAlias = tuple[str, str]
"""Namespace and name; the namespace of what is in none is empty."""

ValueT = TypeVar("ValueT")


class WatchSource(Protocol):
    """Whatever asks and streams in the calling thread; every wait in it is bounded."""

    def send_blocking(self, request: ApiRequest) -> ApiAnswer:
        """Return the answer to a request. Raises `ClusterUnavailable`."""
        ...

    def stream(self, request: ApiRequest, *, read_seconds: float) -> AbstractContextManager[Stream]:
        """Give the answer line by line. Raises `ClusterUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Watched(Generic[ValueT]):
    """
    What to keep up with, and what to keep of it.

    `decode` is called in the watch's thread. An object for which it returns None is left out, as
    if it were not there, and so is one for which it raises `ValueError`, which is logged: what is
    missing has to be asked for by name. With `name` only the object of that name is watched, for
    which a right to that one object is enough.
    """

    resource: ApiResource
    decode: Callable[[Content], ValueT | None]
    namespace: str = ""
    name: str = ""

    @property
    def fields(self) -> str:
        """The field selector, as kubectl writes it; empty for all objects."""
        return f"metadata.name={self.name}" if self.name else ""


@dataclass(frozen=True, slots=True)
class Listed(Generic[ValueT]):
    """All there is."""

    values: Mapping[ObjectName, ValueT]


@dataclass(frozen=True, slots=True)
class Stands(Generic[ValueT]):
    """One object that is new or has changed."""

    name: ObjectName
    value: ValueT


@dataclass(frozen=True, slots=True)
class Gone:
    """One object that is not there any more, or cannot be understood."""

    name: ObjectName


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing has changed, and the connection works."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The API server does not let us list or watch, which will not change by itself."""


News: TypeAlias = Listed[ValueT] | Stands[ValueT] | Gone | Alive | Refused


class Follower(Generic[ValueT]):
    """The thread of one watch, and the state that only this thread touches."""

    def __init__(
        self,
        source: WatchSource,
        watched: Watched[ValueT],
        tell: Callable[[News[ValueT]], None],
    ) -> None:
        self._source = source
        self._watched = watched
        self._tell = tell
        self._version: str | None = None
        self._fault = ""
        self._stopping = threading.Event()
        self._stream_lock = threading.Lock()
        self._stream: Stream | None = None
        name = f"watch {watched.resource}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, or leave it to the timeout of its one request; it is a daemon."""
        self._stopping.set()
        with self._stream_lock:
            if self._stream is not None:
                self._stream.shutdown()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            retrying = tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(ClusterUnavailable),
                wait=tenacity.wait_random_exponential(BACK_OFF_SECONDS, BACK_OFF_MAX_SECONDS),
                stop=tenacity.stop_when_event_set(self._stopping),
                sleep=tenacity.sleep_using_event(self._stopping),
                before_sleep=self._log_fault,
            )
            try:
                retrying(self._round)
            except tenacity.RetryError:
                return

    def _log_fault(self, state: tenacity.RetryCallState) -> None:
        """Log each kind of fault once, until all is well again: an outage can take hours."""
        fault = str(state.outcome.exception()) if state.outcome is not None else ""
        if fault != self._fault:
            self._fault = fault
            _log.warning("watch interrupted", resource=str(self._watched.resource), error=fault)

    def _round(self) -> None:
        """List where that is needed, then watch once; returning resets the back-off."""
        if self._version is None:
            self._version = self._list()
        began = time.monotonic()
        self._follow()
        if time.monotonic() - began < SHORTEST_SECONDS and not self._stopping.is_set():
            raise ClusterUnavailable(f"the watch of {self._watched.resource} ended at once")

    def _list(self) -> str:
        values: dict[ObjectName, ValueT] = {}
        it = self._watched
        listing = Listing(it.resource, namespace=it.namespace, fields=it.fields)
        while not listing.is_done:
            try:
                answer = self._source.send_blocking(listing.request)
            except AnswerTooLarge:
                if not listing.halve():
                    raise
                continue
            if answer.status == HTTPStatus.FORBIDDEN:
                self._tell(Refused())
            for content in listing.take(answer):
                if (decoded := self._decoded(content)) is not None:
                    values[decoded.name] = decoded.value
        self._fault = ""
        self._tell(Listed(values))
        return listing.resource_version

    def _follow(self) -> None:
        seconds = random.randint(WATCH_MIN_SECONDS, WATCH_MAX_SECONDS)  # noqa: S311  # No secret.
        query = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version or ""),
            ("timeoutSeconds", str(seconds)),
        ]
        resource, fields = self._watched.resource, self._watched.fields
        query += [("fieldSelector", fields)] if fields else []
        request = ApiRequest(
            "GET",
            resource.path(self._watched.namespace),
            f"the watch of {resource}",
            "watch",
            str(resource),
            tuple(query),
        )
        with self._source.stream(request, read_seconds=SILENCE_SECONDS) as stream:
            if stream.status == HTTPStatus.GONE:
                self._expire()
            if stream.status != HTTPStatus.OK:
                raise ClusterUnavailable(refusal(request, stream.status))
            with self._stoppable(stream):
                for line in stream.lines():
                    self._take(line)

    @contextmanager
    def _stoppable(self, stream: Stream) -> Iterator[None]:
        """Let `stop` reach the stream that is being read."""
        with self._stream_lock:
            self._stream = stream
            if self._stopping.is_set():
                stream.shutdown()
        try:
            yield
        finally:
            with self._stream_lock:
                self._stream = None

    def _expire(self) -> NoReturn:
        """Begin with a new list next time; the back-off keeps a server that always says so."""
        self._version = None
        raise ClusterUnavailable(f"the watch of {self._watched.resource} is too far behind")

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind, content = event["type"], event["object"]
            version = content.get("metadata", {}).get("resourceVersion")
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as cause:
            what = f"the watch of {self._watched.resource}"
            raise ClusterUnavailable(f"{what} cannot be understood: no event") from cause
        if kind == "ERROR":
            self._take_error(content)
            return
        if kind == "BOOKMARK":
            self._tell(Alive())
        elif kind == "DELETED":
            self._tell(Gone(_name_of(content)))
        elif (decoded := self._decoded(content)) is not None:
            self._tell(decoded)
        else:
            self._tell(Gone(_name_of(content)))
        self._fault = ""
        if isinstance(version, str) and version:
            self._version = version

    def _take_error(self, status: Content) -> None:
        if status.get("code") == HTTPStatus.GONE:
            self._expire()
        raise ClusterUnavailable(
            f"the watch of {self._watched.resource} was ended: {status.get('reason')!s:.100}"
        )

    def _decoded(self, content: Content) -> Stands[ValueT] | None:
        name = _name_of(content)
        try:
            value = self._watched.decode(content)
        except ValueError as problem:
            _log.warning(
                "an object cannot be understood",
                resource=str(self._watched.resource),
                namespace=name[0],
                name=name[1],
                error=str(problem),
            )
            return None
        return None if value is None else Stands(name, value)


def _name_of(content: Content) -> ObjectName:
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        return "", ""
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))
