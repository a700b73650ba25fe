"""A `WatchSource` in memory: for each resource what a list says, and events that follow it."""

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from landwaiter.cluster.following import WatchSource
from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.cluster.transport import Stream
from landwaiter.errors import ClusterUnavailable

WAIT_SECONDS = 10


@dataclass
class _Stream:
    status: int
    given: "queue.SimpleQueue[bytes | None]"

    def lines(self) -> Iterator[bytes]:
        while (line := self.given.get(timeout=WAIT_SECONDS)) is not None:
            yield line

    def shutdown(self) -> None:
        self.given.put(None)


@dataclass
class Resource:
    """What there is of one resource; `status` is that of lists and watches."""

    items: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    events: "queue.SimpleQueue[bytes | None]" = field(default_factory=queue.SimpleQueue)

    def say(self, kind: str, content: dict[str, Any]) -> None:
        self.events.put(json.dumps({"type": kind, "object": content}).encode())


@dataclass
class FakeSource:
    """Resources by the last segment of their path; one that is not there is not answered for."""

    resources: dict[str, Resource]

    def _resource(self, request: ApiRequest) -> Resource:
        found = self.resources.get(request.path.rpartition("/")[2])
        if found is None:
            raise ClusterUnavailable("the API server is down")
        return found

    def send_blocking(self, request: ApiRequest) -> ApiAnswer:
        found = self._resource(request)
        body = {"metadata": {"resourceVersion": "1"}, "items": found.items}
        return ApiAnswer(found.status, json.dumps(body).encode())

    @contextmanager
    def stream(self, request: ApiRequest, *, read_seconds: float) -> Iterator[Stream]:
        assert read_seconds > 0
        found = self._resource(request)
        yield cast("Stream", _Stream(found.status, found.events))


def _protocol_holds() -> WatchSource:
    """Let mypy say when the fake and its Protocol part ways."""
    return FakeSource({})
