import json
from collections.abc import Callable
from typing import Any

import pytest

from cosign.fakes import a_key, a_root, an_identity
from cosign.timestamps import a_timestamp
from landwaiter.cosign.annotations import LOG_ENTRY, SIGNATURE, TIMESTAMP
from landwaiter.cosign.authority import Criterion, Signer
from landwaiter.cosign.material import SimpleSignature
from landwaiter.cosign.times import tells_time, timed_bundle, timed_envelope
from landwaiter.cosign.vetting import UnusableError
from landwaiter.trusted_roots import Checks

EARLY, LATE = 1_700_000_000, 1_800_000_000


def a_proof(*, logged: tuple[object, ...] = (), stamped: tuple[int, ...] = ()) -> dict[str, Any]:
    return {
        "certificate": {"rawBytes": "MII="},
        "tlogEntries": [{"logIndex": "1", "integratedTime": each} for each in logged],
        "timestampVerificationData": {
            "rfc3161Timestamps": [{"signedTimestamp": a_timestamp(each)} for each in stamped]
        },
    }


def a_bundle_of(proof: object) -> bytes:
    return json.dumps({"mediaType": "x", "verificationMaterial": proof}).encode()


def an_envelope(**annotations: object) -> SimpleSignature:
    written = {
        {"logged": LOG_ENTRY, "stamped": TIMESTAMP}[name]: value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in annotations.items()
    }
    return SimpleSignature(b"{}", {SIGNATURE: "c2ln", **written})


def entry(at: object, **more: object) -> dict[str, Any]:
    payload = {"body": "e30=", "integratedTime": at, "logIndex": 7, "logID": "aa", **more}
    return {"SignedEntryTimestamp": "c2V0", "Payload": payload}


@pytest.mark.parametrize(
    ("signer", "checks", "expected"),
    [
        (an_identity(), Checks(transparency_log=True), True),
        (an_identity(), Checks(timestamps=True), True),
        (an_identity(), Checks(certificate_transparency=True), False),
        (a_key(), Checks(timestamps=True), True),
        (a_key(), Checks(transparency_log=True), False),
        (a_key(), Checks(), False),
    ],
)
def test_a_time_counts_only_where_cosign_has_verified_one(
    signer: Signer, checks: Checks, expected: object
) -> None:
    """A key is good at any time, so that cosign asks no log when it has signed."""
    root = None if checks == Checks() else a_root()

    assert expected == tells_time(Criterion(signer, checks, root))


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        (a_proof(), None),
        (a_proof(logged=(str(LATE),)), LATE),
        (a_proof(logged=(LATE,)), LATE),
        (a_proof(logged=("0", None, 0, "")), None),
        (a_proof(stamped=(LATE,)), LATE),
        (a_proof(stamped=(LATE, EARLY)), EARLY),
        (a_proof(logged=(str(EARLY),), stamped=(LATE,)), EARLY),
        (a_proof(logged=(str(LATE),), stamped=(EARLY,)), EARLY),
        (a_proof(logged=("0",), stamped=(LATE,)), LATE),
        ({"tlogEntries": None, "timestampVerificationData": None}, None),
    ],
    ids=range(10),
)
def test_attack_another_time_makes_a_bundle_only_older(
    proof: dict[str, Any], expected: float | None
) -> None:
    """Of all times the oldest counts: whoever adds a new one to an old bundle gains nothing."""
    served, signed_at = timed_bundle(a_bundle_of(proof))

    assert (json.loads(a_bundle_of(proof)), expected) == (json.loads(served), signed_at)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, None),
        ({"logged": entry(LATE)}, LATE),
        ({"stamped": {"SignedRFC3161Timestamp": a_timestamp(LATE)}}, LATE),
        (
            {"logged": entry(EARLY), "stamped": {"SignedRFC3161Timestamp": a_timestamp(LATE)}},
            EARLY,
        ),
        ({"logged": "", "stamped": ""}, None),
    ],
    ids=range(5),
)
def test_attack_another_time_makes_an_envelope_only_older(
    annotations: dict[str, object], expected: float | None
) -> None:
    """In the old format as well, where times stand in annotations."""
    envelope = an_envelope(**annotations)
    served, signed_at = timed_envelope(envelope)

    assert (expected, envelope.payload, read(envelope)) == (signed_at, served.payload, read(served))


def read(envelope: SimpleSignature) -> dict[str, Any]:
    """Return the annotations with their values as they are read."""
    return {
        name: json.loads(text) if text.startswith("{") else text
        for name, text in envelope.annotations.items()
    }


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    return lambda bundle: bundle.replace(old.encode(), new.encode())


@pytest.mark.parametrize(
    "change",
    [
        # Both spellings that protobuf's JSON has, of which another reader takes the other.
        replaced('"integratedTime"', '"integrated_time"'),
        replaced('"tlogEntries"', '"tlog_entries"'),
        replaced('"verificationMaterial"', '"verification_material"'),
        # The same name twice.
        replaced('"integratedTime": ', f'"integratedTime": "{EARLY}", "integratedTime": '),
        replaced('"tlogEntries": ', '"tlogEntries": [], "tlogEntries": '),
        # Numbers that are written otherwise, or are none.
        replaced(f'"{LATE}"', f"{LATE}.0"),
        replaced(f'"{LATE}"', "1.8e9"),
        replaced(f'"{LATE}"', f'"+{LATE}"'),
        replaced(f'"{LATE}"', f'" {LATE}"'),
        replaced(f'"{LATE}"', f'"0{LATE}"'),
        replaced(f'"{LATE}"', '"-1"'),
        replaced(f'"{LATE}"', "true"),
        replaced(f'"{LATE}"', '"١٨٠٠٠٠٠٠٠٠"'),
        replaced(f'"{LATE}"', '"' + "9" * 30 + '"'),
        # Something else where a list, an object or an answer is expected.
        replaced('"tlogEntries": [', '"tlogEntries": {"a": ['),
        replaced('"rfc3161Timestamps": [', '"rfc3161Timestamps": ["", '),
        replaced(a_timestamp(LATE), "AAAA"),
        replaced(a_timestamp(LATE), "not base64!"),
        replaced(f'"{a_timestamp(LATE)}"', "null"),
        lambda _: b"[" * 200_000,
        lambda _: b"[]",
        lambda _: b"{}",
        lambda bundle: b"\xff" + bundle,
    ],
    ids=range(23),
)
def test_attack_a_time_that_could_be_read_in_two_ways_is_not_read(
    change: Callable[[bytes], bytes],
) -> None:
    """What cosign may verify another time of than we read is never served to it."""
    bundle = a_bundle_of(a_proof(logged=(str(LATE),), stamped=(LATE,)))
    changed = change(bundle)

    assert bundle != changed
    with pytest.raises(UnusableError):
        timed_bundle(changed)


def test_attack_other_names_for_the_times_of_an_envelope_are_not_served() -> None:
    """Go reads `INTEGRATEDTIME` as the time too, and takes what stands last."""
    logged = entry(EARLY, INTEGRATEDTIME=LATE)
    payload = {**logged.pop("Payload"), "extra": 1}
    stamp = {"SignedRFC3161Timestamp": a_timestamp(EARLY), "signedrfc3161timestamp": "x"}
    envelope = an_envelope(
        logged={**logged, "Payload": payload, "PAYLOAD": entry(LATE)["Payload"]}, stamped=stamp
    )
    served, signed_at = timed_envelope(envelope)

    assert (entry(EARLY), {"SignedRFC3161Timestamp": a_timestamp(EARLY)}, EARLY) == (
        json.loads(served.annotations[LOG_ENTRY]),
        json.loads(served.annotations[TIMESTAMP]),
        signed_at,
    )


@pytest.mark.parametrize(
    "annotations",
    [
        {"logged": "{"},
        {"logged": "[]"},
        {"logged": '{"Payload": {}, "Payload": {}}'},
        {"logged": {"Payload": []}},
        {"logged": entry("soon")},
        {"logged": entry(1.5)},
        {"stamped": "{}"},
        {"stamped": {"SignedRFC3161Timestamp": "AAAA"}},
        {"stamped": "[" * 200_000},
    ],
    ids=range(9),
)
def test_an_envelope_whose_times_cannot_be_read_is_not_served(
    annotations: dict[str, object],
) -> None:
    """Leaving it out can only refuse."""
    with pytest.raises(UnusableError):
        timed_envelope(an_envelope(**annotations))
