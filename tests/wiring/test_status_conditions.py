"""What the status of a document says."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from landwaiter.policy.cluster_documents import ClusterDocument, DocumentName, DocumentState
from landwaiter.policy.document_report import Counts, DocumentReport
from landwaiter.policy.exceptions import PolicyException
from landwaiter.rules.verdict import GrantedException
from landwaiter.wiring.status_conditions import MESSAGE_MAX_CHARACTERS, status_of
from policy.builders import a_policy

THEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
LOADED = a_policy()
IN_FORCE = ("Ready", "True", "InForce", "this generation is in force")
LOADS = ("Degraded", "False", "Loaded", "this generation loads")
DOES_NOT_LOAD = ("Degraded", "True", "NotLoaded", "field x: bad")
NOT_LOOKED_AT = ("Warning", "Unknown", "NotLoaded", "the linter looks at what loads")


def a_report(generation: int = 1, **changes: Any) -> DocumentReport:  # noqa: ANN401
    """Return the report on a policy; `problem` and `loaded` are those of its state."""
    of_state = {key: changes.pop(key) for key in ("problem", "loaded") if key in changes}
    document = ClusterDocument(DocumentName("ClusterImagePolicy", "", "p"), generation, {})
    state = DocumentState(document, **{"loaded": LOADED, **of_state})
    return replace(DocumentReport(state, ("pinnedTags",), Counts(rules=1)), **changes)


def on_an_exception(**changes: Any) -> DocumentReport:  # noqa: ANN401
    name = DocumentName("ImagePolicyException", "landwaiter-system", "e")
    granted = GrantedException("e", "alice", "why", THEN)
    loaded = PolicyException(granted, (), (), frozenset({"shop"}))
    state = DocumentState(ClusterDocument(name, 1, {}), loaded, changes.pop("problem", None))
    return replace(DocumentReport(state, (), Counts(policies=1)), **changes)


def told(status: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(c["type"], c["status"], c["reason"], c["message"]) for c in status["conditions"]]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (a_report(), [IN_FORCE, LOADS]),
        (
            a_report(warnings=()),
            [
                IN_FORCE,
                LOADS,
                ("Warning", "False", "NothingToSay", "the linter has nothing to say"),
            ],
        ),
        (
            a_report(warnings=("a", "b")),
            [IN_FORCE, LOADS, ("Warning", "True", "LinterWarnings", "a; b")],
        ),
        (
            a_report(problem="field x: bad"),
            [
                ("Ready", "False", "NotLoaded", "the last good generation is in force"),
                DOES_NOT_LOAD,
                NOT_LOOKED_AT,
            ],
        ),
        (
            a_report(problem="field x: bad", loaded=None),
            [
                (
                    "Ready",
                    "False",
                    "NotLoaded",
                    "no generation has ever loaded; nothing is in force",
                ),
                DOES_NOT_LOAD,
                NOT_LOOKED_AT,
            ],
        ),
        (on_an_exception(), [IN_FORCE, LOADS]),
        (
            on_an_exception(ended=THEN),
            [("Ready", "False", "Ended", "it ended at 2026-11-24T12:00:00Z"), LOADS],
        ),
        (
            on_an_exception(problem="field x: bad"),
            [
                ("Ready", "False", "NotLoaded", "the last good generation is in force"),
                DOES_NOT_LOAD,
            ],
        ),
    ],
)
def test_the_conditions_say_what_judges(
    report: DocumentReport, expected: list[tuple[str, str, str, str]]
) -> None:
    """Whether this generation, an older one or none is in force, and why; warnings beside it."""

    assert expected == told(status_of(report, {}, NOW))


def test_the_status_has_the_generation_the_rules_and_what_is_counted() -> None:
    """Beside the conditions, which have the generation too."""
    status = status_of(a_report(7, counts=Counts(rules=1, warnings=0), warnings=()), {}, NOW)

    assert (7, ["pinnedTags"], {"rules": 1, "warnings": 0}, [7, 7, 7]) == (
        status["observedGeneration"],
        status["rules"],
        status["counts"],
        [each["observedGeneration"] for each in status["conditions"]],
    )


def test_a_condition_that_stays_keeps_its_time() -> None:
    """Only a change of the status is a transition."""
    before = status_of(a_report(1), {}, THEN)
    same = status_of(a_report(2), before, NOW)
    other = status_of(a_report(3, problem="bad"), before, NOW)
    times = [[c["lastTransitionTime"] for c in each["conditions"]] for each in (same, other)]

    assert [["2026-11-24T12:00:00Z"] * 2, ["2026-11-24T13:00:00Z"] * 3] == times


def test_what_the_linter_said_stays_until_it_has_looked_again() -> None:
    """A replica that begins to write takes nothing back that it does not know better."""
    before = status_of(a_report(1, warnings=("a",)), {}, THEN)
    status = status_of(a_report(2), before, NOW)

    assert [2, 2, 1] == [each["observedGeneration"] for each in status["conditions"]]
    assert before["conditions"][2] == status["conditions"][2]


def test_what_the_linter_says_has_an_end() -> None:
    """The API server takes no endless message."""
    status = status_of(a_report(warnings=("x" * 3000, "y" * 3000)), {}, NOW)

    assert MESSAGE_MAX_CHARACTERS == len(status["conditions"][2]["message"])
