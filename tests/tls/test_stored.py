"""What the Secret says, and what is wrong with one that was damaged."""

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from landwaiter.errors import InvalidCertificate
from landwaiter.tls.bundles import fingerprints_in
from landwaiter.tls.stored import ENTRY_MAX_BYTES, decode, encode
from tls.states import a_state, an_identity


def test_what_is_written_is_read() -> None:
    """In every state of renewal."""
    for state in (a_state(), a_state(following=an_identity()), a_state(old=2)):
        assert state == decode(encode(state))


def test_the_bundle_has_every_ca_once() -> None:
    """The current one first, then the next, then the old ones."""
    state = a_state(following=an_identity(), old=1)
    following = state.following
    assert following is not None

    assert state.current.ca + following.ca + state.old[0] == state.bundle
    assert 3 == len(fingerprints_in(state.bundle))


def a_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


Damage = Callable[[dict[str, bytes]], object]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (dict.clear, "ca.crt is missing"),
        (lambda e: e.pop("tls.key"), "tls.key is missing"),
        (lambda e: e.pop("next.crt"), "next.crt is missing"),
        (lambda e: e.pop("next.key"), "next.key is missing"),
        (lambda e: e.update({"tls.crt": b"junk"}), "tls.crt: no certificates in PEM"),
        (lambda e: e.update({"ca.crt": b""}), "ca.crt: no certificates in PEM"),
        (lambda e: e.update({"tls.key": b"junk"}), "tls.key is no private key in PEM"),
        (lambda e: e.update({"tls.key": a_key()}), "tls.key is the key of another certificate"),
        (lambda e: e.update({"ca.crt": an_identity().ca}), "no CA in ca.crt vouches for tls.crt"),
        (
            lambda e: e.update({"ca.crt": b"x" * (ENTRY_MAX_BYTES + 1)}),
            f"ca.crt has more than {ENTRY_MAX_BYTES} bytes",
        ),
    ],
)
def test_what_does_not_fit_is_named(damage: Damage, problem: str) -> None:
    """A half of one certificate served with a half of another would be an outage."""
    entries = encode(a_state(following=an_identity()))
    damage(entries)
    with pytest.raises(InvalidCertificate) as fault:
        decode(entries)

    assert problem == str(fault.value)


def test_nothing_of_a_damaged_secret_is_quoted() -> None:
    """Not even a key that somebody has put into the wrong place."""
    entries = encode(a_state())
    entries["tls.crt"] = entries["tls.key"]
    with pytest.raises(InvalidCertificate) as fault:
        decode(entries)

    secret = base64.b64encode(b"-----").decode()
    assert not any(each in str(fault.value) for each in ("BEGIN", secret))
