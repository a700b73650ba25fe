"""Which credentials are sent, to whom, in which order, and how often."""

import asyncio
import json
from pathlib import Path

import pytest

from landwaiter.errors import (
    AccessDenied,
    ContentMissing,
    LandwaiterError,
    LoginRefused,
    RegistryUnavailable,
    TokenRefused,
)
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from landwaiter.registry.reading import MAX_CANDIDATES
from landwaiter.registry.settings import HostSettings, RegistrySettings
from realparts.certificates import Authority
from registry.clients import FastClock, client_for, keychain, named, reference, soon
from registry.fake_registry import FakeRegistry, answer, basic, redirect, server_context

ANN = ("ann", "pw")


async def resolve(
    registry: FakeRegistry, chain: Keychain, settings: RegistrySettings | None = None
) -> str:
    async with client_for(settings or named(registry)) as client:
        return await client.resolve(reference(registry), keychain=chain, deadline=soon())


def sent(registry: FakeRegistry, path: str = "") -> list[str | None]:
    """Return the `Authorization` headers that arrived, None where there was none."""
    return [seen.authorization for seen in registry.seen if path in seen.path]


async def test_a_password_is_sent_where_the_registry_asks_for_one() -> None:
    """A Basic challenge is answered with the credential, which is not sent before it."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        digest = registry.add_image()

        assert (digest, [None, basic(*ANN)]) == (
            await resolve(registry, keychain(registry, ANN)),
            sent(registry),
        )


async def test_a_token_is_asked_for_with_the_password() -> None:
    """A Bearer challenge sends the credential to the realm, and only the token to the registry."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.add_image()
        await resolve(registry, keychain(registry, ANN))
        token = registry.seen[1]

        assert (
            [None, f"Bearer token-0-of-{registry.port}"],
            ("/token", basic(*ANN), "scope=repository:team/app:pull&service=fake"),
        ) == (sent(registry, "/v2/"), (token.path, token.authorization, token.query))


async def test_a_token_is_used_again_within_its_life_and_its_repository() -> None:
    """One token serves all requests for a repository, and is not used for another."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        digest = registry.add_image()
        registry.add_image("other/app")
        chain = keychain(registry, ANN)
        async with client_for(named(registry)) as client:
            for rest in ("team/app:1", f"team/app@{digest}", "other/app:1"):
                await client.resolve(reference(registry, rest), keychain=chain, deadline=soon())

        assert ["team/app", "other/app"] == [
            seen.query.split(":")[1] for seen in registry.seen if seen.path == "/token"
        ]


@pytest.mark.parametrize(
    ("expires_in", "later", "tokens"),
    [
        (300, 280, 1),
        (300, 295, 2),
        (None, 45, 1),
        (None, 55, 2),
        ("long", 55, 2),
        (True, 45, 1),
        (-5, 45, 1),
        (float("nan"), 45, 1),
        (10**400, 3500, 1),
        (10**400, 3600, 2),
        (1, 0.5, 1),
        (1, 2, 2),
    ],
)
async def test_a_token_is_not_used_beyond_its_life(
    expires_in: object, later: float, tokens: int
) -> None:
    """A token is asked for again shortly before it expires, or after a minute if it is silent."""
    clock = FastClock()
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.token_life_seconds = expires_in
        registry.add_image()
        chain = keychain(registry, ANN)
        async with client_for(named(registry), clock=clock) as client:
            await client.resolve(reference(registry), keychain=chain, deadline=soon())
            clock.now += later
            await client.resolve(reference(registry), keychain=chain, deadline=soon())

        assert tokens == len(registry.paths("/token"))


async def test_a_token_that_was_revoked_is_asked_for_again() -> None:
    """A remembered token that the registry no longer accepts is replaced, once."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        digest = registry.add_image()
        chain = keychain(registry, ANN)
        async with client_for(named(registry)) as client:
            await client.resolve(reference(registry), keychain=chain, deadline=soon())
            registry.revoke_tokens()
            again = await client.resolve(reference(registry), keychain=chain, deadline=soon())

        assert (digest, 2) == (again, len(registry.paths("/token")))


async def test_one_token_serves_many_requests_at_once() -> None:
    """Requests that need the same token at the same time ask for it once."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        digest = registry.add_image()
        chain = keychain(registry, ANN)
        async with client_for(named(registry)) as client:
            found = await asyncio.gather(
                *(
                    client.resolve(reference(registry), keychain=chain, deadline=soon())
                    for _ in range(20)
                )
            )

        assert ([digest] * 20, 1) == (found, len(registry.paths("/token")))


async def test_a_token_is_never_used_for_another_credential() -> None:
    """What one credential was given is not used for a request with another, or with none."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            await client.resolve(
                reference(registry), keychain=keychain(registry, ANN), deadline=soon()
            )
            for chain in (EMPTY_KEYCHAIN, keychain(registry, ("bob", "guess"))):
                with pytest.raises(AccessDenied):
                    await client.resolve(reference(registry), keychain=chain, deadline=soon())


async def test_public_images_need_no_credential() -> None:
    """Without a matching credential a token is asked for anonymously."""
    async with FakeRegistry(users=dict([ANN]), public=True) as registry:
        digest = registry.add_image()

        assert (digest, [None]) == (
            await resolve(registry, EMPTY_KEYCHAIN),
            sent(registry, "/token"),
        )


async def test_candidates_are_tried_in_order_and_the_good_one_is_remembered() -> None:
    """Refused credentials are passed over, and not tried again for the same repository."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        registry.add_image()
        chain = keychain(registry, ("old", "old"), ("bob", "no"), ANN)
        async with client_for(named(registry)) as client:
            await client.resolve(reference(registry), keychain=chain, deadline=soon())
            first = len(registry.seen)
            await client.resolve(reference(registry), keychain=chain, deadline=soon())

        assert [
            *(None, basic("old", "old"), None, basic("bob", "no"), None, basic(*ANN)),
            basic(*ANN),
        ] == sent(registry)
        assert first + 1 == len(registry.seen)


async def test_a_404_may_be_for_want_of_access() -> None:
    """A credential that meets a 404 is not the last word: the next one may see the image."""
    async with FakeRegistry(users=dict([ANN, ("bob", "pw")]), auth="basic") as registry:
        digest = registry.add_image()
        registry.hidden_from = basic("bob", "pw")

        assert digest == await resolve(registry, keychain(registry, ("bob", "pw"), ANN))


async def test_missing_for_one_and_refused_for_another_is_missing() -> None:
    """When one credential may look and finds nothing, nothing is there."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        with pytest.raises(ContentMissing):
            await resolve(registry, keychain(registry, ("bob", "no"), ANN))


async def test_no_anonymous_attempt_follows_refused_credentials() -> None:
    """As with the kubelet, wrong credentials are not made good by having none."""
    async with FakeRegistry(users=dict([ANN]), public=True) as registry:
        registry.add_image()
        with pytest.raises(AccessDenied) as caught:
            await resolve(registry, keychain(registry, ("bob", "no")))

        assert (
            f"the token service {registry.host} of {registry.host} refuses a token for team/app"
            " (401)"
        ) == str(caught.value)


async def test_an_empty_credential_asks_anonymously() -> None:
    """An entry without user and password, which the kubelet uses too, sends nothing."""
    async with FakeRegistry(users=dict([ANN]), public=True) as registry:
        digest = registry.add_image()

        assert (digest, [None]) == (
            await resolve(registry, keychain(registry, ("", ""))),
            sent(registry, "/token"),
        )


async def test_an_identity_token_is_exchanged_for_a_token() -> None:
    """A refresh token goes into the body of a POST, never into a URL or a header."""
    async with FakeRegistry(identity_tokens=frozenset({"refresh"})) as registry:
        digest = registry.add_image()
        chain = Keychain((Credential(registry.host, "", "", "refresh"),))
        resolved = await resolve(registry, chain)
        asked = registry.seen[1]

        assert (
            digest,
            ("POST", "/token", "", None),
            {
                "grant_type": "refresh_token",
                "client_id": "landwaiter",
                "refresh_token": "refresh",
                "service": "fake",
                "scope": "repository:team/app:pull",
            },
        ) == (
            resolved,
            (asked.method, asked.path, asked.query, asked.authorization),
            asked.form,
        )


async def test_thousands_of_credentials_are_not_all_tried() -> None:
    """A Secret with many keys for one image costs a bounded number of attempts."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        chain = keychain(registry, *((f"user{n}", "no") for n in range(1000)))
        with pytest.raises(AccessDenied):
            await resolve(registry, chain)

        assert 2 * MAX_CANDIDATES == len(registry.seen)


async def test_semantics_11_an_unknown_realm_gets_no_credentials() -> None:
    """A realm on another host that nobody knows is asked anonymously, and the refusal says so."""
    async with FakeRegistry(users=dict([ANN])) as realm:
        url = f"{realm.url}/token"
        async with FakeRegistry(users=dict([ANN]), realm=url) as registry:
            registry.add_image()
            with pytest.raises(AccessDenied) as caught:
                await resolve(registry, keychain(registry, ANN), named(registry, realm))

            assert (
                [None],
                (
                    f"the token service {realm.host} of {registry.host} refuses a token for"
                    f" team/app (401); the credential was not sent to {realm.host}, which is not"
                    f" known as the token service of {registry.host}: the admin can name it in"
                    " `tokenRealms`"
                ),
            ) == (sent(realm), str(caught.value))


async def test_semantics_11_a_realm_that_the_admin_set_gets_them_over_https_only(
    tmp_path: Path,
) -> None:
    """`tokenRealms` sends credentials to another host over https, and never over http."""
    authority = Authority(tmp_path)
    tls = server_context(authority)
    received = []
    for context in (tls, None):
        async with FakeRegistry(users=dict([ANN]), public=True, tls=context) as realm:
            url = f"{realm.url}/token"
            async with FakeRegistry(users=dict([ANN]), realm=url, tls=tls) as registry:
                realm_settings = HostSettings(
                    plain_http=context is None, ca_file=authority.certificate
                )
                settings = RegistrySettings(
                    {
                        registry.host: HostSettings(
                            ca_file=authority.certificate, realms=(realm.host,)
                        ),
                        realm.host: realm_settings,
                    }
                )
                registry.add_image()
                with pytest.raises(AccessDenied):  # The realm's tokens are not the registry's.
                    await resolve(registry, keychain(registry, ANN), settings)
                received.append(sent(realm))

    assert [[basic(*ANN)], [None]] == received


async def test_a_token_services_redirect_is_not_followed() -> None:
    """What is asked of a token service is asked of nobody else, also without credentials."""
    async with (
        FakeRegistry(users=dict([ANN]), public=True) as other,
        FakeRegistry(users=dict([ANN]), public=True) as registry,
    ):
        registry.add_image()
        registry.on("/token", redirect(f"{other.url}/token"))
        for chain in (EMPTY_KEYCHAIN, keychain(registry, ANN)):
            with pytest.raises(RegistryUnavailable):
                await resolve(registry, chain, named(registry, other))

        assert [] == other.seen


async def test_an_identity_token_is_withheld_from_an_unknown_realm() -> None:
    """A refresh token is a credential too: an unknown realm is asked without it."""
    async with FakeRegistry(identity_tokens=frozenset({"refresh"})) as realm:
        url = f"{realm.url}/token"
        async with FakeRegistry(realm=url) as registry:
            registry.add_image()
            chain = Keychain((Credential(registry.host, "", "", "refresh"),))
            with pytest.raises(AccessDenied):
                await resolve(registry, chain, named(registry, realm))

            assert [("GET", {})] == [(seen.method, seen.form) for seen in realm.seen]


@pytest.mark.parametrize(
    "realm",
    [
        "",
        "ftp://x.example/token",
        "/token",
        "https://user:pw@x.example/token",
        "https://[/token",
        "https://",
        "file:///etc/passwd",
    ],
)
async def test_a_realm_that_is_no_plain_url_is_not_asked(realm: str) -> None:
    """A realm that is no http or https URL, or that brings a user, is the registry's fault."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.on("/v2/", answer(401, WWW_Authenticate=f'Bearer realm="{realm}"'))
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, keychain(registry, ANN))

        assert (f"{registry.host} names a token service that is no plain http or https URL") == str(
            caught.value
        )


async def test_a_realm_on_a_metadata_address_is_not_asked() -> None:
    """A registry cannot have us ask the cloud's metadata service for a token."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        realm = "https://169.254.169.254/latest"
        registry.on("/v2/", answer(401, WWW_Authenticate=f'Bearer realm="{realm}"'))
        with pytest.raises(AccessDenied) as caught:
            await resolve(registry, keychain(registry, ANN))

        assert (
            "a token for team/app: 169.254.169.254 has a non-public address, which is reached only"
            f" where the admin names {registry.host} and 169.254.169.254, without wildcard,"
            " in `registries`"
        ) == str(caught.value)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, RegistryUnavailable),
        (400, AccessDenied),
        (401, LoginRefused),
        (403, TokenRefused),
        (404, AccessDenied),
        (429, RegistryUnavailable),
        (500, RegistryUnavailable),
        (503, RegistryUnavailable),
    ],
)
async def test_semantics_14_what_each_answer_of_a_token_service_means(
    status: int, expected: type[LandwaiterError]
) -> None:
    """A token service that refuses is a refusal, one that fails leaves it undecided."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.add_image()
        registry.on("/token", answer(status, Location="https://evil.example/"))
        with pytest.raises(LandwaiterError) as caught:
            await resolve(registry, keychain(registry, ANN))

        assert expected is next(
            kind for kind in type(caught.value).__mro__ if kind.__module__ == "landwaiter.errors"
        )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"token": 5}',
        b'{"token": ""}',
        b'{"token": "a b"}',
        b'{"token": "a\\r\\nX: y"}',
        json.dumps({"token": "x" * 20_000}).encode(),
        b" " * 100_000,
        b"[" * 60_000,
    ],
)
async def test_an_answer_that_is_no_token_is_the_registrys_fault(body: bytes) -> None:
    """Whatever a token service sends in place of a token is a fault, and never sent on."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.add_image()
        registry.on("/token", answer(200, body))
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, keychain(registry, ANN))

        assert (
            f"the token service {registry.host} of {registry.host} answered 200, and not with a"
            " token"
        ) == str(caught.value)


async def test_a_token_may_be_called_access_token() -> None:
    """The name that OAuth gives to a token is understood too."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.add_image()
        registry.on("/token", answer(200, b'{"access_token": "other-name"}'))
        with pytest.raises(AccessDenied):
            await resolve(registry, keychain(registry, ANN))

        assert [None, "Bearer other-name"] == sent(registry, "/v2/")


@pytest.mark.parametrize(
    "challenge", ["", "Negotiate", "Digest realm=x", "Bearer", 'Unknown realm="https://x.example"']
)
async def test_a_challenge_that_nobody_can_answer_is_a_refusal(challenge: str) -> None:
    """Without a challenge that we understand, no credential is sent."""
    async with FakeRegistry() as registry:
        registry.on("/v2/", answer(401, WWW_Authenticate=challenge))
        with pytest.raises(LandwaiterError):
            await resolve(registry, keychain(registry, ANN))

        assert [None] == sent(registry)


async def test_messages_show_no_secret() -> None:
    """No error on the way of a credential holds its password, or a token."""
    messages = []
    for status in (401, 403, 404, 500, 302):
        for at in ("/v2/", "/token"):
            async with FakeRegistry(users={"ann": "hunter2"}) as registry:
                registry.add_image()
                registry.on(at, answer(status, Location="https://u:hunter2@evil.example/?hunter2"))
                with pytest.raises(LandwaiterError) as caught:
                    await resolve(registry, keychain(registry, ("ann", "hunter2")))
                messages.append(str(caught.value))

    assert [] == [text for text in messages if "hunter2" in text or "token-" in text]
