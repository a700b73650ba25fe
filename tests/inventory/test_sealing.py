"""What is believed of an object, and what is not."""

from dataclasses import replace

import pytest

from inventory.sealed import DAY, NOW, SEAL, a_record, an_object, with_fields
from inventory.verified import a_verification
from landwaiter.inventory.records import Record, content_of
from landwaiter.inventory.sealing import FUTURE_SECONDS, Disbelief, NotBelieved, Seal
from landwaiter.inventory.verifications import Success

ANOTHER_HASH = "0" * 64
CHANGES = {
    "repository": "r.example.com/evil",
    "digest": f"sha256:{ANOTHER_HASH}",
    "authority": "evil",
    "evidence": "https://slsa.dev/provenance/v1",
    "key": ANOTHER_HASH,
    "when": "2025-11-24T17:00:00Z",
    "until": "2099-01-01T00:00:00Z",
    "hmac": ANOTHER_HASH,
}


def test_what_was_sealed_is_believed() -> None:
    """Every field comes back as it was."""
    assert a_record() == SEAL.opened(an_object(), now=NOW)


def test_every_field_is_changed_by_a_test() -> None:
    """A field that is added without being sealed fails here."""
    assert set(CHANGES) == set(an_object()["spec"])


@pytest.mark.parametrize("field", CHANGES)
def test_attack_a_field_that_was_changed_is_noticed(field: str) -> None:
    """Whoever may write the object cannot seal it."""
    changed = with_fields(an_object(), **{field: CHANGES[field]})

    assert NotBelieved(Disbelief.FORGED) == SEAL.opened(changed, now=NOW)


def test_attack_nothing_moves_from_one_field_into_the_next() -> None:
    """Each field is sealed with its name and its length."""
    one = replace(a_record(), authority="a", digest="b" + "digest" + "c")
    other = replace(a_record(), authority="a" + "digest" + "b", digest="c")

    assert SEAL.of(one) != SEAL.of(other)


def test_attack_a_seal_by_another_key_is_none() -> None:
    """That of a test cluster, or of before the Secret was made anew."""
    content = an_object(seal=Seal(b"x" * 32))

    assert NotBelieved(Disbelief.FORGED) == SEAL.opened(content, now=NOW)


def test_attack_a_copy_under_another_name_is_none() -> None:
    """It would be found where somebody looks for another key."""
    copied = an_object()
    copied["metadata"]["name"] = a_record("b").name

    assert NotBelieved(Disbelief.REPLAYED) == SEAL.opened(copied, now=NOW)


@pytest.mark.parametrize(
    ("later", "found"),
    [
        (0, a_record(when=NOW)),
        (FUTURE_SECONDS, a_record(when=NOW + FUTURE_SECONDS)),
        (FUTURE_SECONDS + 1, NotBelieved(Disbelief.FUTURE)),
    ],
)
def test_what_was_verified_later_than_now_is_not_believed(
    later: int, found: Record | NotBelieved
) -> None:
    """But for the seconds by which clocks differ."""
    assert found == SEAL.opened(an_object(a_record(when=NOW + later)), now=NOW)


@pytest.mark.parametrize(
    ("age", "found"),
    [
        (DAY - 1, a_record(when=NOW - DAY + 1)),
        (DAY, NotBelieved(Disbelief.EXPIRED, 0)),
        (DAY + 5, NotBelieved(Disbelief.EXPIRED, 5)),
    ],
)
def test_what_is_over_is_not_believed(age: int, found: Record | NotBelieved) -> None:
    """It says for how long it has been over."""
    assert found == SEAL.opened(an_object(a_record(when=NOW - age)), now=NOW)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"spec": None},
        {"spec": []},
        with_fields(an_object(), when="yesterday"),
        with_fields(an_object(), when="2025-02-30T00:00:00Z"),
        with_fields(an_object(), until="2025-11-24T16:00:00+01:00"),
        with_fields(an_object(), key="K" * 64),
        with_fields(an_object(), digest="sha256:1"),
        with_fields(an_object(), authority=1),
        with_fields(an_object(), authority="a" * 254),
        with_fields(an_object(), authority="\ud800"),
        with_fields(an_object(), hmac=None),
        with_fields(an_object(), more="1"),
    ],
    ids=str,
)
def test_what_is_malformed_is_not_believed(content: dict[str, object]) -> None:
    """The definition in the cluster may be another one than ours."""
    assert NotBelieved(Disbelief.MALFORMED) == SEAL.opened(content, now=NOW)


def test_a_record_ends_with_what_it_was_verified_by() -> None:
    """An attestation may grow too old before it is removed."""
    success = Success(a_verification(), "ci", NOW)
    ends = [None, NOW + 5.5, NOW + 2.0 * DAY]

    assert [NOW + DAY, NOW + 5, NOW + DAY] == [
        Record.of(replace(success, ends=each), keep_seconds=DAY).until for each in ends
    ]


def test_no_representation_shows_the_key() -> None:
    """It would be in a log."""
    assert ("Seal()", 32, False) == (repr(SEAL), len(Seal.new().key), Seal.new() == Seal.new())


def test_what_is_written_fits_into_the_definition() -> None:
    """A name that nobody could write otherwise is cut, and keeps its seal."""
    odd = Record("r", f"sha256:{ANOTHER_HASH}", "é" * 253, "signature", ANOTHER_HASH, 0, 1)

    assert odd == SEAL.opened(content_of(odd, SEAL.of(odd)), now=0)
