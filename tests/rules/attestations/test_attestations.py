"""What `attestations` accepts as settings, and what it leaves undecided."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from landwaiter.errors import InvalidPolicy
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.rules.attestations import (
    AttestationAnswer,
    Attestations,
    AttestationsSettings,
    RequiredAttestation,
)
from landwaiter.rules.protocol import Facts, Question, Undecided, Violation
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.rules.statement_conditions import Conditions, PredicateConditionSettings
from landwaiter.trusted_roots import MEDIA_TYPE
from landwaiter.workloads.values import ImagePlace, ImageUse

PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
LISTS = ("tlogs", "ctlogs", "timestampAuthorities", "certificateAuthorities")
ROOT = {"data": json.dumps({"mediaType": MEDIA_TYPE, **{name: [{}] for name in LISTS}})}
SLSA, VULN = "https://slsa.dev/provenance/v1", "https://cosign.sigstore.dev/attestation/vuln/v1"
IDENTITIES = {"identities": [{"issuer": "https://login.example.com", "subject": "ann@example.com"}]}
REF = {"namespace": "a", "name": "b", "key": "c"}
OWN = {"subject": "ann@example.com", "authorities": {"secretRef": REF}}
DIGEST = f"sha256:{'a' * 64}"
SUBJECT = ImageReference.parse(f"registry.example.com/app@{DIGEST}")
USE = ImageUse(ImagePlace("spec.containers[0].image", "app", "x"), SUBJECT)


A_CONDITION = {"name": "clean", "expression": "predicate.findings == 0"}


def by_key(name: str = "ci", /, **more: object) -> dict[str, Any]:
    return {"name": name, "key": {"data": PEM}, **more}


def required(*authorities: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"predicateType": SLSA, "authorities": list(authorities) or [by_key()], **more}


def the_rule(*entries: dict[str, Any], **settings: object) -> Attestations:
    document = {"required": list(entries), **settings}
    return AttestationsSettings.model_validate(document).rule(Path())


def test_a_type_and_an_authority_are_enough() -> None:
    """One attestation of any age, by one of the authorities, for a digest."""
    authority = SigningAuthority("ci", PublicKey.parse(PEM))

    assert Attestations((RequiredAttestation(SLSA, (authority,), Requirement(("ci",))),)) == (
        the_rule(required())
    )


def test_every_setting_is_part_of_what_is_required() -> None:
    """None of them is read and forgotten."""
    stamped: dict[str, Any] = {"timestamps": "Required", "trustedRoot": ROOT}
    entry = required(
        by_key(**stamped),
        {"name": "ann", "keyless": IDENTITIES, "trustedRoot": ROOT},
        predicateType=VULN,
        maxAgeHours=48,
        atLeast=3,
        threshold=2,
        conditions=[A_CONDITION],
    )
    rule = the_rule(required(), entry, unpinned="Warn")
    (_, wanted) = rule.required

    assert (
        VULN,
        ["ci", "ann"],
        Requirement(("ci", "ann"), threshold=2),
        Conditions(48, (PredicateConditionSettings.model_validate(A_CONDITION).condition(),)),
        3,
        "Warn",
    ) == (
        wanted.predicate_type,
        [each.name for each in wanted.authorities],
        wanted.requirement,
        wanted.conditions,
        wanted.at_least,
        rule.unpinned,
    )
    assert [(SLSA, 1), (VULN, 3), (VULN, 3)] == [
        (each.predicate_type, each.at_least) for each in rule.needs(USE)
    ]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([], "at least 1 item"),
        ([required()] * 11, "at most 10 items"),
        ([{"predicateType": SLSA}], "Field required"),
        ([{"authorities": [by_key()]}], "Field required"),
        ([required(authorities=[])], "at least 1 item"),
        ([required(*(by_key(f"a{n}") for n in range(11)))] * 2, "22 authorities given in all, at"),
        ([required(predicateType="slsaprovenance")], "the URI of a type is wanted"),
        ([required(predicateType="cosign.sigstore.dev/v1")], "the URI of a type is wanted"),
        ([required(predicateType="https://x.example.com/%zz")], "the URI of a type is wanted"),
        ([required(predicateType="https://x:y@example.com/a")], "the URI of a type is wanted"),
        ([required(predicateType=f"{SLSA} ")], "the URI of a type is wanted"),
        ([required(predicateType=f"{SLSA}\n")], "the URI of a type is wanted"),
        ([required(predicateType=f"{SLSA}é")], "the URI of a type is wanted"),
        ([required(predicateType="https://" + "x" * 1024)], "at most 1024 characters"),
        ([required(maxAgeHours=0)], "greater than or equal to 1"),
        ([required(maxAgeHours=87_601)], "less than or equal to 87600"),
        ([required(maxAgeHours=1.5)], "valid integer"),
        ([required(atLeast=0)], "greater than or equal to 1"),
        ([required(atLeast=21)], "less than or equal to 20"),
        ([required(conditions=[])], "at least 1 item"),
        ([required(conditions=[A_CONDITION] * 21)], "at most 20 items"),
        ([required(conditions=[A_CONDITION] * 2)], 'the name "clean" given twice'),
        ([required(conditions=[A_CONDITION | {"name": "a b"}])], "match pattern"),
        ([required(conditions=[A_CONDITION | {"expression": 1}])], "int given, an expression of"),
        ([required(conditions=[A_CONDITION | {"expression": "1 +"}])], "Syntax error"),
        (
            [required(conditions=[A_CONDITION | {"expression": "predicate.a + 1"}])],
            "type INT given",
        ),
        ([required(conditions=[A_CONDITION | {"expression": "object.a"}])], "undeclared reference"),
        ([required(conditions=[{"name": "a"}])], "Field required"),
        ([required(threshold=0)], "greater than or equal to 1"),
        ([required(anyOf=["x"])], 'anyOf: "x" given, the name of an authority wanted'),
        ([required(by_key(), by_key())], "'ci' is given twice"),
        ([required(by_key(annotations={"a": "b"}))], "Extra inputs are not permitted"),
        ([required(multiPlatform="Both")], "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_decide_something_else_are_refused(
    entries: list[dict[str, Any]], problem: str
) -> None:
    """What is empty, twice, boundless or unknown does not load."""
    with pytest.raises(ValidationError, match=problem):
        AttestationsSettings.model_validate({"required": entries})


@pytest.mark.parametrize(
    "predicate_type", [SLSA, VULN, "https://example.com:8443/a?b=c#d", "urn:example:type%20one"]
)
def test_any_uri_can_be_a_type(predicate_type: str) -> None:
    """Types are named by whoever made them up."""
    rule = the_rule(required(predicateType=predicate_type))

    assert predicate_type == rule.required[0].predicate_type


LOGGED: dict[str, Any] = {"transparencyLog": "Required", "trustedRoot": ROOT}


@pytest.mark.parametrize(
    "authority",
    [
        by_key(),
        by_key(**LOGGED),
        {"name": "ci", "certificate": OWN},
    ],
    ids=["key", "logged key", "certificate"],
)
def test_an_age_that_nobody_vouches_for_is_refused(authority: dict[str, Any]) -> None:
    """With a key alone anybody who holds it can say any time, so that there is none to judge by."""
    document = {"required": [required(authority, maxAgeHours=24)]}
    AttestationsSettings.model_validate({"required": [required(authority)]})
    with pytest.raises(ValidationError, match='nobody vouches for when "ci" has signed'):
        AttestationsSettings.model_validate(document)


@pytest.mark.parametrize(
    "authority",
    [
        by_key(timestamps="Required", trustedRoot=ROOT),
        {"name": "ci", "keyless": IDENTITIES, "trustedRoot": ROOT},
        {
            "name": "ci",
            "keyless": {**IDENTITIES, "unsafeIgnoreTransparencyLog": True},
            "timestamps": "Required",
            "trustedRoot": ROOT,
        },
        {"name": "ci", "certificate": OWN, **LOGGED},
    ],
    ids=["stamped key", "logged identity", "stamped identity", "logged certificate"],
)
def test_an_age_that_somebody_vouches_for_loads(authority: dict[str, Any]) -> None:
    """A timestamp authority, or the log of an identity, has seen the signature."""
    assert Conditions(24) == the_rule(required(authority, maxAgeHours=24)).required[0].conditions


def test_a_key_that_cannot_be_used_names_the_field(tmp_path: Path) -> None:
    """The message leads to the entry that is wrong."""
    settings = AttestationsSettings.model_validate(
        {"required": [required(), required(by_key() | {"key": {"file": "gone.pub"}})]}
    )
    with pytest.raises(
        InvalidPolicy, match=r'^required\[1\]\.authorities\[0\]\.key\.file: ".*gone'
    ):
        settings.rule(tmp_path)


@pytest.mark.parametrize(
    ("age_hours", "problem"),
    [
        (0, None),
        (23.9, None),
        (24, None),
        (24.1, "it is 24 h old"),
        (1_000, "it is 1000 h old"),
        (-0.08, None),
        (-0.09, "it was signed in the future"),
        (None, "nobody vouches for when it was signed"),
    ],
)
def test_an_age_is_judged_to_the_hour(age_hours: float | None, problem: str | None) -> None:
    """A clock may be five minutes ahead of ours and no more."""
    seconds = None if age_hours is None else age_hours * 3_600

    assert (problem, None) == (
        Conditions(24).age_problem(seconds),
        Conditions().age_problem(seconds),
    )


NO = AttestationAnswer(0, "no", "k")
ONE = AttestationAnswer(1, "", "k")
OPEN = Undecided("could not be found out", "the registry answered 503")
GOING_ON = Undecided("not known in time", "wait", retry=True)


def judged(
    rule: Attestations, **answers: AttestationAnswer | Undecided
) -> Violation | Undecided | None:
    facts: dict[Question[Any], Any] = {q: answers[q.authority.name] for q in rule.needs(USE)}
    return rule.judge(USE, Facts(facts))


TWO = (required(by_key("a")), required(by_key("b")))


@pytest.mark.parametrize(
    ("entries", "answers", "expected"),
    [
        (TWO, {"a": ONE, "b": ONE}, "admitted"),
        (TWO, {"a": ONE, "b": NO}, "refused"),
        (TWO, {"a": OPEN, "b": NO}, "refused"),
        (TWO, {"a": OPEN, "b": ONE}, "undecided"),
        (TWO, {"a": GOING_ON, "b": ONE}, "goes on"),
        (TWO, {"a": GOING_ON, "b": OPEN}, "undecided"),
        ((required(by_key("a"), by_key("b")),), {"a": OPEN, "b": ONE}, "admitted"),
        ((required(by_key("a"), by_key("b")),), {"a": OPEN, "b": NO}, "undecided"),
        ((required(by_key("a"), atLeast=2),), {"a": ONE}, "refused"),
        ((required(by_key("a"), atLeast=2),), {"a": AttestationAnswer(2)}, "admitted"),
    ],
)
def test_semantics_14_what_is_not_known_matters_only_where_it_could_decide(
    entries: tuple[dict[str, Any], ...],
    answers: dict[str, AttestationAnswer | Undecided],
    expected: str,
) -> None:
    """What is certainly missing is refused, and a fault lets nothing in."""
    outcome = judged(the_rule(*entries), **answers)
    found = "admitted" if outcome is None else "refused"
    if isinstance(outcome, Undecided):
        found = "goes on" if outcome.retry else "undecided"

    assert expected == found


def test_an_undecided_image_says_why() -> None:
    """Each reason stands there once."""
    assert Undecided(
        "attestation not verified yet", "a: the registry answered 503; b: the registry answered 503"
    ) == judged(the_rule(*TWO), a=OPEN, b=OPEN)


def test_attack_a_threshold_is_not_met_twice_by_one_key() -> None:
    """What one key has attested under two names is by one signer."""
    authorities = [
        {"name": name, "key": {"secretRef": {"namespace": "keys", "name": name}}}
        for name in ("a", "b")
    ]
    rule = the_rule(required(*authorities, threshold=2))

    assert [Violation, type(None)] == [
        type(judged(rule, a=ONE, b=AttestationAnswer(1, "", signer))) for signer in ("k", "other")
    ]


def test_the_command_to_mend_it_is_for_whoever_signs() -> None:
    """With identities there is no key to be named."""
    identity = {"name": "a", "keyless": IDENTITIES, "trustedRoot": ROOT}
    outcome = judged(the_rule(required(identity)), a=NO)

    assert isinstance(outcome, Violation)
    assert f"attest it: `cosign attest --predicate FILE --type {SLSA} {SUBJECT}`" == outcome.remedy


def test_what_counts_is_told_beside_what_does_not() -> None:
    """Whoever reads it sees how many are missing and why."""
    rule = the_rule(required(by_key("a"), atLeast=3))
    details = []
    for answer in (AttestationAnswer(1), AttestationAnswer(2, "2 x it is 90 h old")):
        outcome = judged(rule, a=answer)
        assert isinstance(outcome, Violation)
        details.append(outcome.detail.partition("; 3 different")[0])

    assert ["a: only 1 counts", "a: only 2 count, besides: 2 x it is 90 h old"] == details
