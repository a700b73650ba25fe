"""The credentials of a Pod in the order in which the kubelet tries them."""

from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain

APP = ImageReference.parse("registry.example.com/team/app:1")
OTHER = ImageReference.parse("other.example.com/app")


def credential(key: str, username: str = "ann", password: str = "pw") -> Credential:
    return Credential(key, username, password)


def test_the_key_decides_before_the_order_of_the_secrets() -> None:
    """A more specific key of a later Secret is tried first."""
    host, team = credential("registry.example.com"), credential("registry.example.com/team")

    assert (team, host) == Keychain.of_secrets([[host], [team]]).candidates(APP)


def test_equal_keys_keep_the_order_of_the_secrets() -> None:
    """Keys that mean the same are tried in the order of the Secrets, however they are written."""
    first = credential("https://registry.example.com", "first")
    second = credential("registry.example.com", "second")
    third = credential("https://registry.example.com", "third")

    assert (first, second, third) == Keychain.of_secrets([[first], [second], [third]]).candidates(
        APP
    )


def test_docker_hubs_key_counts_only_where_nothing_else_matches() -> None:
    """A matching key in any Secret makes Docker Hub's own key superfluous."""
    hub, other = credential("https://index.docker.io/v1/"), credential("docker.io/library")
    nginx = ImageReference.parse("nginx")

    assert ((hub,), (other,)) == (
        Keychain.of_secrets([[hub]]).candidates(nginx),
        Keychain.of_secrets([[hub], [other]]).candidates(nginx),
    )


def test_the_empty_keychain_has_no_candidates_and_a_fixed_fingerprint() -> None:
    """Without credentials, or without one that matches, the fingerprint is always the same."""
    unrelated = Keychain((credential("registry.example.com"),))

    assert ((), "anonymous", "anonymous") == (
        EMPTY_KEYCHAIN.candidates(APP),
        EMPTY_KEYCHAIN.fingerprint(APP),
        unrelated.fingerprint(OTHER),
    )


def test_a_fingerprint_follows_what_would_be_tried() -> None:
    """Fingerprints are equal for equal candidates, and differ with user, password or order."""
    ann, bob = credential("registry.example.com"), credential("registry.example.com", "bob")
    changed = credential("registry.example.com", password="new")
    unrelated = credential("unrelated.example.com", "eve")
    chains = [[ann], [bob], [changed], [ann, bob], [bob, ann]]

    assert (len(chains), True) == (
        len({Keychain(tuple(chain)).fingerprint(APP) for chain in chains}),
        Keychain((ann,)).fingerprint(APP) == Keychain((unrelated, ann)).fingerprint(APP),
    )


def test_neither_repr_nor_fingerprint_show_a_secret() -> None:
    """What a keychain prints has no user, no password and no key."""
    keychain = Keychain((credential("registry.example.com", "ann", "hunter2"),))

    assert ("Keychain()", 64) == (repr(keychain), len(keychain.fingerprint(APP)))
