"""TLS: what is spoken, and how a new certificate comes into use."""

import shutil
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from landwaiter.errors import InvalidCertificate
from landwaiter.serving.certificates import CertificateFiles, ServingCertificate, names_of
from landwaiter.serving.limits import ConnectionLimits
from realparts.certificates import Authority, KeyPair
from serving.clients import Certificates, listening


@dataclass
class Reloads:
    """An observer that remembers."""

    expiries: list[float] = field(default_factory=list)
    refused: int = 0

    def certificate_loaded(self, *, begins: float, expires: float) -> None:
        self.expiries.append(expires)

    def certificate_refused(self) -> None:
        self.refused += 1


@dataclass
class Mounted:
    """Certificate files in a folder of their own, which are replaced."""

    files: CertificateFiles
    reloads: Reloads
    certificate: ServingCertificate

    def put(self, pair: KeyPair) -> None:
        shutil.copy(pair.certificate, self.files.chain)
        shutil.copy(pair.key, self.files.key)


def mounted(folder: Path, pair: KeyPair, client_ca: Path | None = None) -> Mounted:
    folder.mkdir(exist_ok=True)
    files = CertificateFiles(folder / "tls.crt", folder / "tls.key")
    shutil.copy(pair.certificate, files.chain)
    shutil.copy(pair.key, files.key)
    reloads = Reloads()
    return Mounted(files, reloads, ServingCertificate(files, reloads, client_ca))


def serial_of(pair: KeyPair) -> str:
    number = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number
    text = f"{number:X}"
    return text if len(text) % 2 == 0 else f"0{text}"


async def test_imageswap_115_a_certificate_that_changes_is_used_by_new_connections(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Certificates that rotate only when a Pod restarts (imageswap#115); open ones live on."""
    first, second = certificates.server, certificates.authority.issue_server("second")
    mount = mounted(tmp_path / "m", first)
    async with listening(certificate=mount.certificate) as running:
        old = await running.connect(certificates.client_context())
        mount.put(second)
        mount.certificate.reload()
        new = await running.connect(certificates.client_context())
        shown = (old.serial_number(), new.serial_number())
        answers = [(await client.ask(body=b"x")).body for client in (old, new)]

    assert ((serial_of(first), serial_of(second)), [b"x", b"x"], 2, 0) == (
        shown,
        answers,
        len(mount.reloads.expiries),
        mount.reloads.refused,
    )


async def test_a_swapped_link_is_a_change(certificates: Certificates, tmp_path: Path) -> None:
    """The kubelet swaps the link `..data`; the paths in use stay the same."""
    second = certificates.authority.issue_server("linked")
    for name, pair in (("1", certificates.server), ("2", second)):
        (tmp_path / name).mkdir()
        shutil.copy(pair.certificate, tmp_path / name / "tls.crt")
        shutil.copy(pair.key, tmp_path / name / "tls.key")
    link = tmp_path / "..data"
    link.symlink_to("1")
    files = CertificateFiles(link / "tls.crt", link / "tls.key")
    certificate = ServingCertificate(files, Reloads())
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(link)
    certificate.reload()
    async with listening(certificate=certificate) as running:
        client = await running.connect(certificates.client_context())
        shown = client.serial_number()

    assert serial_of(second) == shown


def missing_key(mount: Mounted) -> None:
    mount.files.key.unlink()


def empty_chain(mount: Mounted) -> None:
    mount.files.chain.write_bytes(b"")


def junk_chain(mount: Mounted) -> None:
    mount.files.chain.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def half_chain(mount: Mounted) -> None:
    content = mount.files.chain.read_bytes()
    mount.files.chain.write_bytes(content[: len(content) // 2])


def endless_chain(mount: Mounted) -> None:
    mount.files.chain.write_bytes(b"x" * 2_000_000)


def encrypted_key(mount: Mounted) -> None:
    key = load_pem_private_key(mount.files.key.read_bytes(), None)
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    mount.files.key.write_bytes(content)


BREAKAGES = [missing_key, empty_chain, junk_chain, half_chain, endless_chain, encrypted_key]


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_broken_files_keep_the_old_certificate(
    certificates: Certificates, tmp_path: Path, breakage: Callable[[Mounted], None]
) -> None:
    """The old pair stays in use, the failure is counted once, and good files mend it."""
    second = certificates.authority.issue_server("mended")
    mount = mounted(tmp_path / "m", certificates.server)
    breakage(mount)
    mount.certificate.reload()
    mount.certificate.reload()
    async with listening(certificate=mount.certificate) as running:
        shown = (await running.connect(certificates.client_context())).serial_number()
        mount.put(second)
        mount.certificate.reload()
        mended = (await running.connect(certificates.client_context())).serial_number()

    assert (serial_of(certificates.server), serial_of(second), 1) == (
        shown,
        mended,
        mount.reloads.refused,
    )


async def test_a_key_of_another_certificate_keeps_the_old_pair(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Between the two writes of a rotation the files do not fit each other."""
    second = certificates.authority.issue_server("half")
    mount = mounted(tmp_path / "m", certificates.server)
    shutil.copy(second.certificate, mount.files.chain)
    mount.certificate.reload()
    async with listening(certificate=mount.certificate) as running:
        before = (await running.connect(certificates.client_context())).serial_number()
        shutil.copy(second.key, mount.files.key)
        mount.certificate.reload()
        after = (await running.connect(certificates.client_context())).serial_number()

    assert (serial_of(certificates.server), serial_of(second)) == (before, after)


def test_unchanged_files_are_not_loaded_again(certificates: Certificates, tmp_path: Path) -> None:
    """Looking every few seconds costs reading three small files."""
    mount = mounted(tmp_path / "m", certificates.server)
    mount.certificate.reload()
    mount.certificate.reload()

    assert 1 == len(mount.reloads.expiries)


def test_the_end_of_the_certificate_is_told(certificates: Certificates, tmp_path: Path) -> None:
    """For an alert before it is too late."""
    pair = certificates.authority.issue_server("short", valid_for=timedelta(hours=3))
    expires = mounted(tmp_path / "m", pair).reloads.expiries[0]
    left = datetime.fromtimestamp(expires, UTC) - datetime.now(UTC)

    assert timedelta(hours=1) < left <= timedelta(hours=3)


@pytest.mark.parametrize(
    ("ahead_seconds", "expected"),
    [(3_000.0, ""), (11_000.0, "it ended at "), (-3_000.0, ""), (-4_000.0, "it begins at ")],
)
def test_a_certificate_that_is_not_valid_now_is_a_problem(
    certificates: Certificates, tmp_path: Path, ahead_seconds: float, expected: str
) -> None:
    """By the clock that is given: whose own one is wrong is not unready for it."""
    pair = certificates.authority.issue_server("short", valid_for=timedelta(hours=3))
    mount = mounted(tmp_path / "m", pair)
    certificate = ServingCertificate(
        mount.files, mount.reloads, now=lambda: time.time() + ahead_seconds
    )
    problem = certificate.problem() or ""

    assert expected == problem.partition("20")[0]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_broken_files_stop_the_start(
    certificates: Certificates, tmp_path: Path, breakage: Callable[[Mounted], None]
) -> None:
    """There is no old pair then; the message names the files and quotes nothing of them."""
    mount = mounted(tmp_path / "m", certificates.server)
    breakage(mount)
    with pytest.raises(InvalidCertificate) as problem:
        ServingCertificate(mount.files, Reloads())

    assert (True, False) == (
        str(mount.files.chain.parent) in str(problem.value),
        "BEGIN" in str(problem.value),
    )


def test_a_client_ca_that_is_none_stops_the_start(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Else callers would not be asked for a certificate, or none would ever fit."""
    ca = tmp_path / "ca.crt"
    ca.write_bytes(b"")
    with pytest.raises(InvalidCertificate) as problem:
        mounted(tmp_path / "m", certificates.server, ca)

    assert str(problem.value).startswith(f"{ca}: not CA certificates in PEM")


async def handshake_fails(
    certificate: ServingCertificate, context: ssl.SSLContext
) -> type[BaseException] | None:
    """Return what a client meets that connects, asks, and reads."""
    async with listening(certificate=certificate) as running:
        try:
            client = await running.connect(context)
            await client.ask()
        except (OSError, EOFError) as error:
            return type(error)
    return None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_old_tls_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    """TLS 1.1 and earlier are not spoken."""
    context = certificates.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    assert None is not await handshake_fails(
        mounted(tmp_path / "m", certificates.server).certificate, context
    )


async def test_weak_ciphers_are_refused(certificates: Certificates, tmp_path: Path) -> None:
    """TLS 1.2 only with forward secrecy and authenticated encryption."""
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA")

    assert None is not await handshake_fails(
        mounted(tmp_path / "m", certificates.server).certificate, context
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_current_tls_is_spoken(
    certificates: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """With HTTP/1.1, and without sessions that could be taken up again."""
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    mount = mounted(tmp_path / "m", certificates.server)
    async with listening(certificate=mount.certificate) as running:
        client = await running.connect(context)
        answer = await client.ask(body=b"x")
        connection = client.writer.get_extra_info("ssl_object")

    assert (b"x", "http/1.1", False) == (
        answer.body,
        connection.selected_alpn_protocol(),
        bool(connection.session and connection.session.has_ticket),
    )


async def test_a_handshake_that_dawdles_is_cut_off(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A client that connects and says nothing holds no connection for long."""
    mount = mounted(tmp_path / "m", certificates.server)
    limits = ConnectionLimits(handshake_seconds=0.2)
    async with listening(limits, certificate=mount.certificate) as running:
        client = await running.clients.connect_plainly()
        rest = await client.rest()

    assert b"" == rest


async def test_a_changed_client_ca_counts_for_new_connections(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The CA is part of what is reloaded: the old one's clients are not let in any more."""
    other = Authority(tmp_path / "other", "another CA")
    ca = tmp_path / "ca.crt"
    shutil.copy(certificates.authority.certificate, ca)
    mount = mounted(tmp_path / "m", certificates.server, ca)
    first = certificates.client_context(certificates.authority.issue_client("apiserver"))
    second = certificates.client_context(other.issue_client("apiserver"))
    before = [await handshake_fails(mount.certificate, each) for each in (first, second)]
    shutil.copy(other.certificate, ca)
    mount.certificate.reload()
    after = [await handshake_fails(mount.certificate, each) for each in (first, second)]

    assert ([True, False], [False, True]) == (
        [failure is None for failure in before],
        [failure is None for failure in after],
    )


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (None, set()),
        ({}, set()),
        ("junk", set()),
        ({"subject": ((("organizationName", "o"),), (("commonName", "c"),))}, {"c"}),
        (
            {
                "subject": ((("commonName", "c"),),),
                "subjectAltName": (("DNS", "d"), ("URI", "spiffe://e"), ("IP Address", "1.2.3.4")),
            },
            {"c", "d", "spiffe://e", "1.2.3.4"},
        ),
    ],
)
def test_names_are_common_and_alternative_names(certificate: object, names: set[str]) -> None:
    """What is in the organisation is no name."""

    assert names == names_of(certificate)
