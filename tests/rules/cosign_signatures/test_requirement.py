"""Which authorities have to have signed, and what is no requirement at all."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from landwaiter.errors import InvalidPolicy
from landwaiter.images.reference import ImageReference
from landwaiter.rules.cosign_signatures import (
    CosignSignatures,
    CosignSignaturesSettings,
    SignatureAnswer,
)
from landwaiter.rules.protocol import Facts, Question, Undecided, Violation
from landwaiter.rules.requirement import Requirement
from landwaiter.trusted_roots import MEDIA_TYPE
from landwaiter.workloads.values import ImagePlace, ImageUse
from realparts.code_signing import CodeSigningAuthority

SECRET = {"namespace": "keys", "name": "signing"}
ISSUER = "https://login.example.com"
LISTS = ("tlogs", "ctlogs", "certificateAuthorities")
A_ROOT = json.dumps({"mediaType": MEDIA_TYPE, **{name: [{}] for name in LISTS}})


def pem(number: int) -> str:
    key = ec.derive_private_key(1_000 + number, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def by_key(name: str, number: int, **more: object) -> dict[str, Any]:
    return {"name": name, "key": {"data": pem(number)}, **more}


def by_secret(name: str, entry: str) -> dict[str, Any]:
    return {"name": name, "key": {"secretRef": {**SECRET, "key": entry}}}


def keyless(name: str, *subjects: str, issuer: str = ISSUER) -> dict[str, Any]:
    """Return an authority of subjects, by expressions where they have a star."""
    identities = [
        {"issuer": issuer, "subjectRegExp" if "*" in each else "subject": each} for each in subjects
    ]
    return {
        "name": name,
        "keyless": {"identities": identities},
        "trustedRoot": {"data": A_ROOT},
    }


def the_rule(*authorities: dict[str, Any], **settings: object) -> CosignSignatures:
    document = {"authorities": list(authorities), **settings}
    return CosignSignaturesSettings.model_validate(document).rule(Path())


A_USE = ImageUse(
    ImagePlace("spec.containers[0].image", "app", "x"),
    ImageReference.parse(f"registry.example.com/app@sha256:{'a' * 64}"),
)
OPEN = Undecided("could not be found out", "no")
GOING_ON = Undecided("not known in time", "wait", retry=True)


def judged(
    rule: CosignSignatures, **answers: str | Undecided | None
) -> Violation | Undecided | None:
    """Judge by who has signed: a signer for a name, None where it has not, or why nobody knows."""
    facts: dict[Question[Any], Any] = {}
    for question in rule.needs(A_USE):
        answer = answers[question.authority.name]
        facts[question] = (
            answer
            if isinstance(answer, Undecided)
            else SignatureAnswer(verified=answer is not None, detail="no", signer=answer or "")
        )
    return rule.judge(A_USE, Facts(facts))


def test_nothing_said_means_one_of_them() -> None:
    """The names are all that a requirement needs."""
    rule = the_rule(by_key("a", 1), by_key("b", 2))

    assert Requirement(("a", "b")) == rule.requirement


ABC = by_key("a", 1), by_key("b", 2), by_key("c", 3)


@pytest.mark.parametrize(
    ("settings", "signed", "expected"),
    [
        ({"allOf": ["a", "b", "c"]}, "abc", True),
        ({"allOf": ["a", "b", "c"]}, "ab", False),
        ({"allOf": ["a", "b"], "anyOf": ["c"]}, "ab", False),
        ({"allOf": ["a"], "anyOf": ["b", "c"]}, "ac", True),
        ({"allOf": ["a"], "anyOf": ["b", "c"]}, "bc", False),
        ({"threshold": 2}, "bc", True),
        ({"threshold": 2}, "b", False),
        ({"threshold": 3}, "ab", False),
        ({"threshold": 2, "allOf": ["a"]}, "bc", False),
        ({"threshold": 2, "allOf": ["a"]}, "ac", True),
        ({"threshold": 2, "anyOf": ["a", "b"]}, "bc", True),
        ({"threshold": 3, "anyOf": ["a", "b"]}, "bc", False),
    ],
)
def test_all_that_is_said_has_to_hold(
    settings: dict[str, Any], signed: str, expected: object
) -> None:
    """Each of some, one of others, and so many altogether."""
    rule = the_rule(*ABC, **settings)
    answers = {name: name if name in signed else None for name in "abc"}

    assert expected == (judged(rule, **answers) is None)


def test_attack_a_threshold_is_not_met_twice_by_one_key() -> None:
    """One key under two names is one signer, in the policy and in Secrets that became alike."""
    in_policy = the_rule(by_key("a", 1), by_key("b", 1), by_key("c", 2), threshold=2)
    in_secrets = the_rule(by_secret("a", "one"), by_secret("b", "two"), threshold=2)

    assert [True, False, True, False] == [
        isinstance(outcome, Violation)
        for outcome in (
            judged(in_policy, a="1", b="1", c=None),
            judged(in_policy, a="1", b=None, c="2"),
            judged(in_secrets, a="1", b="1"),
            judged(in_secrets, a="1", b="2"),
        )
    ]


def test_attack_a_threshold_is_not_met_twice_by_one_person() -> None:
    """A certificate that an expression matches too is one signature, whatever the names are."""
    rule = the_rule(
        keyless("anybody", ".*@example.com"),
        keyless("ann", "ann@example.com"),
        keyless("bob", "bob@example.com"),
        by_key("ci", 1),
        threshold=2,
    )

    assert [True, False] == [
        isinstance(judged(rule, **{"bob": None, "ci": None, **signed}), Violation)
        for signed in (
            {"anybody": "any", "ann": "ann"},
            {"anybody": "any", "ann": None, "ci": "key"},
        )
    ]


def test_one_more_signature_never_makes_signers_fewer() -> None:
    """Ann and Bob are two, and stay two where somebody has signed whom an expression matches."""
    authorities = [
        keyless("ann", "ann@example.com"),
        keyless("bob", "bob@example.com"),
        keyless("anybody", ".*@example.com"),
        by_key("ci", 1),
    ]
    rules = [the_rule(*order, threshold=2) for order in permutations(authorities)]
    three = the_rule(*authorities, threshold=3)

    assert {None} == {judged(r, ann="1", bob="2", anybody="3", ci=None) for r in rules}
    assert {None} == {judged(r, ann="1", bob="2", anybody=None, ci=None) for r in rules}
    assert isinstance(judged(three, ann="1", bob="2", anybody="3", ci=None), Violation)
    assert judged(three, ann="1", bob="2", anybody="3", ci="4") is None


def test_twenty_authorities_are_counted_in_no_time() -> None:
    """The most that a policy may have, where every second could be the one before and after."""
    names = [keyless(f"n{number}", f"n{number}@example.com") for number in range(19)]
    rule = the_rule(*names, keyless("anybody", ".*"), threshold=19)
    signed = {f"n{number}": str(number) for number in range(19)}

    assert judged(rule, **signed, anybody="20") is None


def test_exact_names_are_different_signers() -> None:
    """Another subject or another issuer is another person."""
    ann, bob = keyless("ann", "ann@example.com"), keyless("bob", "bob@example.com")
    elsewhere = keyless("elsewhere", "ann@example.com", issuer="https://other.example.com")
    rule = the_rule(ann, bob, elsewhere, threshold=3)

    assert (None, ()) == (
        judged(rule, ann="1", bob="2", elsewhere="3"),
        rule.requirement.alike,
    )


def test_certificates_of_ones_own_are_different_from_identities(tmp_path: Path) -> None:
    """What an issuer vouches for, one's own authority does not, and the other way round."""
    authority = {"data": CodeSigningAuthority(tmp_path).both}
    own = {"name": "own", "certificate": {"authorities": authority, "subjectRegExp": ".*"}}
    rule = the_rule(keyless("any", ".*@example.com"), own, threshold=2)

    assert judged(rule, any="1", own="2") is None


def test_attack_all_of_some_are_not_met_by_one_signature() -> None:
    """Keys in Secrets that have become one key have signed once; other annotations are another."""
    in_secrets = the_rule(by_secret("a", "one"), by_secret("b", "two"), allOf=["a", "b"])
    stages = the_rule(
        by_key("a", 1, annotations={"stage": "dev"}),
        by_key("b", 1, annotations={"stage": "prod"}),
        allOf=["a", "b"],
    )

    assert [Violation, None] == [
        outcome and type(outcome)
        for outcome in (judged(in_secrets, a="1", b="1"), judged(stages, a="1", b="1"))
    ]


@pytest.mark.parametrize(
    ("settings", "answers", "expected"),
    [
        ({"allOf": ["a", "b", "c"]}, {"a": "1", "b": None, "c": OPEN}, "refused"),
        ({"allOf": ["a", "b", "c"]}, {"a": "1", "b": "2", "c": OPEN}, "undecided"),
        ({"allOf": ["a", "b", "c"]}, {"a": "1", "b": GOING_ON, "c": GOING_ON}, "goes on"),
        ({"allOf": ["a", "b", "c"]}, {"a": "1", "b": GOING_ON, "c": OPEN}, "undecided"),
        ({"threshold": 2}, {"a": None, "b": None, "c": OPEN}, "refused"),
        ({"threshold": 2}, {"a": "1", "b": None, "c": OPEN}, "undecided"),
        ({"threshold": 2}, {"a": "1", "b": GOING_ON, "c": OPEN}, "goes on"),
        ({"threshold": 2}, {"a": "1", "b": "2", "c": OPEN}, "admitted"),
        ({}, {"a": None, "b": GOING_ON, "c": OPEN}, "goes on"),
    ],
)
def test_what_is_not_known_matters_only_where_it_could_decide(
    settings: dict[str, Any], answers: dict[str, str | Undecided | None], expected: str
) -> None:
    """Nobody is kept waiting for, or let in by, an answer that would change nothing."""
    outcome = judged(the_rule(*ABC, **settings), **answers)
    found = "admitted" if outcome is None else "refused"
    if isinstance(outcome, Undecided):
        found = "goes on" if outcome.retry else "undecided"

    assert expected == found


@pytest.mark.parametrize(
    ("authorities", "settings", "problem"),
    [
        (ABC, {"allOf": []}, "at least 1 item"),
        (ABC, {"anyOf": []}, "at least 1 item"),
        (ABC, {"threshold": 0}, "greater than or equal to 1"),
        (ABC, {"threshold": 21}, "less than or equal to 20"),
        (ABC, {"threshold": True}, "valid integer"),
        (ABC, {"allOf": ["a", "x"]}, 'allOf: "x" given, the name of an authority wanted'),
        (ABC, {"anyOf": ["x"]}, 'anyOf: "x" given, the name of an authority wanted'),
        (ABC, {"allOf": ["a", "a"]}, "allOf 'a' is given twice, distinct names wanted"),
        (ABC, {"allOf": ["a"], "anyOf": ["a", "b"]}, "which allOf asks for already"),
        (ABC, {"allOf": ["a", "b"]}, 'authority "c" given, which nothing asks for'),
        ((*ABC, by_key("a", 4)), {}, "authority 'a' is given twice, distinct names wanted"),
    ],
)
def test_a_requirement_that_says_nothing_is_refused(
    authorities: tuple[dict[str, Any], ...], settings: dict[str, Any], problem: str
) -> None:
    """An empty list would be met by everything, and a name that nothing asks for is a mistake."""
    document = {"authorities": list(authorities), **settings}
    with pytest.raises(ValidationError, match=problem):
        CosignSignaturesSettings.model_validate(document)


ONLY = "but of the authorities only"


@pytest.mark.parametrize(
    ("authorities", "settings", "problem"),
    [
        (ABC, {"threshold": 4}, f"threshold: 4 given, {ONLY} 3 are certainly different signers"),
        (
            (by_key("a", 1), by_key("b", 1)),
            {"threshold": 2},
            f'threshold: 2 given, {ONLY} 1 are certainly different signers: "a" and "b" may be one',
        ),
        (
            (by_secret("a", "one"), by_secret("b", "one")),
            {"threshold": 2},
            f'threshold: 2 given, {ONLY} 1 are certainly different signers: "a" and "b" may be one',
        ),
        (
            (keyless("a", ".*@example.com"), keyless("b", "ann@example.com")),
            {"threshold": 2},
            f'threshold: 2 given, {ONLY} 1 are certainly different signers: "a" and "b" may be one',
        ),
        (
            (keyless("a", "ann@x", "bob@x"), keyless("b", "bob@x", "cid@x")),
            {"threshold": 2},
            f'threshold: 2 given, {ONLY} 1 are certainly different signers: "a" and "b" may be one',
        ),
        (
            (by_key("a", 1), by_key("b", 1)),
            {"allOf": ["a", "b"]},
            'allOf: "a" and "b" given, which one signature is by; different signers wanted',
        ),
        (
            (keyless("a", "ann@x"), keyless("b", "ann@x")),
            {"allOf": ["a", "b"]},
            'allOf: "a" and "b" given, which one signature is by; different signers wanted',
        ),
    ],
)
def test_a_requirement_that_nothing_can_meet_is_refused(
    authorities: tuple[dict[str, Any], ...], settings: dict[str, Any], problem: str
) -> None:
    """Such a policy would refuse everything, or what one signature meets would be called two."""
    with pytest.raises(InvalidPolicy) as refused:
        the_rule(*authorities, **settings)

    assert problem == str(refused.value)
