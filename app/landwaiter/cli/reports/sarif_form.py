"""
For code scanning: SARIF 2.1.0, one result a finding, at the line of the manifest.

`error` is what refuses or is not decided, `warning` what warns, `note` what is only audited.
Remarks that are no findings are notifications of the run, so that they raise no alerts.
Source: OASIS SARIF 2.1.0 errata 01; docs.github.com, "SARIF support for code scanning" (read
2026-11-23).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from landwaiter import __version__
from landwaiter.admission.message import object_name
from landwaiter.admission.text import visible
from landwaiter.cli.reports.checked import Checked, Entry, Level, entries_of, remarks_of
from landwaiter.policy.judge import NAMESPACE_LABELS
from landwaiter.policy.unmatched import UNMATCHED_IMAGES
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.evaluator import UNREADABLE
from landwaiter.workloads.values import ImagePlace

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVEL_OF: Final[Mapping[Level, str]] = {
    Level.ERROR: "error",
    Level.WARNING: "warning",
    Level.NOTICE: "note",
}
_DESCRIPTIONS: Final[Mapping[str, str]] = {
    **{rule: (each.__doc__ or "").strip().splitlines()[0] for rule, each in CATALOGUE.items()},
    UNREADABLE: "Every image has a name that a container runtime can read.",
    NAMESPACE_LABELS: "The labels of the namespace are known where a policy selects by them.",
    UNMATCHED_IMAGES: "A policy that denies is about every image.",
}


def sarif_report(checked: Sequence[Checked]) -> str:
    """Return the report as one SARIF log with one run."""
    entries = [(each, entry) for each in checked for entry in entries_of(each.verdict)]
    rules = list(dict.fromkeys((*_DESCRIPTIONS, *(entry.rule for _, entry in entries))))
    run = {
        "tool": {
            "driver": {
                "name": "Landwaiter",
                "version": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [n for each in checked for n in _notes(each)],
            }
        ],
        "results": [
            {"ruleIndex": rules.index(entry.rule), **_result(each, entry)}
            for each, entry in entries
        ],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: str) -> dict[str, Any]:
    description = _DESCRIPTIONS.get(rule, f"What a policy says by {rule} can be found out.")
    return {
        "id": rule,
        "shortDescription": {"text": description},
        "fullDescription": {"text": description},
        "help": {"text": f"{description} Each result says what was seen, and how to mend it."},
        "defaultConfiguration": {"level": "error"},
    }


def _result(checked: Checked, entry: Entry) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": entry.rule,
        "level": _LEVEL_OF[entry.level],
        "message": {"text": entry.sentence(checked.workload)},
        "locations": [_location(checked, entry.place)],
        "partialFingerprints": {"imageFinding/v1": _fingerprint(checked, entry)},
        "properties": {"reason": entry.outcome.reason, "policies": list(entry.policies)},
    }
    if entry.exception is not None:
        result["suppressions"] = [{"kind": "external", "justification": entry.lifted_by}]
    return result


def _notes(checked: Checked) -> Iterator[dict[str, Any]]:
    for place, text in remarks_of(checked.verdict):
        location = _location(checked, place)
        yield {"level": "note", "message": {"text": text}, "locations": [location]}


def _location(checked: Checked, place: ImagePlace | None) -> dict[str, Any]:
    """Return where something stands, in the file and in the object."""
    name = object_name(checked.workload)
    line = checked.line if place is None else checked.lines.get(place.path)
    logical = name if place is None else f"{name}: {visible(place.path)}"
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": logical}]}
    if line is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": uri_of(checked.source)},
            "region": {"startLine": line},
        }
    return location


def uri_of(source: str) -> str:
    """Return a file name as a URI reference, relative where the name is."""
    path = PurePosixPath(source)
    return path.as_uri() if path.is_absolute() else quote(source, errors="replace")


def _fingerprint(checked: Checked, entry: Entry) -> str:
    """Return what stays the same when lines move and wordings change."""
    workload = checked.workload
    parts = (
        *(workload.kind, workload.namespace, workload.name),
        *(entry.place.path, entry.place.container, entry.rule, entry.outcome.reason),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
