"""The forms in which `landwaiter check` reports; the text is that of the webhook's answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from landwaiter.admission.message import message_of, object_name
from landwaiter.admission.remarks import warnings_of
from landwaiter.manifests.documents import Document
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import Decision, Finding, GrantedException, UseVerdict, Verdict
from landwaiter.workloads.values import UnreadableUse, Workload


@dataclass(frozen=True, slots=True)
class Checked:
    """One object of a manifest, and what was found about it."""

    document: Document
    workload: Workload
    verdict: Verdict = field(default_factory=Verdict)

    def judged(self, verdict: Verdict) -> "Checked":
        """Return the same object with its verdict."""
        return replace(self, verdict=verdict)


def text_report(checked: Sequence[Checked]) -> str:
    """Return what the webhook would say about each object, and a line that counts."""
    parts = [_text(each) for each in checked]
    counts = dict.fromkeys(Decision, 0)
    for each in checked:
        counts[each.verdict.decision] += 1
    parts.append(
        f"{len(checked)} checked: {counts[Decision.ALLOW]} admitted, "
        f"{counts[Decision.DENY]} refused, {counts[Decision.UNDECIDED]} undecided"
    )
    return "\n".join(parts) + "\n"


def json_report(checked: Sequence[Checked]) -> str:
    """Return a JSON list with one entry an object; its form is stable."""
    return json.dumps([_json(each) for each in checked], indent=2, ensure_ascii=False) + "\n"


REPORTS: Mapping[str, Callable[[Sequence[Checked]], str]] = {
    "json": json_report,
    "text": text_report,
}


def _text(checked: Checked) -> str:
    verdict = checked.verdict
    where = f"{checked.document.source}:{checked.document.line_of()}"
    lines = [f"{where}: {object_name(checked.workload)}: {_SAID[verdict.decision]}"]
    lines += [f"  warning: {warning}" for warning in warnings_of(verdict)]
    if verdict.decision is not Decision.ALLOW:
        lines.append(message_of(checked.workload, verdict).strip("\n") + "\n")
    return "\n".join(lines)


_SAID = {
    Decision.ALLOW: "admitted",
    Decision.DENY: "refused",
    Decision.UNDECIDED: "undecided",
}


def _json(checked: Checked) -> dict[str, Any]:
    workload = checked.workload
    return {
        "source": checked.document.source,
        "kind": workload.kind,
        "namespace": workload.namespace,
        "name": workload.name,
        "decision": checked.verdict.decision.value,
        "images": _images(workload, checked.verdict),
        "warnings": list(warnings_of(checked.verdict)),
    }


def _images(workload: Workload, verdict: Verdict) -> list[dict[str, Any]]:
    """Return every image of the object, also those that no policy has judged."""
    by_use = {judged.use: judged for judged in verdict.uses}
    return [_image(by_use.get(use, UseVerdict(use))) for use in workload.uses]


def _image(judged: UseVerdict) -> dict[str, Any]:
    use = judged.use
    told = [finding for finding in judged.findings if finding.exception is None]
    readable = None if isinstance(use, UnreadableUse) else use.reference
    return {
        "path": use.place.path,
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
