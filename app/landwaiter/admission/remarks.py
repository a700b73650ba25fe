"""
What an answer says besides its decision: warnings for the person, annotations for the audit log.

Warnings are one line each, without control characters (the API server drops a warning that has
one), the most important first; 120 characters are advised and kept where what must be said fits.
The API server cuts each at 256 when all together are longer than 4,096, so they never are. What the
refusal says already is no warning, whichever policy would warn of it.
Annotation keys are fixed words, to which the API server adds the webhook's name; values are JSON.
Source: k8s.io/apiserver v0.36, pkg/endpoints/filters/warning.go.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Final

from landwaiter.admission.message import owner_of, policies_named
from landwaiter.admission.reply import NO_REMARKS, Remarks
from landwaiter.admission.text import cut, visible
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import Action, Finding, GrantedException, UseVerdict, Verdict

ADVISED_CHARS: Final = 120
WARNING_LIMIT_CHARS: Final = 256
WARNINGS_LIMIT_CHARS: Final = 4096

LINES_WRITTEN: Final = 200
"""More lines than fit are not written out, only counted: one object can have 100,000 findings."""

VIOLATIONS_KEY: Final = "violations"
UNDECIDED_KEY: Final = "undecided"
PROBLEM_KEY: Final = "problem"
EXCEPTIONS_KEY: Final = "exceptions"
STALE_FIELD: Final = "verifiedSecondsAgo"

MINUTES_TOLD: Final = 120
"""From two hours on, how long ago something was verified is told in hours."""

ANNOTATION_LIMIT_BYTES: Final = 4096
"""An audit event can hold the object twice; annotations should not add much to that."""

QUOTE_LIMIT_BYTES: Final = 256
"""Of each text in a finding: even all escapes, which take six times that, one finding fits."""

EXCEPTED_DETAIL_LIMIT_BYTES: Final = 100
"""Of what an exception lifts, so that who asked for the exception, and why, finds room."""


def remarks_of(verdict: Verdict) -> Remarks:
    """Return the warnings and annotations for a verdict, whatever its decision."""
    if not verdict.warnings and not any(use.findings or use.warnings for use in verdict.uses):
        return NO_REMARKS
    return Remarks(warnings_of(verdict), annotations_of(verdict))


def warnings_of(verdict: Verdict) -> tuple[str, ...]:
    """Return one line for each thing to tell the person that does not refuse the object."""
    lines: Iterator[Callable[[], str]] = chain(
        _exception_lines(verdict.uses),
        _finding_lines(verdict.uses, Violation),
        _finding_lines(verdict.uses, Undecided),
        (partial(str, warning) for use in verdict.uses for warning in use.warnings),
        (partial(str, warning) for warning in verdict.warnings),
    )
    written = [line() for line in islice(lines, LINES_WRITTEN)]
    return bounded_warnings(written, left_out=sum(1 for _ in lines))


def bounded_warnings(lines: Iterable[str], *, left_out: int = 0) -> tuple[str, ...]:
    """
    Return the lines as warnings that the API server passes on; equal ones once.

    `left_out` counts lines beyond those given, of which there are more than fit then.
    """
    whole = [_shortened(visible(line)) for line in dict.fromkeys(lines)]
    kept: list[str] = []
    left = WARNINGS_LIMIT_CHARS
    for position, line in enumerate(whole):
        more = _more(len(whole) - position + left_out)
        is_last = position == len(whole) - 1 and not left_out
        if len(line) + (0 if is_last else len(more)) > left:
            return (*kept, more)
        kept.append(line)
        left -= len(line)
    return (*kept, _more(left_out)) if left_out else tuple(kept)


def _more(count: int) -> str:
    return f"… and {count} more warnings of Landwaiter"


def _finding_lines(
    uses: Sequence[UseVerdict], outcome: type[Violation | Undecided]
) -> Iterator[Callable[[], str]]:
    """Yield what writes each line: of thousands only the first are written."""
    for use in uses:
        merged: dict[tuple[str, Violation | Undecided, str], list[str]] = {}
        stopping = use.stopping if use.findings else ()
        for finding in use.findings:
            if (
                isinstance(finding.outcome, outcome)
                and _is_warned_about(finding)
                and finding.told not in stopping
            ):
                key = (finding.rule, finding.outcome, _become_of(finding))
                merged.setdefault(key, []).append(finding.policy)
        for (rule, what, end), policies in merged.items():
            yield partial(_line, use, rule, what, policies, end=end)


def _become_of(finding: Finding) -> str:
    """Return what becomes of the image for all that is not known, with what it is put behind."""
    if isinstance(finding.outcome, Violation):
        return ""
    if finding.stale_seconds is not None:
        return f"; verified {_ago(finding.stale_seconds)} ago, so admitted"
    return "; admitted unchecked" if Action.DENY in finding.actions else "; not known"


def _ago(seconds: int) -> str:
    minutes = seconds // 60
    return f"{minutes} min" if minutes < MINUTES_TOLD else f"{minutes // 60} h"


def _is_warned_about(finding: Finding) -> bool:
    if finding.refuses or finding.blocks or finding.exception is not None:
        return False
    return Action.WARN in finding.actions or Action.DENY in finding.actions


def _exception_lines(uses: Sequence[UseVerdict]) -> Iterator[Callable[[], str]]:
    """Yield what writes the line of each exception that has let something through."""
    for use in uses:
        merged: dict[tuple[GrantedException, str], list[str]] = {}
        for finding in use.findings:
            if finding.exception is not None and finding.actions & {Action.DENY, Action.WARN}:
                key = (finding.exception, finding.rule)
                merged.setdefault(key, []).append(finding.policy)
        for (exception, rule), policies in merged.items():
            yield partial(_exception_line, use, exception, rule, policies)


def _exception_line(
    use: UseVerdict, exception: GrantedException, rule: str, policies: Sequence[str]
) -> str:
    until = exception.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"exception {exception.name} until {until}: {rule} ({policies_named(policies)}): "
        f"{cut(use.use.place.text, QUOTE_LIMIT_BYTES)} ({owner_of(use.use.place)})"
    )


def _line(
    use: UseVerdict,
    rule: str,
    outcome: Violation | Undecided,
    policies: Sequence[str],
    *,
    end: str,
) -> str:
    """Return the longest of several wordings that has no more characters than advised."""
    place = use.use.place
    end = f"{end} ({policies_named(policies)})"
    subjects = (
        f"{cut(place.text, QUOTE_LIMIT_BYTES)} ({owner_of(place)})",
        owner_of(place),
    )
    wordings = [
        f"{rule}: {subject}: {what}{end}"
        for what in (outcome.detail, outcome.reason)
        for subject in subjects
    ]
    return next((text for text in wordings if len(text) <= ADVISED_CHARS), wordings[-1])


def _shortened(line: str) -> str:
    if len(line) <= WARNING_LIMIT_CHARS:
        return line
    return line[: WARNING_LIMIT_CHARS - 1] + "…"


def annotations_of(verdict: Verdict) -> dict[str, str]:
    """
    Return the findings of policies that deny or audit, and whatever an exception has lifted.

    There is nothing where there are none.
    """
    keys = (VIOLATIONS_KEY, UNDECIDED_KEY, EXCEPTIONS_KEY)
    found: dict[str, list[tuple[UseVerdict, Finding]]] = {key: [] for key in keys}
    for use in verdict.uses:
        for finding in use.findings:
            if finding.exception is not None:
                found[EXCEPTIONS_KEY].append((use, finding))
            elif finding.actions & {Action.DENY, Action.AUDIT}:
                is_violation = isinstance(finding.outcome, Violation)
                found[VIOLATIONS_KEY if is_violation else UNDECIDED_KEY].append((use, finding))
    return {key: _bounded_json(items) for key, items in found.items() if items}


def problem_annotation(problem: str) -> dict[str, str]:
    """Return the annotation of an object that nobody could judge, and that is let through."""
    return {PROBLEM_KEY: json.dumps({"detail": cut(problem, QUOTE_LIMIT_BYTES)})}


def _annotated(use: UseVerdict, finding: Finding) -> dict[str, Any]:
    detail_bytes = QUOTE_LIMIT_BYTES if finding.exception is None else EXCEPTED_DETAIL_LIMIT_BYTES
    return {
        "path": use.use.place.path,
        "container": cut(use.use.place.container, QUOTE_LIMIT_BYTES),
        "image": cut(use.use.place.text, QUOTE_LIMIT_BYTES),
        "digest": use.digest,
        "policy": finding.policy,
        "rule": finding.rule,
        "action": finding.action.value,
        "reason": finding.outcome.reason,
        "detail": cut(finding.outcome.detail, detail_bytes),
        "admitted": not (finding.refuses or finding.blocks),
        **({} if finding.stale_seconds is None else {STALE_FIELD: finding.stale_seconds}),
        **_exception_of(finding),
    }


def _exception_of(finding: Finding) -> dict[str, Any]:
    if (exception := finding.exception) is None:
        return {}
    return {
        "exception": exception.name,
        "requestedBy": cut(exception.requested_by, QUOTE_LIMIT_BYTES),
        "because": cut(exception.reason, QUOTE_LIMIT_BYTES),
        "expires": exception.expires.isoformat(),
    }


def _bounded_json(items: Sequence[tuple[UseVerdict, Finding]]) -> str:
    """Return `{"findings": [...], "more": N}` with as many findings as fit."""
    shown: list[str] = []
    room = ANNOTATION_LIMIT_BYTES - len('{"findings":[],"more":}') - len(str(len(items)))
    for item in items:
        text = json.dumps(_annotated(*item), separators=(",", ":"))
        if len(text) + 1 > room:
            break
        room -= len(text) + 1
        shown.append(text)
    return f'{{"findings":[{",".join(shown)}],"more":{len(items) - len(shown)}}}'
