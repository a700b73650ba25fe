"""What the transport tells whoever counts; wiring hands an observer over."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, Protocol

from landwaiter.cluster.requests import ApiRequest

RequestOutcome = Literal[
    "done", "missing", "conflict", "refused", "throttled", "failed", "unanswered"
]

_OUTCOMES: Final[Mapping[int, RequestOutcome]] = {
    HTTPStatus.UNAUTHORIZED: "refused",
    HTTPStatus.FORBIDDEN: "refused",
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
}


class RequestObserver(Protocol):
    """Is told of requests, in the threads that made them; returns at once and raises nothing."""

    def request_finished(
        self, verb: str, resource: str, outcome: RequestOutcome, *, seconds: float
    ) -> None:
        """Note what came of a request; `resource` is what a Role would name."""
        ...


@dataclass(slots=True)
class SeenAnswer:
    """The status of an answer, None as long as there is none."""

    status: int | None = None


@contextmanager
def observed(request: ApiRequest, observer: RequestObserver | None) -> Iterator[SeenAnswer]:
    """Tell the observer, if there is one, how long the body took and what status it has set."""
    seen, began = SeenAnswer(), time.monotonic()
    try:
        yield seen
    finally:
        if observer is not None:
            seconds = time.monotonic() - began
            outcome = _outcome_of(seen.status)
            observer.request_finished(request.verb, request.resource, outcome, seconds=seconds)


def _outcome_of(status: int | None) -> RequestOutcome:
    if status is None:
        return "unanswered"
    return "done" if status < HTTPStatus.BAD_REQUEST else _OUTCOMES.get(status, "failed")
