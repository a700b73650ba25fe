"""Bundles of CA certificates, compared by what they hold."""

import pytest

from landwaiter.errors import InvalidCertificate
from landwaiter.tls.bundles import BUNDLE_MAX_BYTES, certificates_in, fingerprints_in, joined
from tls.states import an_identity


def test_what_is_written_otherwise_is_the_same() -> None:
    """Comments, line ends and order decide nothing."""
    one, other = an_identity().ca, an_identity().ca
    written = b"# comment\r\n" + other.replace(b"\n", b"\r\n") + one + one

    assert fingerprints_in(one + other) == fingerprints_in(written)
    assert one + other == joined([one, other, written])


@pytest.mark.parametrize(
    "bundle", [b"", b"junk", an_identity().ca[:100]], ids=["nothing", "junk", "cut"]
)
def test_what_is_no_bundle_has_no_certificate(bundle: bytes) -> None:
    """Asked for them it is refused, compared it equals nothing."""
    with pytest.raises(InvalidCertificate, match="no certificates in PEM"):
        certificates_in(bundle)

    assert frozenset() == fingerprints_in(bundle)


def test_a_bundle_is_bounded() -> None:
    """All of it ends in a webhook object."""
    with pytest.raises(InvalidCertificate, match="a bundle of 524289 bytes, wanted 524288"):
        certificates_in(b"x" * (BUNDLE_MAX_BYTES + 1))
