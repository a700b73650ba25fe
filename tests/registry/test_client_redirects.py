"""Where a registry may lead us, and that credentials never go along."""

from pathlib import Path

import pytest
from yarl import URL

from landwaiter.errors import AccessDenied, LandwaiterError, RegistryUnavailable
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference
from landwaiter.registry.exchange import Ask
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from landwaiter.registry.settings import HostSettings, RegistrySettings
from landwaiter.registry.transport import MAX_REDIRECTS, Transport
from realparts.certificates import Authority
from registry.clients import client_for, keychain, named, reference, soon
from registry.fake_registry import FakeRegistry, basic, redirect, server_context

ANN = ("ann", "pw")


async def fetch(
    registry: FakeRegistry,
    descriptor: Descriptor,
    settings: RegistrySettings,
    chain: Keychain = EMPTY_KEYCHAIN,
) -> bytes:
    async with client_for(settings) as client:
        return await client.blob(
            reference(registry), descriptor, 1000, keychain=chain, deadline=soon()
        )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_blob_may_come_from_another_host(status: int) -> None:
    """A redirect to a store is followed, and what comes from there is checked by its digest."""
    async with FakeRegistry() as store, FakeRegistry() as registry:
        descriptor = store.add_blob("store", b"content")
        location = f"{store.url}/v2/store/blobs/{descriptor.digest}"
        registry.on("/blobs/", redirect(location, status))

        assert b"content" == await fetch(registry, descriptor, named(registry, store))


@pytest.mark.parametrize("auth", ["basic", "token"])
async def test_semantics_11_credentials_never_follow_a_redirect(auth: str) -> None:
    """Neither a password nor a token is sent where a registry redirects to, not even to itself."""
    async with (
        FakeRegistry() as store,
        FakeRegistry(users=dict([ANN]), auth="basic" if auth == "basic" else "token") as registry,
    ):
        descriptor = store.add_blob("store", b"content")
        registry.after_login("/blobs/", redirect(f"{registry.url}/moved/{descriptor.digest}"))
        registry.on("/moved/", redirect(f"{store.url}/v2/store/blobs/{descriptor.digest}"))
        content = await fetch(registry, descriptor, named(registry, store), keychain(registry, ANN))

        assert (b"content", [None], [None]) == (
            content,
            [seen.authorization for seen in registry.seen if "/moved/" in seen.path],
            [seen.authorization for seen in store.seen],
        )


async def test_a_redirects_target_that_wants_a_login_gets_none() -> None:
    """A 401 behind a redirect is a refusal, not a challenge to answer."""
    async with (
        FakeRegistry(users=dict([ANN]), auth="basic") as evil,
        FakeRegistry() as registry,
    ):
        descriptor = evil.add_blob("store", b"content")
        registry.on("/blobs/", redirect(f"{evil.url}/v2/store/blobs/{descriptor.digest}"))
        with pytest.raises(AccessDenied):
            await fetch(registry, descriptor, named(registry, evil), keychain(registry, ANN))

        assert [None] == [seen.authorization for seen in evil.seen]


async def test_a_circle_of_redirects_is_left() -> None:
    """Redirects are followed a bounded number of times."""
    async with FakeRegistry() as registry:
        descriptor = registry.add_blob("team/app", b"content")
        registry.on("/", redirect("/v2/team/app/again"))
        with pytest.raises(RegistryUnavailable) as caught:
            await fetch(registry, descriptor, named(registry))

        assert (
            (
                f"the blob {descriptor.digest} of {registry.host}/team/app: {registry.host}"
                f" redirects more than {MAX_REDIRECTS} times"
            ),
            MAX_REDIRECTS + 1,
        ) == (str(caught.value), len(registry.seen))


@pytest.mark.parametrize(
    "location",
    [
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/latest/",
        "https://100.100.100.200/latest/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://[::ffff:169.254.169.254]/",
    ],
)
async def test_semantics_11_a_redirect_to_a_metadata_service_is_not_followed(
    location: str,
) -> None:
    """No redirect reaches a cloud's metadata, whoever is named."""
    async with FakeRegistry() as registry:
        descriptor = registry.add_blob("team/app", b"content")
        registry.on("/blobs/", redirect(location))
        with pytest.raises(AccessDenied) as caught:
            await fetch(registry, descriptor, named(registry))

        assert "has a non-public address" in str(caught.value)


async def test_semantics_11_a_redirect_to_an_unnamed_private_host_is_not_followed() -> None:
    """A registry cannot lead us to a host inside that the admin has not named."""
    async with FakeRegistry() as inside, FakeRegistry() as registry:
        descriptor = inside.add_blob("store", b"content")
        url = inside.url.replace("http:", "https:")
        registry.on("/blobs/", redirect(f"{url}/v2/store/blobs/{descriptor.digest}"))
        with pytest.raises(AccessDenied):
            await fetch(registry, descriptor, named(registry))

        assert [] == inside.seen


@pytest.mark.parametrize(
    "location",
    [
        "",
        "ftp://x.example/",
        "file:///etc/passwd",
        "https://ann:pw@x.example/",
        "https://",
        "https://[/",
        "https://x.example:99999/",
        "gopher://127.0.0.1/",
    ],
)
async def test_a_redirect_to_what_is_no_plain_url_is_not_followed(location: str) -> None:
    """Only http and https URLs without user are followed."""
    async with FakeRegistry() as registry:
        descriptor = registry.add_blob("team/app", b"content")
        registry.on("/blobs/", redirect(location))
        with pytest.raises(RegistryUnavailable):
            await fetch(registry, descriptor, named(registry))

        assert 1 == len(registry.seen)


async def test_https_never_becomes_http(tmp_path: Path) -> None:
    """A redirect from https to http is not followed, not even to a host named for plain HTTP."""
    authority = Authority(tmp_path)
    async with (
        FakeRegistry() as plain,
        FakeRegistry(tls=server_context(authority)) as registry,
    ):
        descriptor = plain.add_blob("store", b"content")
        settings = RegistrySettings(
            {
                registry.host: HostSettings(ca_file=authority.certificate),
                plain.host: HostSettings(plain_http=True),
            }
        )
        registry.on("/blobs/", redirect(f"{plain.url}/v2/store/blobs/{descriptor.digest}"))
        with pytest.raises(RegistryUnavailable) as caught:
            await fetch(registry, descriptor, settings)

        assert (
            (
                f"the blob {descriptor.digest} of {registry.host}/team/app: {registry.host}"
                f" redirects from https to http ({plain.host})"
            ),
            [],
        ) == (str(caught.value), plain.seen)


async def test_http_is_only_for_hosts_named_for_it() -> None:
    """A plain registry cannot lead to another plain host that is not named for it."""
    async with FakeRegistry() as other, FakeRegistry() as registry:
        descriptor = other.add_blob("store", b"content")
        registry.on("/blobs/", redirect(f"{other.url}/v2/store/blobs/{descriptor.digest}"))
        with pytest.raises(RegistryUnavailable) as caught:
            await fetch(registry, descriptor, named(registry))

        assert (
            (
                f"the blob {descriptor.digest} of {registry.host}/team/app: {other.host} is reached"
                " over http only where `registries` names it with `plainHTTP: true`"
            ),
            [],
        ) == (str(caught.value), other.seen)


async def test_messages_show_no_query_of_a_redirect() -> None:
    """The signature in a presigned URL never gets into a message."""
    async with FakeRegistry() as registry:
        descriptor = registry.add_blob("team/app", b"content")
        messages = []
        for location in (
            "https://127.0.0.1:1/x?sig=hunter2",
            "http://127.0.0.1:1/x?sig=hunter2",
            "https://registry.invalid/x?sig=hunter2",
            "https://u:hunter2@registry.invalid/",
        ):
            registry.on("/blobs/", redirect(location), times=1)
            with pytest.raises(LandwaiterError) as caught:
                await fetch(registry, descriptor, named(registry))
            messages.append(str(caught.value))

        assert [] == [message for message in messages if "hunter2" in message]


async def test_semantics_11_an_unnamed_registry_on_a_private_address_is_not_reached() -> None:
    """An image at a loopback address that nobody named is refused, and nothing is sent."""
    async with FakeRegistry() as registry, client_for(RegistrySettings()) as client:
        for host in (registry.host, f"localhost:{registry.port}"):
            with pytest.raises(AccessDenied) as caught:
                await client.resolve(
                    ImageReference.parse(f"{host}/app:1"),
                    keychain=EMPTY_KEYCHAIN,
                    deadline=soon(),
                )

            assert (
                (
                    f"the manifest of {host}/app:1: {host} has a non-public address, which is"
                    f" reached only where the admin names {host}, without wildcard, in `registries`"
                ),
                [],
            ) == (str(caught.value), registry.seen)


async def test_semantics_11_a_policy_may_name_a_registry_too(tmp_path: Path) -> None:
    """A host that a cluster policy names may have a non-public address."""
    async with FakeRegistry() as registry:
        image = reference(registry)
        asked: list[str] = []

        def named_by_policy(host: str) -> bool:
            asked.append(host)
            return True

        async with client_for(RegistrySettings(), named_by_policy=named_by_policy) as client:
            with pytest.raises(RegistryUnavailable) as caught:
                await client.resolve(image, keychain=EMPTY_KEYCHAIN, deadline=soon())

        assert (
            f"the manifest of {image}: {registry.host} does not speak TLS as it should",
            {registry.host},
        ) == (str(caught.value), set(asked))


@pytest.mark.parametrize(
    ("on_behalf_of", "reached"), [("registry.example.com", False), ("named.example.com", True)]
)
async def test_an_unnamed_registry_cannot_lead_to_a_named_private_host(
    on_behalf_of: str,
    reached: bool,  # noqa: FBT001
) -> None:
    """Hosts inside are reached for images of named registries, not by way of strangers."""
    async with FakeRegistry() as inside:
        plain = HostSettings(plain_http=True)
        settings = RegistrySettings({inside.host: plain, "named.example.com": HostSettings()})
        ask = Ask(URL(f"{inside.url}/v2/"), "x", on_behalf_of, 100)
        async with Transport(settings) as transport:
            try:
                await transport.send(ask)
            except AccessDenied:
                assert not reached

        assert reached == bool(inside.seen)


async def test_the_password_stays_with_the_registry_that_asked() -> None:
    """After a redirect the next request to the registry still carries its credential."""
    async with (
        FakeRegistry() as store,
        FakeRegistry(users=dict([ANN]), auth="basic") as registry,
    ):
        descriptor = store.add_blob("store", b"content")
        registry.after_login("/blobs/", redirect(f"{store.url}/v2/store/blobs/{descriptor.digest}"))
        chain = keychain(registry, ANN)
        async with client_for(named(registry, store)) as client:
            for _ in range(2):
                await client.blob(
                    reference(registry), descriptor, 1000, keychain=chain, deadline=soon()
                )

        assert [None, basic(*ANN), basic(*ANN)] == [seen.authorization for seen in registry.seen]
