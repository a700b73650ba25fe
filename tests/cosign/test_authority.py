from dataclasses import replace

import pytest

from cosign.fakes import a_key, an_authority
from landwaiter.cosign.authority import Authority
from landwaiter.errors import InvalidPolicy
from landwaiter.public_keys import PublicKey

VERSION = "v3.1.3"


def test_semantics_21_all_that_shapes_a_verification_is_in_the_fingerprint() -> None:
    """Another key, log, root or version of cosign is another question."""
    fingerprints = [
        an_authority(1).fingerprint(VERSION),
        an_authority(2).fingerprint(VERSION),
        an_authority(1, root=b"{}").fingerprint(VERSION),
        an_authority(1, root=b"{ }").fingerprint(VERSION),
        an_authority(1).fingerprint("v3.1.4"),
    ]

    assert 5 == len(set(fingerprints))


def test_semantics_21_the_name_is_not_in_the_fingerprint() -> None:
    """Policies that call the same key by different names share results."""
    assert an_authority(name="ci").fingerprint(VERSION) == an_authority(name="cd").fingerprint(
        VERSION
    )


def test_a_key_is_the_same_however_its_text_is_wrapped() -> None:
    """Line ends and blanks around a PEM block change no fingerprint."""
    authority = an_authority()
    wrapped = PublicKey.parse("\n" + a_key().pem.replace("\n", "\r\n") + "\n")

    assert authority.fingerprint(VERSION) == replace(authority, key=wrapped).fingerprint(VERSION)


def test_a_required_log_needs_a_root() -> None:
    """Without a root the log could only be judged with one from the network."""
    with pytest.raises(InvalidPolicy) as problem:
        Authority("ci", a_key(), "Required")

    assert (
        'authority "ci": the trusted root is missing and transparencyLog is Required; '
        "a trusted root with Required, none with Ignored wanted"
    ) == str(problem.value)


def test_a_root_that_nothing_reads_is_refused() -> None:
    """A setting that does nothing is a mistake."""
    with pytest.raises(InvalidPolicy) as problem:
        Authority("ci", a_key(), "Ignored", b"{}")

    assert (
        'authority "ci": the trusted root is given and transparencyLog is Ignored; '
        "a trusted root with Required, none with Ignored wanted"
    ) == str(problem.value)
