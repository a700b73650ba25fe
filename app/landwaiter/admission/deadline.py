"""
When a review must be answered: `?timeout=` of the request, less a margin.

The API server sends the time that is left of the webhook's `timeoutSeconds` as a Go duration and
rounds it up to whole seconds, so up to a second of what it says is already gone
(k8s.io/apiserver v0.36, pkg/admission/plugin/webhook/validating/dispatcher.go). An answer that
comes after its timeout is worth less than an early "not decided yet": under `failurePolicy: Fail`
the person reads "context deadline exceeded" instead of what is going on.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from landwaiter.deadline import Deadline
from landwaiter.errors import InvalidReview

DEFAULT_SECONDS: Final = 10.0
"""The API server's own default for `timeoutSeconds`, taken where a request names none."""

LEAST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 30.0
"""What `timeoutSeconds` may be; anything outside is taken for the nearer end."""

MARGIN_SECONDS: Final = 1.0
"""What rounding up may have added. The way back over the network fits into what it did not."""

LARGEST_MARGIN: Final = 0.5
"""
The margin's largest share of the timeout.

With `timeoutSeconds: 1` nothing would be left to judge in; half of it is enough for all rules
that do not ask outside, and the others answer "not decided yet" (ADR 3).
"""

TEXT_LIMIT_CHARS: Final = 32

_UNIT_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,  # U+00B5, micro sign
    "μs": 1e-6,  # U+03BC, Greek mu: Go takes both.
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}

_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


@lru_cache(maxsize=64)
def seconds_of(duration: str) -> float:
    """
    Return the seconds that a Go duration such as `10s`, `1m30s` or `500ms` stands for.

    Raises `InvalidReview` for everything that Go's `time.ParseDuration` refuses, and for negative
    durations.
    """
    if duration == "0":
        return 0.0
    total = 0.0
    position = 0
    bounded = duration[: TEXT_LIMIT_CHARS + 1]
    while part := _PART.match(bounded, position):
        total += float(part[1]) * _UNIT_SECONDS[part[2]]
        position = part.end()
    if position != len(bounded) or not 0 < len(bounded) <= TEXT_LIMIT_CHARS:
        raise InvalidReview(
            f"?timeout={duration[:TEXT_LIMIT_CHARS]!a}: wanted one Go duration, such as 10s"
        )
    return total


def answer_by(arrival: float, timeouts: Sequence[str]) -> Deadline:
    """
    Return the instant by which a request that arrived at `arrival` must have its answer.

    `arrival` is on the clock of `time.monotonic`; `timeouts` are the values of the query's
    `timeout` parameters. Raises `InvalidReview` when they are no one duration.
    """
    if len(timeouts) > 1:
        raise InvalidReview(f"?timeout= is given {len(timeouts)} times, wanted once")
    asked = seconds_of(timeouts[0]) if timeouts else DEFAULT_SECONDS
    return Deadline(arrival + seconds_to_answer(min(max(asked, LEAST_SECONDS), MOST_SECONDS)))


def seconds_to_answer(timeout_seconds: float) -> float:
    """Return how long an answer may take of what the API server waits."""
    return timeout_seconds - min(MARGIN_SECONDS, timeout_seconds * LARGEST_MARGIN)
