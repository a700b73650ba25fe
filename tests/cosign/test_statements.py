import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosign.fakes import a_bundle, a_digest, a_statement
from landwaiter.cosign.statements import (
    Attestation,
    Envelope,
    MalformedError,
    attested,
    envelope_in,
    envelope_in_bundle,
)

DIGEST = a_digest("app")
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
SLSA = "https://slsa.dev/provenance/v1"


def an_envelope(statement: object) -> Envelope:
    text = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    return Envelope(text, (b"signature",))


def test_a_statement_about_our_digest_is_an_attestation() -> None:
    """It is told apart by its content, and keeps what is to be judged of it."""
    envelope = an_envelope(a_statement(DIGEST, predicate_type=VULN))

    assert Attestation(
        hashlib.sha256(envelope.payload).hexdigest(), envelope.payload, 7.0
    ) == attested(envelope, DIGEST, VULN, 7.0)


def test_one_of_several_subjects_is_enough() -> None:
    """A build that made several things attests them together; its type may be of version 0.1."""
    statement = {
        **a_statement(DIGEST, predicate_type=VULN),
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [
            "nonsense",
            {"name": "other", "digest": {"sha256": a_digest("other")[7:]}},
            {"name": "app", "digest": {"sha1": "0" * 40, "sha256": DIGEST[7:]}},
        ],
    }

    assert attested(an_envelope(statement), DIGEST, VULN, None).signed_at is None


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            a_statement(DIGEST, predicate_type=SLSA),
            f'it is of the type "{SLSA}"',
        ),
        (a_statement(DIGEST, predicate_type=f"{VULN}/"), f'it is of the type "{VULN}/"'),
        (a_statement(a_digest("other"), predicate_type=VULN), "it is about another image"),
        (
            {**a_statement(DIGEST, predicate_type=VULN), "subject": []},
            "it is about another image",
        ),
        (
            {
                **a_statement(DIGEST, predicate_type=VULN),
                "subject": [{"digest": {"sha512": DIGEST[7:]}}],
            },
            "it is about another image",
        ),
        (
            {
                **a_statement(DIGEST, predicate_type=VULN),
                "subject": [{"digest": {"sha256": DIGEST[7:].upper()}}],
            },
            "it is about another image",
        ),
        (
            {**a_statement(DIGEST, predicate_type=VULN), "_type": "https://example.com/Statement"},
            'what it signs is a "https://example.com/Statement"',
        ),
        (
            {"_type": "https://in-toto.io/Statement/v1", "predicateType": VULN, "subject": []},
            "what it signs is no statement",
        ),
        (b"[]", "it is not a JSON object"),
        (b"\x00", "it is not JSON that can be read in one way only"),
        (b"[" * 200_000, "it is not JSON that can be read in one way only"),
    ],
    ids=range(11),
)
def test_attack_what_is_signed_for_something_else_is_no_attestation(
    statement: object, said: str
) -> None:
    """A good signature says nothing about another image, and nothing of another type."""
    with pytest.raises(MalformedError) as problem:
        attested(an_envelope(statement), DIGEST, VULN, None)

    assert said == str(problem.value)


@pytest.mark.parametrize("name", ["predicateType", "subject", "sha256"])
def test_attack_a_statement_that_two_readers_would_read_differently_is_none(name: str) -> None:
    """A field that is given twice has two values, whichever of them cosign looks at."""
    text = json.dumps(a_statement(DIGEST, predicate_type=VULN))
    twice = text.replace(f'"{name}": ', f'"{name}": null, "{name}": ')

    with pytest.raises(MalformedError, match="read in one way only"):
        attested(an_envelope(twice.encode()), DIGEST, VULN, None)


def test_an_envelope_is_the_same_in_a_bundle_and_by_itself() -> None:
    """It is told apart by what is signed and by its signatures, and not by how it is written."""
    bundle = a_bundle(DIGEST, predicate_type=VULN)
    alone = json.loads(bundle)["dsseEnvelope"]
    spelled = json.dumps({"signatures": [{**alone["signatures"][0], "keyid": ""}], **alone})

    assert envelope_in_bundle(bundle) == envelope_in(spelled.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "text/plain"},
        {"payloadType": None},
        {"payload": "not base64!"},
        {"payload": 7},
        {"signatures": {}},
        {"signatures": [{"sig": "*"}]},
        {"signatures": [{}]},
        {"signatures": ["sig"]},
    ],
    ids=range(8),
)
def test_what_is_no_envelope_is_refused(change: dict[str, object]) -> None:
    """Whatever is missing or of another kind, it is never an envelope of a statement."""
    envelope = {
        "payloadType": "application/vnd.in-toto+json",
        "payload": base64.b64encode(b"{}").decode(),
        "signatures": [{"sig": "c2ln"}],
    }
    with pytest.raises(MalformedError):
        envelope_in(json.dumps({**envelope, **change}).encode())


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_hostile_content_raises_nothing_but_its_own_error(content: bytes) -> None:
    """Whatever the bytes are, they are no envelope and no statement."""
    for look in (
        lambda: envelope_in(content),
        lambda: envelope_in_bundle(content),
        lambda: attested(Envelope(content, ()), DIGEST, VULN, None),
    ):
        with pytest.raises(MalformedError):
            look()
