"""
For programs: a JSON list with one entry an object.

The form is stable: keys are added, and none is taken away or given another meaning.
"""

import json
from collections.abc import Sequence
from typing import Any

from landwaiter.admission.remarks import warnings_of
from landwaiter.cli.reports.checked import Checked, judged_uses
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import Finding, GrantedException, UseVerdict
from landwaiter.workloads.values import UnreadableUse


def json_report(checked: Sequence[Checked]) -> str:
    """Return a JSON list with one entry an object."""
    return json.dumps([_json(each) for each in checked], indent=2, ensure_ascii=False) + "\n"


def _json(checked: Checked) -> dict[str, Any]:
    workload = checked.workload
    return {
        "source": checked.source,
        "line": checked.line,
        "kind": workload.kind,
        "namespace": workload.namespace,
        "name": workload.name,
        "alike": dict(checked.alike),
        "decision": checked.verdict.decision.value,
        "images": [_image(checked, judged) for judged in judged_uses(checked)],
        "warnings": list(warnings_of(checked.verdict)),
    }


def _image(checked: Checked, judged: UseVerdict) -> dict[str, Any]:
    use = judged.use
    told = [finding for finding in judged.findings if finding.exception is None]
    readable = None if isinstance(use, UnreadableUse) else use.reference
    return {
        "path": use.place.path,
        "line": checked.lines.get(use.place.path),
        "container": use.place.container,
        "image": use.place.text,
        "reference": None if readable is None else str(readable),
        "digest": judged.digest or (None if readable is None else readable.digest),
        "violations": [_finding(f) for f in told if isinstance(f.outcome, Violation)],
        "undecided": [_finding(f) for f in told if isinstance(f.outcome, Undecided)],
        "exceptions": [
            _finding(f) | _exception(f.exception)
            for f in judged.findings
            if f.exception is not None
        ],
    }


def _exception(exception: GrantedException) -> dict[str, Any]:
    return {
        "exception": exception.name,
        "requestedBy": exception.requested_by,
        "because": exception.reason,
        "expires": exception.expires.isoformat(),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    outcome = finding.outcome
    remedy = f"; {outcome.remedy}" if isinstance(outcome, Violation) and outcome.remedy else ""
    return {
        "policy": finding.policy,
        "rule": finding.rule,
        "reason": outcome.reason,
        "detail": f"{outcome.detail}{remedy}",
        "action": finding.action.value,
    }
