"""What is made: a CA that vouches for one certificate, and for nothing else."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from landwaiter.serving.certificates import CertificatePair
from landwaiter.serving.trust import distrust
from landwaiter.tls.making import BACKDATED, LIFETIME, make_identity
from tls.states import NOW, an_identity


@pytest.mark.parametrize("name", ["landwaiter.lw.svc", "127.0.0.1", "::1"])
def test_the_ca_vouches_for_its_certificate(name: str) -> None:
    """Under each of its names, host or address, and under no other."""
    made = make_identity([name, "another.example.com"], now=NOW)
    pair = CertificatePair(made.chain, made.key)

    assert [None, None, True] == [
        distrust(pair, made.ca, name),
        distrust(pair, made.ca, "another.example.com"),
        distrust(pair, made.ca, "other.lw.svc") is not None,
    ]
    assert frozenset({name, "another.example.com"}) == made.names


def test_a_ca_vouches_for_nothing_of_another() -> None:
    """Each of them has a key and a name of its own."""
    one, other = an_identity(), an_identity()
    pair = CertificatePair(one.chain, one.key)

    assert distrust(pair, other.ca, "landwaiter.lw.svc") is not None
    assert one.ca != other.ca


def test_it_is_valid_from_before_it_was_made() -> None:
    """A clock that is behind takes it too."""
    made = an_identity()

    assert (NOW - BACKDATED, NOW + LIFETIME) == (made.begins, made.ends)
    assert timedelta(days=1) == BACKDATED


def test_a_certificate_may_serve_and_no_more() -> None:
    """It signs nothing and is no client; the CA signs certificates and serves nothing."""
    made = an_identity()
    leaf = made.leaf.extensions
    ca = x509.load_pem_x509_certificate(made.ca).extensions
    purposes = leaf.get_extension_for_class(x509.ExtendedKeyUsage).value
    usages = [each.get_extension_for_class(x509.KeyUsage).value for each in (leaf, ca)]
    limits = [each.get_extension_for_class(x509.BasicConstraints).value for each in (leaf, ca)]

    assert [ExtendedKeyUsageOID.SERVER_AUTH] == list(purposes)
    assert [(True, False), (False, True)] == [
        (usage.digital_signature, usage.key_cert_sign) for usage in usages
    ]
    assert [(False, None), (True, 0)] == [(each.ca, each.path_length) for each in limits]


def test_no_representation_shows_a_key() -> None:
    """Keys are in no log and in no traceback."""
    made = an_identity()
    line = made.key.decode().splitlines()[1]

    assert not any(line in repr(each) for each in (made, CertificatePair(made.chain, made.key)))
