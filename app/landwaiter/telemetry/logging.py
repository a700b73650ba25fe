"""
Logs: one line of JSON an event, on standard error, made of listed fields only.

A field that is not in `LISTED_FIELDS` is left out, whatever it holds: a list of forbidden names
would have to know in advance what a secret is called. Objects, headers, environments and command
lines have no field, and a value that is not plain is named by its type only. Values are bounded,
and so is the whole line, because most of them are written by whoever may create a Pod. Everything
but printable ASCII is escaped as JSON does.

What libraries log by themselves goes through the same lines, from WARNING up, as `event` text.
"""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import PurePath
from typing import Final, TextIO, cast

import structlog
from pydantic_core import to_json
from structlog.typing import FilteringBoundLogger

from landwaiter.telemetry.lines import LineWriter

VALUE_LIMIT_CHARS = 512
"""Longer text is cut: a reference has at most 255 + 128 + 135 characters besides its registry."""

LIST_LIMIT_ITEMS = 20
"""Longer lists are cut: an object can name hundreds of images."""

TRACEBACK_LIMIT_CHARS = 8_000
"""A traceback of fifty frames; an exception group can be far longer."""

LINE_LIMIT_BYTES = 16_000
"""Container runtimes cut lines at 16 KiB, and half a line is no JSON."""


class Fields(dict[str, object]):
    """A value that has fields of its own, all of them listed in the code that makes it."""


@dataclass(slots=True)
class DecisionRecord:
    """
    What is logged about one answered review; every field is one of `LISTED_FIELDS`.

    It is written and gone, and not frozen: one is made for every answer, and a frozen one takes
    several times as long to make.
    """

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
    waited_ms: Fields = field(default_factory=Fields)
    images: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    violated: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    verdicts: tuple[Fields, ...] = ()
    problem: str | None = None


LISTED_FIELDS = frozenset(field.name for field in fields(DecisionRecord)) | {
    "address",
    "asked",
    "certificate",
    "common_name",
    "config_map",
    "connections",
    "cores",
    "digest",
    "error",
    "event",
    "exception",
    "expires",
    "level",
    "logger",
    "memory_limit_mib",
    "metrics_port",
    "needed_mib",
    "port",
    "reason",
    "runs",
    "runs_with_room",
    "secret",
    "text",
    "resource",
    "time",
    "version",
    "webhook",
}
"""Every field that a log line may have."""


_PLAIN: Final = frozenset({bool, float, int})
_TO_JSON: Final = json.JSONEncoder(check_circular=False)
"""Made once: `json.dumps` with other than its default settings makes one for each call."""


class _DecisionLines:
    """
    Writes the lines of decisions, each on its way to an answer, past structlog's processors.

    `sink` is None where nobody has configured logging, or wants no lines of this level.
    """

    event: Final = {"event": "decided", "level": "info"}
    names: Final = tuple(field.name for field in fields(DecisionRecord))
    values: Final = attrgetter(*names)

    def __init__(self) -> None:
        self.sink: LineWriter | None = None

    def write(self, record: DecisionRecord) -> None:
        """Write one line, without the fields that the record leaves empty."""
        if self.sink is None:
            return
        # A loop over exact types: this is the longest piece of Python in a decision from memory.
        line: dict[str, object] = {}
        whole: dict[str, object] = {}
        for name, value in zip(self.names, self.values(record), strict=True):
            kind = value.__class__
            if kind in _PLAIN or (kind is str and len(value) <= VALUE_LIMIT_CHARS):
                line[name] = value
            elif value or kind is str:
                line[name], whole[name] = _LIMITS[0].of(value), value
        line.update(self.event)
        line["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        # Three times as fast; what it leaves beyond ASCII is escaped by the other encoder.
        encoded = to_json(line)
        is_short = encoded.isascii() and len(encoded) <= LINE_LIMIT_BYTES
        self.sink.msg(encoded.decode() if is_short else _as_json(None, "", {**line, **whole}))


_decision_lines = _DecisionLines()


def configure_logging(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send our events, and those of all libraries from WARNING up, to `stream`."""
    sink = LineWriter(stream)
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
    """Return the event with its listed fields alone, in their order."""
    return {name: value for name, value in event.items() if name in LISTED_FIELDS}


@dataclass(frozen=True, slots=True)
class _Limits:
    """How much of values is kept."""

    chars: int
    items: int
    traceback_chars: int = TRACEBACK_LIMIT_CHARS

    def of(self, value: object) -> object:
        """Return as much of a value as is kept; what is not plain is named by its type."""
        match value:
            case str():
                return value if len(value) <= self.chars else value[: self.chars] + "…"
            case None | bool() | int() | float():
                return value
            case tuple() | list():
                kept = [
                    item if item.__class__ is str and len(item) <= self.chars else self.of(item)
                    for item in value[: self.items]
                ]
                more = len(value) - len(kept)
                return [*kept, f"… {more} more"] if more else kept
            case Fields():
                return {name: self.of(each) for name, each in value.items()}
            case BaseException() | PurePath():
                return self.of(str(value))
            case _:
                return f"({type(value).__name__}, not logged)"

    def of_traceback(self, value: object) -> object:
        """Return the beginning and the end of a traceback."""
        text, half = str(value), self.traceback_chars // 2
        return text if len(text) <= 2 * half else text[:half] + "\n…\n" + text[-half:]


_LIMITS: Final = (
    _Limits(VALUE_LIMIT_CHARS, LIST_LIMIT_ITEMS),
    _Limits(160, 8, 2_000),
    _Limits(40, 2, 1_000),
)
"""Each is tried until the line is short enough; the last one always is."""


def _as_json(_logger: object, _method: str, event: Mapping[str, object]) -> str:
    line = ""
    for limits in _LIMITS:
        kept = {
            name: limits.of_traceback(value) if name == "exception" else limits.of(value)
            for name, value in event.items()
        }
        line = _TO_JSON.encode(kept)
        if len(line) <= LINE_LIMIT_BYTES:
            break
    return line


class _Forwarder(logging.Handler):
    """Hands a record of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        _logger().log(
            record.levelno,
            record.getMessage(),
            logger=record.name,
            exc_info=record.exc_info or None,
        )
