"""Warnings for the person and annotations for the audit log."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from admission.builders import (
    A_DIGEST,
    AUDIT,
    WARN,
    a_finding,
    a_use,
    a_verdict,
    a_violation,
    an_exception,
    not_known,
)
from landwaiter.admission.remarks import (
    ANNOTATION_LIMIT_BYTES,
    WARNING_LIMIT_CHARS,
    WARNINGS_LIMIT_CHARS,
    annotations_of,
    bounded_warnings,
    problem_annotation,
    warnings_of,
)
from landwaiter.rules.verdict import Action, Decision, FailurePolicy, UseVerdict, Verdict


def test_semantics_17_the_most_important_warning_comes_first() -> None:
    """Violations, then what is not known, then remarks on images, then those on the object."""
    use = UseVerdict(
        a_use(),
        findings=(
            a_finding(not_known(), actions=WARN, rule="cosignSignatures", policy="p"),
            a_finding(actions=WARN, policy="p"),
        ),
        warnings=("no digest, so it was judged as it is now",),
    )

    assert (
        (
            'pinnedTags: nginx:latest (container app): tag "latest" floats; a digest is wanted '
            "(policy p)"
        ),
        (
            "cosignSignatures: nginx:latest (container app): registry.example.com answers 503; "
            "not known (policy p)"
        ),
        "no digest, so it was judged as it is now",
        "spec.containers[1].image is filled in later",
    ) == warnings_of(Verdict((use,), ("spec.containers[1].image is filled in later",)))


def test_what_refuses_is_not_warned_about() -> None:
    """The message tells it already."""
    verdict = a_verdict(a_finding(), a_finding(not_known(), rule="cosignSignatures"))

    assert () == warnings_of(verdict)


def test_what_is_only_audited_is_not_warned_about() -> None:
    """Audit is for the audit log alone."""

    assert () == warnings_of(a_verdict(a_finding(actions=AUDIT)))


def test_undecided_under_ignore_is_a_warning_and_an_annotation() -> None:
    """What was let through unchecked is told to the person and kept for the auditor."""
    finding = a_finding(
        not_known(), failure_policy=FailurePolicy.IGNORE, rule="cosignSignatures", policy="p"
    )
    verdict = a_verdict(finding)

    assert (
        (
            (
                "cosignSignatures: nginx:latest (container app): registry.example.com answers 503; "
                "admitted unchecked (policy p)"
            ),
        ),
        {
            "findings": [
                {
                    "path": "spec.template.spec.containers[0].image",
                    "container": "app",
                    "image": "nginx:latest",
                    "digest": None,
                    "policy": "p",
                    "rule": "cosignSignatures",
                    "action": "Deny",
                    "reason": "not known",
                    "detail": "registry.example.com answers 503",
                    "admitted": True,
                }
            ],
            "more": 0,
        },
    ) == (warnings_of(verdict), json.loads(annotations_of(verdict)["undecided"]))


def test_what_was_verified_before_is_a_warning_and_an_annotation() -> None:
    """The person reads how long ago it was, and the auditor to the second."""
    findings = (
        a_finding(not_known(), rule="cosignSignatures", policy="p", stale_seconds=7_140),
        a_finding(not_known(), rule="cosignSignatures", policy="q", stale_seconds=7_200),
    )
    verdict = a_verdict(*findings)
    told = json.loads(annotations_of(verdict)["undecided"])["findings"]

    assert (
        (
            (
                "cosignSignatures: container app: registry.example.com answers 503; "
                "verified 119 min ago, so admitted (policy p)"
            ),
            (
                "cosignSignatures: container app: registry.example.com answers 503; "
                "verified 2 h ago, so admitted (policy q)"
            ),
        ),
        [(True, 7_140), (True, 7_200)],
        Decision.ALLOW,
    ) == (
        warnings_of(verdict),
        [(each["admitted"], each["verifiedSecondsAgo"]) for each in told],
        verdict.decision,
    )


def test_equal_findings_of_several_policies_are_one_warning() -> None:
    """As in the message."""
    verdict = a_verdict(a_finding(actions=WARN, policy="a"), a_finding(actions=WARN, policy="b"))

    assert (
        (
            'pinnedTags: nginx:latest (container app): tag "latest" floats; a digest is wanted '
            "(policies a, b)"
        ),
    ) == warnings_of(verdict)


def test_a_long_warning_says_the_reason_only() -> None:
    """A warning of at most 120 characters is chosen where the short wording fits."""
    finding = a_finding(a_violation(detail="x " * 80, reason="floating tag"), actions=WARN)
    verdict = a_verdict(finding, use=a_use(f"registry.example.com/team/app@{A_DIGEST}"))

    assert ("pinnedTags: container app: floating tag (policy production-images)",) == warnings_of(
        verdict
    )


def test_semantics_17_a_warning_has_no_control_characters() -> None:
    """The API server drops a warning with a newline or a tab whole, so there is none."""

    assert ("a\\nb\\tc\\x1b[0m",) == bounded_warnings(["a\nb\tc\x1b[0m"])


def test_semantics_17_thousands_of_findings_are_counted_and_not_written() -> None:
    """What is left out is counted, the lines that were never written among it."""
    uses = tuple(
        UseVerdict(a_use(f"nginx:{number}"), findings=(a_finding(actions=WARN),))
        for number in range(3000)
    )
    *kept, last = warnings_of(Verdict(uses))

    assert f"… and {3000 - len(kept)} more warnings of Landwaiter" == last


def test_semantics_17_warnings_that_do_not_fit_are_counted() -> None:
    """All warnings together have at most 4,096 characters."""
    lines = [f"{number:04}" + "x" * 96 for number in range(100)]
    kept = bounded_warnings(lines)

    assert ([*lines[:40], "… and 60 more warnings of Landwaiter"], True) == (
        list(kept),
        sum(map(len, kept)) <= WARNINGS_LIMIT_CHARS,
    )


def test_equal_warnings_are_given_once() -> None:
    """Ten containers with the same remark need it once."""

    assert ("same",) == bounded_warnings(["same"] * 10)


@given(st.lists(st.text(max_size=600), max_size=80))
@settings(deadline=None, max_examples=60)
def test_no_text_makes_a_warning_that_the_api_server_would_drop(lines: list[str]) -> None:
    """Each is printable and of bounded length, and so are all together."""
    kept = bounded_warnings(lines)

    assert ([], True) == (
        [line for line in kept if not line.isprintable() or len(line) > WARNING_LIMIT_CHARS],
        sum(map(len, kept)) <= WARNINGS_LIMIT_CHARS,
    )


def test_semantics_17_annotations_have_fixed_keys_and_hold_json() -> None:
    """Violations of policies that deny or audit are kept, with the digest that was judged."""
    use = UseVerdict(a_use(), digest=A_DIGEST, findings=(a_finding(actions=AUDIT, policy="p"),))
    annotations = annotations_of(Verdict((use,)))

    assert (
        ["violations"],
        {
            "findings": [
                {
                    "path": "spec.template.spec.containers[0].image",
                    "container": "app",
                    "image": "nginx:latest",
                    "digest": A_DIGEST,
                    "policy": "p",
                    "rule": "pinnedTags",
                    "action": "Audit",
                    "reason": "floating tag",
                    "detail": 'tag "latest" floats; a digest is wanted',
                    "admitted": True,
                }
            ],
            "more": 0,
        },
    ) == (list(annotations), json.loads(annotations["violations"]))


def test_a_refusal_is_annotated_as_not_admitted() -> None:
    """The audit log tells a refused image from one that was only noted."""
    annotations = annotations_of(a_verdict(a_finding()))

    assert [False] == [
        finding["admitted"] for finding in json.loads(annotations["violations"])["findings"]
    ]


def test_what_only_warns_is_not_annotated() -> None:
    """Warn is for the person alone, unless the policy says Audit as well."""
    both = frozenset({Action.WARN, Action.AUDIT})

    assert ({}, ["violations"]) == (
        annotations_of(a_verdict(a_finding(actions=WARN))),
        list(annotations_of(a_verdict(a_finding(actions=both)))),
    )


def test_annotations_are_bounded_and_count_what_they_leave_out() -> None:
    """A thousand findings do not make a thousand entries in the audit log."""
    findings = tuple(a_finding(actions=AUDIT, policy=f"p{number}") for number in range(1000))
    value = annotations_of(a_verdict(*findings))["violations"]
    shown = json.loads(value)

    assert (True, 1000) == (
        0 < len(value) <= ANNOTATION_LIMIT_BYTES,
        len(shown["findings"]) + shown["more"],
    )


def test_a_problem_is_bounded_json() -> None:
    """What kept an object from being judged can hold what its author wrote, without end."""
    annotation = problem_annotation("\n" * 100_000)

    assert {"problem": json.dumps({"detail": "\n" * 256 + "…"})} == annotation


def test_one_finding_always_fits_into_an_annotation() -> None:
    """Also one that consists of characters that JSON has to escape."""
    place = a_use().place._replace(text="\x1b" * 5000, container="\x1b" * 63)
    use = a_use()._replace(place=place)
    finding = a_finding(a_violation(detail="\x1b" * 5000), actions=AUDIT)
    value = annotations_of(a_verdict(finding, use=use))["violations"]

    assert (True, 1) == (len(value) <= ANNOTATION_LIMIT_BYTES, len(json.loads(value)["findings"]))


def test_a_used_exception_is_a_warning_that_comes_first() -> None:
    """The person sees what was let through, under which exception, and until when."""
    verdict = a_verdict(
        a_finding(actions=WARN, policy="w"),
        a_finding(exception=an_exception(), policy="a"),
        a_finding(exception=an_exception(), policy="b"),
        a_finding(not_known(), exception=an_exception("other"), actions=WARN, rule="pullSecrets"),
    )

    assert (
        (
            "exception hotfix until 2026-12-31T18:00:00Z: pinnedTags (policies a, b): "
            "nginx:latest (container app)"
        ),
        (
            "exception other until 2026-12-31T18:00:00Z: pullSecrets (policy production-images): "
            "nginx:latest (container app)"
        ),
        (
            'pinnedTags: nginx:latest (container app): tag "latest" floats; a digest is wanted '
            "(policy w)"
        ),
    ) == warnings_of(verdict)


def test_a_used_exception_of_a_policy_that_only_audits_is_no_warning() -> None:
    """Nobody notices a policy that only audits, so nobody notices what lifts it either."""
    verdict = a_verdict(a_finding(actions=AUDIT, exception=an_exception()))

    assert ((), ["exceptions"]) == (warnings_of(verdict), list(annotations_of(verdict)))


def test_a_used_exception_is_annotated_with_who_why_and_until_when() -> None:
    """The audit log keeps what was lifted apart from what was refused, whatever the action."""
    verdict = a_verdict(a_finding(), a_finding(actions=WARN, exception=an_exception()))
    annotations = {key: json.loads(value) for key, value in annotations_of(verdict).items()}
    (lifted,) = annotations["exceptions"]["findings"]

    assert ["violations", "exceptions"] == list(annotations)
    assert {
        "path": a_use().path,
        "container": "app",
        "image": "nginx:latest",
        "digest": None,
        "policy": "production-images",
        "rule": "pinnedTags",
        "action": "Warn",
        "reason": lifted["reason"],
        "detail": lifted["detail"],
        "admitted": True,
        "exception": "hotfix",
        "requestedBy": "alice@example.com",
        "because": "the registry is down",
        "expires": "2026-12-31T18:00:00+00:00",
    } == lifted


def test_one_lifted_finding_always_fits_into_an_annotation() -> None:
    """Neither a Pod nor a registry can write so much that an exception is not audited."""
    place = a_use().place._replace(text="n" * 776, container="\x1b" * 63)
    use = a_use()._replace(place=place)
    granted = replace(
        an_exception("s" * 63 + "/" + "e" * 253),
        requested_by="\N{GRINNING FACE}" * 256,
        reason="\N{GRINNING FACE}" * 1024,
    )
    policy = "s" * 63 + "/" + "p" * 253
    finding = a_finding(a_violation(detail="\x1b" * 5000), policy=policy, exception=granted)
    value = annotations_of(a_verdict(finding, use=use))["exceptions"]

    assert (True, 1) == (len(value) <= ANNOTATION_LIMIT_BYTES, len(json.loads(value)["findings"]))
