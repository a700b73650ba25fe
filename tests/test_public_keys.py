"""Which keys may verify signatures."""

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidPublicKey
from landwaiter.public_keys import KMSReference, PublicKey


def pem_of(private: object) -> str:
    public = private.public_key()  # type: ignore[attr-defined]  # Every key kind has it.
    text: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("private", "algorithm"),
    [
        (P256, "ECDSA P-256"),
        (ec.generate_private_key(ec.SECP384R1()), "ECDSA P-384"),
        (ec.generate_private_key(ec.SECP521R1()), "ECDSA P-521"),
        (rsa.generate_private_key(65537, 2048), "RSA 2048"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
    ],
)
def test_the_kinds_that_cosign_verifies_with_are_accepted(private: object, algorithm: str) -> None:
    """Each kind of key is told apart."""
    assert algorithm == PublicKey.parse(pem_of(private)).algorithm


@pytest.mark.parametrize(
    ("private", "seen"),
    [
        (ec.generate_private_key(ec.SECP256K1()), "an ECDSA key on secp256k1"),
        (rsa.generate_private_key(65537, 1024), "an RSA key of 1024 bits"),
        (dsa.generate_private_key(1024), "a key of type"),
        (ed448.Ed448PrivateKey.generate(), "a key of type"),
    ],
)
def test_weak_and_foreign_keys_are_refused(private: object, seen: str) -> None:
    """A key that cosign would not use, or that is too short, says what it is."""
    with pytest.raises(InvalidPublicKey, match=seen):
        PublicKey.parse(pem_of(private))


def test_a_key_equals_itself_however_it_was_wrapped() -> None:
    """White space around a PEM block and its line ends do not make another key."""
    text = pem_of(P256)

    assert PublicKey.parse(text) == PublicKey.parse("\n" + text.replace("\n", "\r\n") + "\n")


def test_a_private_key_is_refused_and_not_quoted() -> None:
    """A private key pasted by mistake does not come back in the error."""
    text = P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    with pytest.raises(InvalidPublicKey) as caught:
        PublicKey.parse(text)

    assert str(caught.value) == "a private key is given; the public key is wanted"


@pytest.mark.parametrize("text", ["", "ssh-ed25519 AAAA", pem_of(P256) * 2, "x" * 10_000])
def test_what_is_not_one_pem_block_is_refused(text: str) -> None:
    """Nothing, other formats, several keys and huge texts are refused."""
    with pytest.raises(InvalidPublicKey, match="one block"):
        PublicKey.parse(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever is between the markers, the error is the room's own."""
    with pytest.raises(InvalidPublicKey):
        PublicKey.parse(f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")


@pytest.mark.parametrize(
    "text",
    [
        "awskms:///alias/signing",
        "awskms:///arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/k/versions/1",
        "azurekms://vault.vault.azure.net/key",
        "hashivault://signing",
    ],
)
def test_names_of_keys_in_a_kms_are_taken_as_cosign_takes_them(text: str) -> None:
    """The scheme says which service it is."""
    assert KMSReference(text.partition(":")[0], text) == KMSReference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "signing", "awskms:", "awskms://", "://a", "AWSKMS://a", "-x://a", "a b://c"),
        *("awskms://a b", "awskms://a\n", "awskms://é", "awskms://$(id)", f"awskms://{'a' * 1025}"),
        *("env://KEY", "k8s://ns/name", "gitlab://a/b", "github://a/b", "pkcs11:token=a"),
        *("https://example.com/key", "http://example.com/key", "file:///etc/passwd"),
    ],
)
def test_attack_what_cosign_would_read_elsewhere_is_no_key_of_a_kms(text: str) -> None:
    """No file, no address, no variable and no object of the cluster is read by such a name."""
    with pytest.raises(InvalidPublicKey, match="KMS"):
        KMSReference.parse(text)
