"""Whether a bundle vouches for a certificate, as the API server would see it."""

from datetime import timedelta
from pathlib import Path

import pytest

from landwaiter.serving.certificates import CertificatePair
from landwaiter.serving.trust import distrust
from realparts.certificates import Authority, KeyPair
from serving.clients import HOST, Certificates


def pair_of(pair: KeyPair) -> CertificatePair:
    return CertificatePair(pair.certificate.read_bytes(), pair.key.read_bytes())


def ca_of(authority: Authority) -> bytes:
    return authority.certificate.read_bytes()


def test_a_bundle_vouches_if_one_of_its_cas_does(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Old and new stand side by side in it."""
    other = ca_of(Authority(tmp_path, "other"))
    pair, ours = pair_of(certificates.server), ca_of(certificates.authority)

    assert [None, None] == [distrust(pair, each, HOST) for each in (ours, other + ours)]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_every_name_of_a_certificate_is_trusted(certificates: Certificates, host: str) -> None:
    """Hosts and addresses alike."""
    assert None is distrust(pair_of(certificates.server), ca_of(certificates.authority), host)


@pytest.mark.parametrize(
    ("bundle", "host"),
    [("other", HOST), ("", HOST), ("junk", HOST), ("ours", "landwaiter.lw.svc")],
)
def test_the_reason_for_distrust_is_told(
    certificates: Certificates, tmp_path: Path, bundle: str, host: str
) -> None:
    """Another CA, none at all, or another name."""
    bundles = {
        "other": ca_of(Authority(tmp_path, "other")),
        "ours": ca_of(certificates.authority),
        "junk": b"junk",
        "": b"",
    }

    assert distrust(pair_of(certificates.server), bundles[bundle], host)


def test_the_time_is_the_api_servers_affair(certificates: Certificates) -> None:
    """A clock here that is wrong keeps nothing from being written."""
    ended = certificates.authority.issue_server("ended", valid_for=timedelta(seconds=-1))

    assert None is distrust(pair_of(ended), ca_of(certificates.authority), HOST)


def test_what_is_no_certificate_is_trusted_by_nobody(certificates: Certificates) -> None:
    """Nor does it raise."""
    broken = CertificatePair(b"junk", b"junk")

    assert distrust(broken, ca_of(certificates.authority), HOST)
