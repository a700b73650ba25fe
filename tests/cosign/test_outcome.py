"""What finished runs prove; the outputs are those that cosign 3.1.3 printed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosign.fakes import SIGN_TYPE, SIMPLE_TYPE, a_digest, an_image
from landwaiter.cosign.outcome import (
    AskedImage,
    FinishedRun,
    NotVerified,
    SignatureFormat,
    Unjudged,
    Verified,
    Wanted,
    meaning_of,
)
from landwaiter.errors import CosignUnavailable

BUNDLE = SignatureFormat.BUNDLE
OLD = SignatureFormat.SIMPLE_SIGNING
NO_MATCH = b"error during command execution: no matching signatures\n"
IMAGE = an_image()


def asked(number: int = 0, *, listed: int = 2, complete: bool = True) -> AskedImage:
    subject = IMAGE if number == 0 else an_image(f"registry.example.com/team/app{number}")
    operand = f"127.0.0.1:4000/{'0f' * 16}/{number}@{subject.digest}"
    return AskedImage(subject, operand, times_listed=listed, complete=complete)


def entry(
    image: AskedImage,
    *,
    reference: str | None = None,
    digest: str | None = None,
    type_: str = SIGN_TYPE,
) -> Mapping[str, Any]:
    return {
        "critical": {
            "identity": {"docker-reference": image.operand if reference is None else reference},
            "image": {"docker-manifest-digest": digest or image.subject.digest},
            "type": type_,
        },
        "optional": {},
    }


def old_entry(image: AskedImage, **changes: str) -> Mapping[str, Any]:
    return entry(image, **{"reference": image.subject.name, "type_": SIMPLE_TYPE, **changes})


def printed(*lines: object) -> bytes:
    return b"".join(b"\n" + json.dumps(line).encode() + b"\n" for line in lines)


def a_run(stdout: bytes = b"", *, code: int = 0, stderr: bytes = b"") -> FinishedRun:
    return FinishedRun(exit_code=code, stdout=stdout, stderr=stderr)


def test_a_signed_bundle_is_verified() -> None:
    """Exit 0 with our digest and the type of a signature is a signature."""
    image = asked()

    assert (Verified(BUNDLE),) == meaning_of(a_run(printed([entry(image)])), [image], BUNDLE)


def test_an_old_signature_is_verified() -> None:
    """In the old format the signed name is that of the image."""
    image = asked()

    assert (Verified(OLD),) == meaning_of(a_run(printed([old_entry(image)])), [image], OLD)


@pytest.mark.parametrize(
    "reference",
    [
        "registry.example.com/team/app:1.0",
        "Registry.Example.COM/team/app",
        f"registry.example.com/team/app@{a_digest('another')}",
    ],
)
def test_an_old_signature_names_the_repository_in_any_spelling(reference: str) -> None:
    """The signed name is compared as a reference, without what it says of tag and digest."""
    image = asked()
    run = a_run(printed([old_entry(image, reference=reference)]))

    assert (Verified(OLD),) == meaning_of(run, [image], OLD)


def test_semantics_13_an_attestation_is_no_signature() -> None:
    """An image that only has a signed attestation passes `cosign verify`; the type tells."""
    image = asked()
    vulnerabilities = "https://cosign.sigstore.dev/attestation/vuln/v1"
    run = a_run(printed([entry(image, type_=vulnerabilities)]))

    assert (
        NotVerified(
            "signed for something else",
            f'the key has signed a "{vulnerabilities}", a "{SIGN_TYPE}" is wanted',
        ),
    ) == meaning_of(run, [image], BUNDLE)


@pytest.mark.parametrize("signature_format", list(SignatureFormat))
def test_semantics_13_another_digest_is_not_ours(signature_format: SignatureFormat) -> None:
    """Exit 0 about another digest is no signature, whatever cosign may have compared."""
    image = asked()
    other = a_digest("another image")
    make = entry if signature_format is BUNDLE else old_entry
    run = a_run(printed([make(image, digest=other)]))

    assert (
        NotVerified("signed for something else", f'the key has signed "{other}", not this digest'),
    ) == meaning_of(run, [image], signature_format)


@pytest.mark.parametrize(
    "reference",
    [
        "registry.example.com/team/app-evil",
        "registry.example.com.evil/team/app",
        "evil.example/registry.example.com/team/app",
        "registry.example.com/team",
        "",
        "::",
    ],
)
def test_semantics_13_an_old_signature_of_another_repository_does_not_count(
    reference: str,
) -> None:
    """A signature that was copied from another repository names that one."""
    image = asked()
    run = a_run(printed([old_entry(image, reference=reference)]))

    assert (
        NotVerified(
            "signed for something else",
            f'the key has signed this digest for "{reference}", '
            '"registry.example.com/team/app" is wanted',
        ),
    ) == meaning_of(run, [image], OLD)


@pytest.mark.parametrize(("signature_format", "type_"), [(BUNDLE, SIMPLE_TYPE), (OLD, SIGN_TYPE)])
def test_semantics_13_each_format_has_its_own_type(
    signature_format: SignatureFormat, type_: str
) -> None:
    """The type of the other format is not taken for a signature."""
    image = asked()
    make = entry if signature_format is BUNDLE else old_entry
    (outcome,) = meaning_of(a_run(printed([make(image, type_=type_)])), [image], signature_format)

    assert isinstance(outcome, NotVerified)


def test_one_good_payload_among_others_is_enough() -> None:
    """A signed attestation beside a signature does not hide it."""
    image = asked()
    run = a_run(printed([entry(image, type_="https://slsa.dev/provenance/v1"), entry(image)]))

    assert (Verified(BUNDLE),) == meaning_of(run, [image], BUNDLE)


def test_semantics_12_a_wrong_key_on_a_bundle_exits_1() -> None:
    """With all material complete, exit 1 is a refusal and no unreachable registry."""
    image = asked()

    assert (
        NotVerified(
            "no valid signature",
            'none of its signatures is by this key; cosign says: "no matching signatures"',
        ),
    ) == meaning_of(a_run(code=1, stderr=NO_MATCH), [image], BUNDLE)


@pytest.mark.parametrize("code", [1, 2, 10, 11, 12, 13, 255])
def test_every_exit_but_0_is_the_same_refusal(code: int) -> None:
    """No code says more than another: 1 is a wrong key as well as a panic is 2."""
    refusal = NotVerified("no valid signature", "none of its signatures is by this key")

    assert (refusal,) == meaning_of(a_run(code=code), [asked()], OLD)


def test_standard_error_means_nothing() -> None:
    """Wordings of success and failure on standard error change no verdict."""
    image = asked()
    lying = b"error during command execution: no matching signatures"
    run = a_run(printed([entry(image)]), stderr=lying)

    assert (Verified(BUNDLE),) == meaning_of(run, [image], BUNDLE)


@pytest.mark.parametrize(("signature_format", "listed"), [(BUNDLE, 0), (BUNDLE, 1), (OLD, 0)])
def test_semantics_12_an_end_before_the_image_is_no_verdict(
    signature_format: SignatureFormat, listed: int
) -> None:
    """A bad flag, key file or trusted root ends cosign before it judges any signature."""
    run = a_run(code=1, stderr=b"unknown flag")
    with pytest.raises(CosignUnavailable) as fault:
        meaning_of(run, [asked(listed=listed)], signature_format)

    assert (
        'cosign ended with exit code 1 before it looked at the image; cosign says: "unknown flag"'
    ) == str(fault.value)


def test_semantics_12_incomplete_material_is_no_verdict() -> None:
    """Had cosign not been given all it asked for, its refusal says nothing about the image."""
    with pytest.raises(CosignUnavailable) as fault:
        meaning_of(a_run(code=1), [asked(complete=False)], BUNDLE)

    assert "cosign ended with exit code 1 and had not been given all it asked for" == str(
        fault.value
    )


def test_semantics_12_a_signal_is_no_verdict() -> None:
    """A process that was killed has not judged."""
    image = asked()
    run = FinishedRun(exit_code=None, signal=9, stdout=printed([entry(image)]))
    with pytest.raises(CosignUnavailable) as fault:
        meaning_of(run, [image], BUNDLE)

    assert "cosign was ended by signal 9" == str(fault.value)


def test_the_first_bad_image_ends_a_run() -> None:
    """What came before it stands, and what comes after it is unjudged."""
    images = [asked(0), asked(1, listed=1), asked(2, listed=0), asked(3, listed=0)]
    run = a_run(printed([entry(images[0])]), code=1)

    assert (
        Verified(BUNDLE),
        NotVerified("no valid signature", "none of its signatures is by this key"),
        Unjudged(),
        Unjudged(),
    ) == meaning_of(run, images, BUNDLE)


def test_each_line_belongs_to_its_image() -> None:
    """A line about another image of the run makes the whole run prove nothing."""
    images = [asked(0), asked(1)]
    run = a_run(printed([entry(images[1])], [entry(images[0])]))
    with pytest.raises(CosignUnavailable) as fault:
        meaning_of(run, images, BUNDLE)

    assert "cosign's answer is about another image than the one asked for" == str(fault.value)


@pytest.mark.parametrize(
    ("stdout", "code", "answers"),
    [
        (b"", 0, 0),
        (printed([entry(asked())], [entry(asked())]), 0, 2),
        (printed([entry(asked())]), 1, 1),
        (b"cosign 4.0.0 is here!\n" + printed([entry(asked())]), 0, 2),
    ],
    ids=["silence", "too much", "exit 1 with an answer", "chatter"],
)
def test_code_and_output_must_go_together(stdout: bytes, code: int, answers: int) -> None:
    """Output that does not fit what was asked is no verdict."""
    with pytest.raises(CosignUnavailable) as fault:
        meaning_of(a_run(stdout, code=code), [asked()], BUNDLE)

    assert (
        f"cosign ended with exit code {code} and answers for {answers} of 1 images, "
        "which do not go together"
    ) == str(fault.value)


@pytest.mark.parametrize(
    "line",
    [
        b"error decoding the payload: invalid character",
        b"null",
        b"{}",
        b"[null]",
        b'[{"critical":{}}]',
        b"[" * 100_000,
        b'["\xff"]',
        json.dumps([{**entry(asked()), "critical": []}]).encode(),
        json.dumps([{"critical": {"type": SIGN_TYPE}}]).encode(),
        json.dumps([entry(asked())]).replace('"type"', '"type": 1, "type"').encode(),
    ],
    ids=range(10),
)
def test_a_line_that_is_not_as_cosign_prints_it_is_no_signature(line: bytes) -> None:
    """Every entry is parsed strictly: missing, doubled or foreign fields count for nothing."""
    assert (
        NotVerified("unreadable signature", "what its signature signs cannot be read"),
    ) == meaning_of(a_run(line), [asked()], BUNDLE)


def test_an_empty_answer_is_no_signature() -> None:
    """Exit 0 without any payload admits nothing."""
    assert (
        NotVerified("no valid signature", "none of its signatures is by this key"),
    ) == meaning_of(a_run(b"[]\n"), [asked()], BUNDLE)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400), st.integers(0, 255))
def test_no_output_is_mistaken_for_a_signature(stdout: bytes, code: int) -> None:
    """Whatever a program prints, it proves nothing, refuses, or raises its one error."""
    try:
        outcomes = meaning_of(a_run(stdout, code=code), [asked()], OLD)
    except CosignUnavailable:
        return

    assert {NotVerified} == {type(outcome) for outcome in outcomes}


@pytest.mark.parametrize("signature_format", list(SignatureFormat))
@pytest.mark.parametrize(
    ("signed", "said"),
    [
        ({"stage": "prod", "team": "shop"}, None),
        ({"stage": "dev"}, ' "dev"'),
        ({}, ""),
        ({"stage": ["prod"]}, ""),
        (None, ""),
    ],
)
def test_a_signature_has_the_annotations_that_are_wanted(
    signature_format: SignatureFormat, signed: object, said: str | None
) -> None:
    """They count as they are signed: another value, another type or none is not the one wanted."""
    image = asked()
    make = entry if signature_format is BUNDLE else old_entry
    run = a_run(printed([{**make(image), "optional": signed}]))
    refused = NotVerified(
        "signed for something else",
        f'the identity has signed this digest with the annotation "stage"{said}, "prod" is wanted',
    )

    assert (Verified(signature_format) if said is None else refused,) == meaning_of(
        run, [image], signature_format, Wanted("identity", (("stage", "prod"),))
    )


def test_one_signature_has_all_annotations() -> None:
    """Two signatures that have one each do not make one that has both."""
    image = asked()
    halves = [{**entry(image), "optional": {name: "x"}} for name in ("a", "b")]
    wanted = Wanted("key", (("a", "x"), ("b", "x")))

    assert (
        NotVerified(
            "signed for something else",
            'the key has signed this digest with the annotation "b", "x" is wanted',
        ),
    ) == meaning_of(a_run(printed(halves)), [image], BUNDLE, wanted)
