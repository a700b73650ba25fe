"""How a declared case differs from what was decided, line by line as in `diff`."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from landwaiter.admission.remarks import warnings_of
from landwaiter.admission.text import visible
from landwaiter.policy.declared import Expectation, ExpectedFinding
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import Finding, Verdict
from landwaiter.wiring.declared import Decided


def differences(decided: Decided) -> list[str]:
    """Return the lines of the difference, none where all is as declared."""
    expect = decided.case.expect
    lines = difflib.unified_diff(
        _lines(_declared(expect)),
        _lines(_decided(expect, decided.verdict)),
        "declared",
        "decided",
        n=100,
        lineterm="",
    )
    return [visible(line) for line in lines]


def _declared(expect: Expectation) -> dict[str, Any]:
    return expect.model_dump(mode="json", by_alias=True, exclude_none=True)


def _decided(expect: Expectation, verdict: Verdict) -> dict[str, Any]:
    """Return the verdict with only those fields that the expectation speaks of."""
    violations = _pairs(verdict, Violation)
    undecided = _pairs(verdict, Undecided)
    found: dict[str, Any] = {
        "decision": verdict.decision.value,
        "violations": list(_findings(expect.violations, violations)),
        "undecided": list(_findings(expect.undecided, undecided)),
    }
    if expect.warnings is not None:
        found["warnings"] = list(warnings_of(verdict))
    return found


def _pairs(verdict: Verdict, outcome: type[Violation | Undecided]) -> Sequence[tuple[str, Finding]]:
    return [
        (use.use.place.path, finding)
        for use in verdict.uses
        for finding in use.findings
        if isinstance(finding.outcome, outcome)
    ]


def _findings(
    expected: Sequence[ExpectedFinding], found: Sequence[tuple[str, Finding]]
) -> Iterator[Mapping[str, str]]:
    for index, (path, finding) in enumerate(found):
        whole = _finding(path, finding)
        if index >= len(expected):
            yield whole
            continue
        spoken_of = expected[index].model_dump(by_alias=True, exclude_none=True)
        yield {key: value for key, value in whole.items() if key in {*spoken_of, "exception"}}


def _finding(path: str, finding: Finding) -> Mapping[str, str]:
    outcome = finding.outcome
    more = {"remedy": outcome.remedy} if isinstance(outcome, Violation) else {}
    if finding.exception is not None:
        more["exception"] = finding.exception.name
    return {
        "path": path,
        "policy": finding.policy,
        "rule": finding.rule,
        "action": finding.action.value,
        "reason": outcome.reason,
        "detail": outcome.detail,
        **more,
    }


def _lines(value: Mapping[str, Any]) -> list[str]:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text.splitlines()
