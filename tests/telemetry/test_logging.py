"""What gets into the log, and what cannot."""

import ast
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

import landwaiter
from landwaiter.telemetry.logging import (
    LINE_LIMIT_BYTES,
    LIST_LIMIT_ITEMS,
    LISTED_FIELDS,
    TRACEBACK_LIMIT_CHARS,
    VALUE_LIMIT_CHARS,
    DecisionRecord,
    Fields,
    configure_logging,
    decided,
)

A_RECORD = DecisionRecord(
    uid="u1",
    side="enforce",
    operation="CREATE",
    kind="Pod",
    namespace="shop",
    name="web",
    user="alice",
    dry_run=False,
    decision="deny",
    code=403,
    duration_ms=1.5,
    images=("docker.io/library/nginx:latest",),
    policies=("production-images",),
    violated=("pinnedTags",),
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Send the log to a text, and put back what was before."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    parsed = [json.loads(line) for line in log.getvalue().splitlines()]
    for line in parsed:
        del line["time"]
    return parsed


def test_a_decision_is_one_line(log: io.StringIO) -> None:
    """Each answered review has one line with everything that an auditor asks for."""
    decided(A_RECORD)

    assert [
        {
            "event": "decided",
            "level": "info",
            "uid": "u1",
            "side": "enforce",
            "operation": "CREATE",
            "kind": "Pod",
            "namespace": "shop",
            "name": "web",
            "user": "alice",
            "dry_run": False,
            "decision": "deny",
            "code": 403,
            "duration_ms": 1.5,
            "images": ["docker.io/library/nginx:latest"],
            "policies": ["production-images"],
            "violated": ["pinnedTags"],
        }
    ] == lines(log)


def test_only_listed_fields_are_logged(log: io.StringIO) -> None:
    """A secret under a name that nobody thought of does not get in either."""
    structlog.get_logger().warning(
        "asked", version="1", authorization="Basic c2VjcmV0", hunter2="x", object={"a": 1}
    )

    assert [{"event": "asked", "level": "warning", "version": "1"}] == lines(log)


def test_a_listed_field_takes_plain_values_only(log: io.StringIO) -> None:
    """An object in a listed field is named by its type, since its text could hold anything."""
    structlog.get_logger().info(
        "e",
        error=ValueError("bad"),
        certificate=Path("/a"),
        name={"password": "x"},
        problem=object(),
        expires=None,
        duration_ms=1.5,
        digests=["a", ("b",)],
    )

    assert [
        {
            "event": "e",
            "level": "info",
            "error": "bad",
            "certificate": "/a",
            "name": "(dict, not logged)",
            "problem": "(object, not logged)",
            "expires": None,
            "duration_ms": 1.5,
            "digests": ["a", ["b"]],
        }
    ] == lines(log)


def test_values_are_bounded_and_stay_on_one_line(log: io.StringIO) -> None:
    """Whoever may create a Pod can neither flood the log nor forge a line of it."""
    structlog.get_logger().info(
        "e", name="x" * 10_000, problem='a\n{"event": "forged"}', digests=["d"] * 100
    )

    assert [
        {
            "event": "e",
            "level": "info",
            "name": "x" * VALUE_LIMIT_CHARS + "…",
            "problem": 'a\n{"event": "forged"}',
            "digests": [*["d"] * LIST_LIMIT_ITEMS, "… 80 more"],
        }
    ] == lines(log)


def test_a_traceback_is_logged_in_bounded_size(log: io.StringIO) -> None:
    """The log is the only place where a traceback goes."""
    structlog.get_logger().error("a bug", uid="u", exc_info=RuntimeError("x" * 100_000))
    line = lines(log)[0]
    traceback = line.pop("exception")

    assert ({"event": "a bug", "level": "error", "uid": "u"}, "RuntimeError: x", True) == (
        line,
        traceback[:15],
        len(traceback) <= TRACEBACK_LIMIT_CHARS + 3,
    )


def test_libraries_log_through_the_same_lines(log: io.StringIO) -> None:
    """From WARNING up, from ERROR up where each junk request or attempt would be a line."""
    logging.getLogger("asyncio").info("quiet")
    logging.getLogger("asyncio").warning("slow %s", "callback")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("urllib3.connectionpool").warning("Retrying")
    logging.getLogger("uvicorn.error").error("broken")

    assert [
        {"event": "slow callback", "level": "warning", "logger": "asyncio"},
        {"event": "broken", "level": "error", "logger": "uvicorn.error"},
    ] == lines(log)


def test_the_level_is_heeded(log: io.StringIO) -> None:
    """With WARNING, decisions are not logged."""
    configure_logging(log, "WARNING")
    decided(A_RECORD)
    structlog.get_logger().warning("heard")

    assert [{"event": "heard", "level": "warning"}] == lines(log)


def test_no_line_is_longer_than_container_runtimes_take(log: io.StringIO) -> None:
    """Whatever is in the fields of a decision, its line is one piece of JSON of bounded size."""
    worst = "\x00é\U0001f600" * 4_000
    text: dict[str, Any] = {
        each.name: worst for each in fields(DecisionRecord) if each.type in {"str", str}
    }
    many = (worst,) * 1_000
    lists: dict[str, Any] = dict.fromkeys(
        ("images", "digests", "policies", "violated", "undecided"), many
    )
    verdict = Fields(dict.fromkeys(("path", "policy", "rule", "outcome", "digest"), worst))
    decided(replace(A_RECORD, **text, **lists, problem=worst, verdicts=(verdict,) * 1_000))
    structlog.get_logger().error("a bug", uid=worst, exc_info=RuntimeError(worst))
    sizes = [len(line.encode()) for line in log.getvalue().splitlines()]

    assert (2, True) == (len(sizes), max(sizes) <= LINE_LIMIT_BYTES)
    assert ["decided", "a bug"] == [line["event"] for line in lines(log)]


def test_no_control_character_gets_into_a_line(log: io.StringIO) -> None:
    """Terminals and what parses logs see printable ASCII alone."""
    hostile = "".join(map(chr, range(0x20))) + "\x7f\x9b\u2028\u202e"
    decided(replace(A_RECORD, user=hostile, images=(hostile,), problem=hostile))
    line = log.getvalue().removesuffix("\n")

    assert (True, hostile) == (
        all(" " <= character <= "~" for character in line),
        json.loads(line)["user"],
    )


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    """A closed pipe behind standard error does not become an error of the request."""

    class Broken(io.StringIO):
        def write(self, text: str, /) -> int:
            raise BrokenPipeError

    configure_logging(Broken())

    assert None is decided(A_RECORD)  # type: ignore[func-returns-value]  # It must return.


LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
PACKAGE = Path(landwaiter.__file__).parent


def logged_fields(path: Path) -> set[str]:
    """Return the names of what a module gives to its logger, which is called `_log`."""
    return {
        keyword.arg or "**"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "_log"
        and node.func.attr in LEVELS
        for keyword in node.keywords
    }


def test_every_field_that_is_logged_is_listed() -> None:
    """A field that is not would be left out of its line without a word."""
    logged = {field for path in PACKAGE.rglob("*.py") for field in logged_fields(path)}

    assert (set(), True) == (logged - LISTED_FIELDS - {"exc_info"}, "connections" in logged)
