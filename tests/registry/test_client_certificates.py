"""Registries that want to know who asks: what is shown to whom, and what does not load."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from landwaiter.errors import InvalidInput, RegistryUnavailable
from landwaiter.registry.client_certificates import ClientCertificate
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.registry.settings import HostSettings, RegistriesFile, RegistrySettings
from realparts.certificates import Authority
from registry.clients import client_for, reference, soon
from registry.fake_registry import FakeRegistry, redirect, server_context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give the authority of servers and clients alike."""
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


def asking(authority: Authority) -> ssl.SSLContext:
    """Return what a server presents that wants a certificate by the authority."""
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=authority.certificate)
    return context


def shown(authority: Authority, name: str = "landwaiter") -> ClientCertificate:
    pair = authority.issue_client(name)
    pair.key.chmod(0o600)
    return ClientCertificate(pair.certificate, pair.key)


def settings(
    registry: FakeRegistry, authority: Authority, client: ClientCertificate | None
) -> RegistrySettings:
    return RegistrySettings(
        {registry.host: HostSettings(ca_file=authority.certificate, client=client)}
    )


async def resolve(registry: FakeRegistry, known: RegistrySettings) -> str:
    async with client_for(known) as client:
        return await client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())


async def test_a_registry_that_asks_is_shown_the_certificate(authority: Authority) -> None:
    """It answers whoever shows one by its authority."""
    async with FakeRegistry(tls=asking(authority)) as registry:
        digest = registry.add_image()

        assert digest == await resolve(registry, settings(registry, authority, shown(authority)))


async def test_without_a_certificate_it_answers_nobody(authority: Authority) -> None:
    """That is a fault outside the image."""
    async with FakeRegistry(tls=asking(authority)) as registry:
        registry.add_image()
        with pytest.raises(RegistryUnavailable):
            await resolve(registry, settings(registry, authority, None))

        assert [] == registry.seen


async def test_a_certificate_by_another_authority_does_not_do(
    authority: Authority, tmp_path: Path
) -> None:
    """What is shown is what the settings say, and the registry is the judge."""
    (tmp_path / "other").mkdir()
    stranger = shown(Authority(tmp_path / "other"))
    async with FakeRegistry(tls=asking(authority)) as registry:
        registry.add_image()
        with pytest.raises(RegistryUnavailable):
            await resolve(registry, settings(registry, authority, stranger))


async def test_the_certificate_does_not_follow_a_redirect(authority: Authority) -> None:
    """A host that the entry does not name is shown nothing, also where it asks."""
    async with (
        FakeRegistry(tls=asking(authority)) as registry,
        FakeRegistry(tls=asking(authority)) as other,
    ):
        digest = registry.add_image()
        other.add_image()
        path = f"https://{other.host}/v2/team/app/manifests/{digest}"
        registry.on("/manifests/", redirect(path))
        ca = HostSettings(ca_file=authority.certificate)
        known = RegistrySettings(
            {
                registry.host: HostSettings(ca_file=authority.certificate, client=shown(authority)),
                other.host: ca,
            }
        )
        with pytest.raises(RegistryUnavailable):
            await resolve(registry, known)

        assert ([], 1) == (other.seen, len({each.path for each in registry.seen}))


async def test_a_rotated_certificate_is_shown_without_a_restart(authority: Authority) -> None:
    """And a new one that does not load leaves the last good one."""
    client = shown(authority)
    newer = shown(authority, "newer")
    found: list[str] = []
    async with FakeRegistry(tls=asking(authority)) as registry:
        digest = registry.add_image()
        async with client_for(settings(registry, authority, client)) as asked:
            for certificate, key in (
                (None, None),
                (newer.certificate.read_bytes(), newer.key.read_bytes()),
                (b"broken", b"broken"),
            ):
                if certificate is not None and key is not None:
                    client.certificate.write_bytes(certificate)
                    client.key.write_bytes(key)
                    os.utime(client.key, ns=(0, len(found)))
                found.append(
                    await asked.resolve(
                        reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon()
                    )
                )

        assert [digest] * 3 == found


async def test_a_key_that_becomes_unusable_before_its_first_use_is_undecided(
    authority: Authority,
) -> None:
    """The message names files and host, and quotes nothing."""
    client = shown(authority)
    client.key.chmod(0o604)
    async with FakeRegistry(tls=asking(authority)) as registry:
        with pytest.raises(RegistryUnavailable) as fault:
            await resolve(registry, settings(registry, authority, client))

        assert (
            f"{registry.host}: clientKey: everybody may read or write '{client.key}' (604), a file "
            "with mode 600, 440 or the like is wanted"
        ) == str(fault.value)


def load(folder: Path, **fields: object) -> RegistrySettings:
    return RegistriesFile.of({"registries": [{"host": "a.example", **fields}]}).settings(folder)


def test_the_file_names_certificate_and_key(authority: Authority) -> None:
    """Relative names are taken from the folder of the file."""
    client = shown(authority)
    loaded = load(
        client.key.parent,
        clientCertificate=client.certificate.name,
        clientKey=client.key.name,
    )

    assert {"a.example": HostSettings(client=client)} == dict(loaded.hosts)


@pytest.mark.parametrize("field", ["clientCertificate", "clientKey"])
def test_one_of_the_two_is_not_enough(authority: Authority, field: str) -> None:
    """The other one is wanted too."""
    with pytest.raises(InvalidInput) as caught:
        load(Path("/"), **{field: str(authority.certificate)})

    assert "registries[0].clientCertificate and clientKey are wanted together" == str(caught.value)


def test_nothing_is_shown_over_plain_http(authority: Authority) -> None:
    """An entry that would do nothing is refused."""
    client = shown(authority)
    with pytest.raises(InvalidInput) as caught:
        load(
            Path("/"),
            clientCertificate=str(client.certificate),
            clientKey=str(client.key),
            plainHTTP=True,
        )

    assert "registries[0].clientCertificate: plainHTTP: true given, nothing is shown then" == str(
        caught.value
    )


@pytest.mark.parametrize("what", ["missing", "another key", "no PEM", "encrypted"])
def test_files_that_cannot_be_used_are_told_at_the_start(authority: Authority, what: str) -> None:
    """The message names the files; and nobody is asked for a password on a terminal."""
    client = shown(authority)
    match what:
        case "missing":
            client.key.unlink()
        case "another key":
            client.key.write_bytes(shown(authority, "other").key.read_bytes())
        case "no PEM":
            client.certificate.write_text("hunter2", encoding="utf-8")
        case _:
            key = load_pem_private_key(client.key.read_bytes(), None)
            client.key.write_bytes(
                key.private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2")
                )
            )
    with pytest.raises(InvalidInput) as caught:
        load(Path("/"), clientCertificate=str(client.certificate), clientKey=str(client.key))
    message = str(caught.value)
    start = (
        f"registries[0].clientCertificate: '{client.certificate}' and '{client.key}' cannot be "
        "used together: "
    )

    assert (True, False) == (message.startswith(start), "hunter2" in message)
