"""What there is to tell about the documents of a cluster, at one time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from landwaiter.policy.cluster_documents import ClusterDocuments, DocumentState, document_of
from landwaiter.policy.document_report import Counts, DocumentReport, next_end, reports_of
from landwaiter.policy.install import DEFAULTS
from landwaiter.policy.lint_cluster import Said

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
END = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BROKEN: dict[str, Any] = {
    "validationActions": ["Deny"],
    "rules": {"allowedRegistries": {"allow": ["nginx"]}},
}
PINNED: dict[str, Any] = {
    "validationActions": ["Deny"],
    "rules": {"pinnedTags": {"require": "digest"}},
}
EXCEPTION: dict[str, Any] = {
    "policies": [{"name": name, "rules": ["pinnedTags"]} for name in ("p", "nobody")],
    "images": ["registry.example.com/team"],
    "namespaces": ["shop"],
    "requestedBy": "alice",
    "reason": "incident 7",
    "expires": "2026-11-24T18:00:00Z",
}


def states_of(
    *objects: tuple[str, str, str, dict[str, Any]],
    loaded: ClusterDocuments | None = None,
    generation: int = 1,
) -> tuple[DocumentState, ...]:
    """Return the states of documents that are given by kind, namespace, name and spec."""
    found = [
        document_of(
            kind,
            {
                "metadata": {"name": name, "namespace": namespace, "generation": generation},
                "spec": spec,
            },
        )
        for kind, namespace, name, spec in objects
    ]
    documents = loaded or in_the_cluster()
    return documents.update({each.name: each for each in found}, NOW)


def in_the_cluster() -> ClusterDocuments:
    return ClusterDocuments(DEFAULTS, own_namespace="landwaiter-system")


POLICY = ("ClusterImagePolicy", "", "p", PINNED)
EXCEPTED = ("ImagePolicyException", "landwaiter-system", "e", EXCEPTION)


def test_a_policy_is_counted_with_the_exceptions_that_name_it() -> None:
    """And an exception with those of its policies that there are, a name twice only once."""
    twice = {**EXCEPTION, "policies": [*EXCEPTION["policies"], EXCEPTION["policies"][0]]}
    states = states_of(POLICY, ("ImagePolicyException", "landwaiter-system", "e", twice))

    assert (
        DocumentReport(states[0], ("pinnedTags",), Counts(rules=1, exceptions=1)),
        DocumentReport(states[1], (), Counts(policies=1)),
    ) == reports_of(states, {}, NOW)


def test_an_exception_that_has_ended_is_told_and_counts_no_more() -> None:
    """At the second that it says, by the clock of whoever tells."""
    states = states_of(POLICY, EXCEPTED)
    before, at_the_end = (reports_of(states, {}, now) for now in (END - SECOND, END))

    assert [(1, None), (0, END)] == [
        (policy.counts.exceptions, exception.ended) for policy, exception in (before, at_the_end)
    ]
    assert [END, None] == [next_end(states, now) for now in (END - SECOND, END)]


def test_a_document_that_does_not_load_is_told_by_what_is_in_force_of_it() -> None:
    """The rules are those that judge; one that never loaded has none."""
    loaded = in_the_cluster()
    states_of(POLICY, loaded=loaded)
    (broken,) = states_of(("ClusterImagePolicy", "", "p", BROKEN), loaded=loaded, generation=2)
    (never,) = states_of(("ClusterImagePolicy", "", "p", BROKEN))

    assert [
        (("pinnedTags",), Counts(rules=1, exceptions=0)),
        ((), Counts()),
    ] == [(each.rules, each.counts) for each in reports_of((broken, never), {}, NOW)]


def test_what_the_linter_said_counts_while_it_is_about_this_generation() -> None:
    """A document that was changed since has not been looked at."""
    old, new = (states_of(POLICY, generation=generation) for generation in (1, 2))
    linted = {old[0].document.name: Said(old[0].document, ("a", "b"))}
    looked_at, changed = (reports_of(each, linted, NOW)[0] for each in (old, new))

    assert [(("a", "b"), 2), (None, None)] == [
        (each.warnings, each.counts.warnings) for each in (looked_at, changed)
    ]


def test_only_what_is_counted_is_given() -> None:
    """Zero is a count, and what does not apply is left out."""

    assert {"rules": 1, "exceptions": 0} == Counts(rules=1, exceptions=0).given()
    assert {"policies": 2, "warnings": 3} == Counts(policies=2, warnings=3).given()
