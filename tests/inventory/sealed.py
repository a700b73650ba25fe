"""Records, and the objects that keep them, at a time of the tests' choosing."""

from typing import Any

from inventory.verified import a_verification
from landwaiter.inventory.records import Record, content_of
from landwaiter.inventory.sealing import Seal
from landwaiter.inventory.verifications import Success

NOW = 1_764_000_000
HOUR, DAY = 3_600, 86_400
SEAL = Seal(b"k" * 32)


def a_record(name: str = "a", *, when: int = NOW, keep_seconds: int = DAY) -> Record:
    """Return what is kept of an image of that name."""
    return Record.of(Success(a_verification(name), "ci", when), keep_seconds=keep_seconds)


def an_object(
    record: Record | None = None, *, seal: Seal = SEAL, made: str = "2025-11-24T16:00:00Z"
) -> dict[str, Any]:
    """Return the object that keeps a record, as the API server gives it."""
    record = record or a_record()
    content = content_of(record, seal.of(record))
    of_server = {"uid": f"uid-{record.name}", "resourceVersion": "1", "creationTimestamp": made}
    return {**content, "metadata": {**content["metadata"], **of_server}}


def with_fields(content: dict[str, Any], **fields: object) -> dict[str, Any]:
    """Return an object with other fields under the same seal."""
    return {**content, "spec": {**content["spec"], **fields}}
