"""
Logs: one line of JSON an event, on standard error, made of listed fields only.

A field that is not in `LISTED_FIELDS` is left out, whatever it holds: a list of forbidden names
would have to know in advance what a secret is called. Objects, headers, environments and command
lines have no field, and a value that is not plain is named by its type only. Values are bounded,
because most of them are written by whoever may create a Pod.

What libraries log by themselves goes through the same lines, from WARNING up, as `event` text.
"""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import PurePath
from typing import Final, TextIO, cast

import structlog
from pydantic_core import to_json
from structlog.typing import FilteringBoundLogger

VALUE_LIMIT_CHARS = 512
"""Longer text is cut: a reference has at most 255 + 128 + 135 characters besides its registry."""

LIST_LIMIT_ITEMS = 20
"""Longer lists are cut: an object can name hundreds of images."""

TRACEBACK_LIMIT_CHARS = 16_000
"""A traceback of a hundred frames; an exception group can be far longer."""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What is logged about one answered review; every field is one of `LISTED_FIELDS`."""

    uid: str
    side: str
    operation: str
    kind: str
    namespace: str
    name: str
    user: str
    dry_run: bool
    decision: str
    code: int
    duration_ms: float
    images: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    violated: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    problem: str | None = None


LISTED_FIELDS = frozenset(field.name for field in fields(DecisionRecord)) | {
    "address",
    "certificate",
    "common_name",
    "config_map",
    "connections",
    "digest",
    "error",
    "event",
    "exception",
    "expires",
    "level",
    "logger",
    "metrics_port",
    "port",
    "reason",
    "secret",
    "text",
    "resource",
    "time",
    "version",
    "webhook",
}
"""Every field that a log line may have."""


_EMPTY: Final = ((), None)
_TO_JSON: Final = json.JSONEncoder(check_circular=False)
"""Made once: `json.dumps` with other than its default settings makes one for each call."""


class StandardError:
    """
    Writes whole lines to a stream.

    A line that cannot be written is lost: a full disk or a closed pipe behind the log must not
    decide whether an object is admitted.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line."""
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = exception = critical = fatal = failure = msg


class _DecisionLines:
    """
    Writes the lines of decisions, each on its way to an answer, past structlog's processors.

    `sink` is None where nobody has configured logging, or wants no lines of this level.
    """

    event: Final = {"event": "decided", "level": "info"}
    names: Final = tuple(field.name for field in fields(DecisionRecord))
    values: Final = attrgetter(*names)

    def __init__(self) -> None:
        self.sink: StandardError | None = None

    def write(self, record: DecisionRecord) -> None:
        """Write one line, without the fields that the record leaves empty."""
        if self.sink is None:
            return
        line: dict[str, object] = {
            name: value
            if value.__class__ is str and len(value) <= VALUE_LIMIT_CHARS
            else _bounded(value)
            for name, value in zip(self.names, self.values(record), strict=True)
            if value not in _EMPTY
        }
        line.update(self.event)
        line["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        # Three times as fast; what it leaves beyond ASCII is escaped by the other encoder.
        encoded = to_json(line)
        self.sink.msg(encoded.decode() if encoded.isascii() else _TO_JSON.encode(line))


_decision_lines = _DecisionLines()


def configure_logging(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send our events, and those of all libraries from WARNING up, to `stream`."""
    sink = StandardError(stream)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            keep_listed_fields,
            _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    wanted = logging.getLevelNamesMapping()[level] <= logging.INFO
    _decision_lines.sink = sink if wanted else None
    root = logging.getLogger()
    root.handlers = [_Forwarder()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
        library.setLevel(logging.ERROR)
    # Each attempt of an outage would be a line; what came of it is logged by who asked.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def decided(record: DecisionRecord) -> None:
    """Log the line of one decision, without the fields that it leaves empty."""
    _decision_lines.write(record)


def _logger() -> FilteringBoundLogger:
    return cast("FilteringBoundLogger", structlog.get_logger())


def keep_listed_fields(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> Mapping[str, object]:
    """Return the event with its listed fields alone, in their order, each of bounded size."""
    return {
        name: _bounded_traceback(value) if name == "exception" else _bounded(value)
        for name, value in event.items()
        if name in LISTED_FIELDS
    }


def _bounded(value: object) -> object:
    match value:
        case str():
            return value if len(value) <= VALUE_LIMIT_CHARS else value[:VALUE_LIMIT_CHARS] + "…"
        case None | bool() | int() | float():
            return value
        case tuple() | list():
            kept = [_bounded(item) for item in value[:LIST_LIMIT_ITEMS]]
            return kept if len(kept) == len(value) else [*kept, f"… {len(value) - len(kept)} more"]
        case BaseException() | PurePath():
            return _bounded(str(value))
        case _:
            return f"({type(value).__name__}, not logged)"


def _as_json(_logger: object, _method: str, event: Mapping[str, object]) -> str:
    return _TO_JSON.encode(event)


def _bounded_traceback(value: object) -> object:
    text = str(value)
    if len(text) <= TRACEBACK_LIMIT_CHARS:
        return text
    return text[: TRACEBACK_LIMIT_CHARS // 2] + "\n…\n" + text[-TRACEBACK_LIMIT_CHARS // 2 :]


class _Forwarder(logging.Handler):
    """Hands a record of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        _logger().log(
            record.levelno,
            record.getMessage(),
            logger=record.name,
            exc_info=record.exc_info or None,
        )
