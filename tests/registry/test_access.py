"""Whether a registry lets one credential pull, and how seldom a wrong one is tried."""

import asyncio
import contextlib
import re
from typing import cast

import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from landwaiter.errors import RegistryUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry import logins as logins_module
from landwaiter.registry.access import AccessTrial, PullAccess
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.credentials import Credential
from landwaiter.registry.exchange import Ask, Reply
from landwaiter.registry.logins import (
    GOOD_SECONDS,
    REFUSED_MAX,
    REFUSED_SECONDS,
    SHARED_NAMES,
    LoginMemory,
    LoginsPaused,
)
from landwaiter.registry.settings import NO_REGISTRY_SETTINGS
from landwaiter.registry.transport import Transport
from registry.clients import FastClock, client_for, named, patience, reference, soon
from registry.fake_registry import FakeRegistry, answer, basic, redirect

ANN = Credential("r", "ann", "pw")


def wrong(number: int = 0, user: str = "ann") -> Credential:
    return Credential("r", user, f"wrong-{number}")


async def tried(
    registry: FakeRegistry,
    client: RegistryClient,
    credential: Credential = ANN,
    image: str = "",
    *,
    owner: str = "shop",
) -> PullAccess:
    return await client.pull_access(
        reference(registry, image or "team/app:1"), credential, owner=owner, deadline=soon()
    )


async def outcome(registry: FakeRegistry, credential: Credential = ANN) -> PullAccess:
    async with client_for(named(registry)) as client:
        return await tried(registry, client, credential)


def logins(registry: FakeRegistry) -> list[str]:
    """Return the passwords that arrived, as they were sent."""
    sent = [seen.authorization or "" for seen in registry.seen]
    return [text for text in sent if text.startswith("Basic ")]


@pytest.mark.parametrize("auth", ["basic", "token"])
async def test_a_manifest_is_asked_for_with_the_credential(auth: str) -> None:
    """One HEAD request in answer to the challenge, and a token only for pulling that repository."""
    async with FakeRegistry(users={"ann": "pw"}, auth="basic" if auth == "basic" else "token") as r:
        r.add_image()
        found = await outcome(r)
        asked = [(seen.method, seen.path) for seen in r.seen if "/v2/" in seen.path]
        scopes = [seen.query for seen in r.seen if seen.path == "/token"]

    assert (
        PullAccess.GRANTED,
        [("HEAD", "/v2/team/app/manifests/1")] * 2,
        ["scope=repository:team/app:pull&service=fake"] if auth == "token" else [],
        [basic("ann", "pw")],
    ) == (found, asked, scopes, logins(r))


@pytest.mark.parametrize("auth", ["basic", "token"])
async def test_a_wrong_password_is_a_refused_login(auth: str) -> None:
    """Whether the registry says so or its token service."""
    async with FakeRegistry(users={"ann": "pw"}, auth="basic" if auth == "basic" else "token") as r:
        assert PullAccess.LOGIN_REFUSED == await outcome(r, wrong())


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/token", 403, PullAccess.PULL_REFUSED),
        ("/manifests/", 404, PullAccess.NOT_SHOWN),
        ("/manifests/", 410, PullAccess.NOT_SHOWN),
        ("/manifests/", 401, PullAccess.PULL_REFUSED),
        ("/manifests/", 403, PullAccess.PULL_REFUSED),
    ],
)
async def test_what_the_registry_says_to_who_may_log_in(
    path: str, status: int, expected: PullAccess
) -> None:
    """A token that does not do is about the repository, and not about the login."""
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        if path == "/token":
            registry.on(path, answer(status))
        else:
            registry.after_login(path, answer(status))

        assert expected == await outcome(registry)


@pytest.mark.parametrize(
    ("password", "token", "expected"),
    [("pw", "old", PullAccess.GRANTED), ("wrong", "refresh", PullAccess.LOGIN_REFUSED)],
)
async def test_an_identity_token_beside_a_password_plays_no_part(
    password: str, token: str, expected: PullAccess
) -> None:
    """The kubelet does not read it, so it neither helps a wrong password nor harms a good one."""
    both = Credential("r", "ann", password, token)
    async with FakeRegistry(
        users={"ann": "pw"}, identity_tokens=frozenset({"refresh"})
    ) as registry:
        registry.add_image()

        assert (expected, [basic("ann", password)]) == (
            await outcome(registry, both),
            logins(registry),
        )


async def test_a_public_image_is_granted_without_a_login() -> None:
    """A container runtime would not log in either, so the password is not tried."""
    async with FakeRegistry() as registry:
        registry.add_image()

        assert (PullAccess.GRANTED, []) == (await outcome(registry, wrong()), logins(registry))


@pytest.mark.parametrize(("path", "status"), [("/v2/", 503), ("/v2/", 405), ("/token", 500)])
async def test_a_fault_of_the_registry_is_undecided(path: str, status: int) -> None:
    """It says nothing about the credential."""
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        registry.on(path, answer(status))

        with pytest.raises(RegistryUnavailable):
            await outcome(registry)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_behind_a_redirect_is_undecided(status: int) -> None:
    """The credential does not follow there, so nothing was said about it."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, FakeRegistry() as store:
        registry.after_login("/manifests/", redirect(f"{store.url}/signed"))
        store.on("/signed", answer(status))
        told = (
            f"{registry.host} redirects to what does not show team/app to anybody ({status}), and "
            "credentials do not follow a redirect"
        )
        with pytest.raises(RegistryUnavailable, match=re.escape(told)):
            async with client_for(named(registry, store)) as client:
                await tried(registry, client)

    assert [None] == [seen.authorization for seen in store.seen]


async def test_a_token_service_that_is_not_known_leaves_it_undecided() -> None:
    """The credential is not sent there, so what it is worth is not known."""
    async with FakeRegistry(users={"ann": "pw"}) as other:
        realm = f"{other.url}/token"
        async with FakeRegistry(realm=realm) as registry:
            with pytest.raises(RegistryUnavailable, match="not sent to"):
                async with client_for(named(registry, other)) as client:
                    await tried(registry, client)

    assert [] == logins(other)


async def test_a_password_that_was_not_sent_is_not_known_to_be_good() -> None:
    """An image that anybody may pull says nothing about it."""
    async with (
        FakeRegistry(public=True) as other,
        FakeRegistry(users={"ann": "pw"}, realm=f"{other.url}/token") as registry,
        client_for(named(registry, other)) as client,
    ):
        registry.add_image()

        async def open_to_any_token(request: web.Request) -> web.StreamResponse:
            if "Authorization" in request.headers:
                return await registry.truth(request)
            challenge = f'Bearer realm="{registry.realm}"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})

        registry.on("/team/app/", open_to_any_token)
        granted = await tried(registry, client)
        registry.behave()
        registry.realm = None
        for number in range(REFUSED_MAX):
            await tried(registry, client, wrong(number))
        with pytest.raises(LoginsPaused):
            await tried(registry, client)

    assert PullAccess.GRANTED == granted


async def test_a_revoked_password_is_found_although_a_token_is_still_good() -> None:
    """Nothing that was given out before is used again."""
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            first = await tried(registry, client)
            registry.users["ann"] = "another"
            second = await tried(registry, client)

    assert [PullAccess.GRANTED, PullAccess.LOGIN_REFUSED] == [first, second]


async def test_a_refused_login_is_not_tried_again_for_ten_minutes() -> None:
    """Neither for the same image nor for another one, until somebody may have mended it."""
    clock = FastClock()
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry), clock=clock) as client:
            for image in ("team/app:1", "team/app:1", "other/app:2"):
                assert PullAccess.LOGIN_REFUSED == await tried(registry, client, wrong(), image)
            assert 1 == len(logins(registry))

            registry.users["ann"] = wrong().password
            clock.now += REFUSED_SECONDS
            assert PullAccess.GRANTED == await tried(registry, client, wrong())


async def test_no_account_is_locked_by_many_wrong_passwords() -> None:
    """A few logins of one user fail, then no other is tried; other users are not concerned."""
    async with FakeRegistry(users={"ann": "pw", "bob": "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            results = await asyncio.gather(
                *(tried(registry, client, wrong(number)) for number in range(20)),
                return_exceptions=True,
            )
            bob = await tried(registry, client, Credential("r", "bob", "pw"))

    assert (REFUSED_MAX, 20 - REFUSED_MAX, PullAccess.GRANTED) == (
        results.count(PullAccess.LOGIN_REFUSED),
        sum(isinstance(each, LoginsPaused) for each in results),
        bob,
    )
    assert REFUSED_MAX + 1 == len(logins(registry))


async def test_a_login_that_was_good_goes_on_beside_wrong_ones_of_its_user() -> None:
    """Whoever names the user with wrong passwords keeps nobody from pulling."""
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            await tried(registry, client)
            for number in range(REFUSED_MAX):
                await tried(registry, client, wrong(number))

            assert PullAccess.GRANTED == await tried(registry, client)
            with pytest.raises(LoginsPaused):
                await tried(registry, client, wrong(REFUSED_MAX))


async def test_wrong_passwords_of_a_namespace_keep_no_other_from_trying() -> None:
    """Else whoever names the user of others would stop each new password of theirs."""
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            for number in range(REFUSED_MAX):
                await tried(registry, client, wrong(number), owner="evil")
            with pytest.raises(LoginsPaused):
                await tried(registry, client, owner="evil")

            assert PullAccess.GRANTED == await tried(registry, client)


async def test_a_wrong_password_of_many_namespaces_is_tried_once() -> None:
    """The same Secret is copied to all of them, and so it is one login."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        owners = [f"namespace-{number}" for number in range(20)]
        results = await asyncio.gather(
            *(tried(registry, client, wrong(), owner=owner) for owner in owners)
        )

    assert ([PullAccess.LOGIN_REFUSED] * 20, 1) == (results, len(logins(registry)))


async def test_another_spelling_of_a_user_is_the_same_account() -> None:
    """Registries that ask a directory take capitals and blanks for nothing."""
    spellings = ("ann", "Ann", "ANN", " ann", "ann ")
    async with FakeRegistry(users={"bob": "pw"}) as registry, client_for(named(registry)) as client:
        results = await asyncio.gather(
            *(tried(registry, client, wrong(0, user)) for user in spellings),
            return_exceptions=True,
        )

    assert (REFUSED_MAX, REFUSED_MAX) == (
        results.count(PullAccess.LOGIN_REFUSED),
        len(logins(registry)),
    )


async def test_a_login_counts_as_good_for_a_day() -> None:
    """Else whoever names its user with wrong passwords would only have to wait a little."""
    clock = FastClock()
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry), clock=clock) as client:
            await tried(registry, client)
            clock.now += GOOD_SECONDS - 1
            for number in range(REFUSED_MAX):
                await tried(registry, client, wrong(number))

            assert PullAccess.GRANTED == await tried(registry, client)

            clock.now += GOOD_SECONDS
            for number in range(REFUSED_MAX):
                await tried(registry, client, wrong(number))
            with pytest.raises(LoginsPaused):
                await tried(registry, client)


@pytest.mark.parametrize("user", sorted(SHARED_NAMES))
async def test_a_name_that_everybody_has_is_no_account_to_be_locked(user: str) -> None:
    """Else three wrong keys of one team would keep every other from having its own tried."""
    async with FakeRegistry(users={user: "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            refused = [
                await tried(registry, client, wrong(number, user))
                for number in (*range(REFUSED_MAX + 1), 0)
            ]
            granted = await tried(registry, client, Credential("r", user, "pw"))

    assert ([PullAccess.LOGIN_REFUSED] * (REFUSED_MAX + 2), PullAccess.GRANTED) == (
        refused,
        granted,
    )
    assert REFUSED_MAX + 2 == len(logins(registry))


async def test_a_password_that_was_good_fails_only_a_few_times_at_once() -> None:
    """When it is changed, not all images try the old one, and the new one is tried at once."""
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            await tried(registry, client)
            registry.users["ann"] = "another"
            before = len(logins(registry))
            images = [f"team/app{number}:1" for number in range(20)]
            results = await asyncio.gather(*(tried(registry, client, ANN, i) for i in images))
            failed = len(logins(registry)) - before
            mended = await tried(registry, client, Credential("r", "ann", "another"))

    assert ([PullAccess.LOGIN_REFUSED] * 20, PullAccess.GRANTED) == (results, mended)
    assert failed <= REFUSED_MAX


class Refusing:
    """Refuses every login at every host; only `named.example` has been named by the admin."""

    def __init__(self) -> None:
        self.logins: list[str] = []

    def is_named(self, host: str) -> bool:
        return host == "named.example"

    async def send(self, ask: Ask) -> Reply:
        if ask.authorization is not None:
            self.logins.append(ask.host)
        challenge = CIMultiDict({"WWW-Authenticate": "Basic"})
        return Reply(401, CIMultiDictProxy(challenge), b"")


async def test_nobody_makes_the_failures_at_a_named_registry_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Logins elsewhere, of which whoever writes Secrets can have any number, have another place."""
    monkeypatch.setattr(logins_module, "REMEMBERED_MAX", 20)
    clock, transport = FastClock(), Refusing()
    trial = AccessTrial(
        cast("Transport", transport), NO_REGISTRY_SETTINGS, patience(clock), LoginMemory(clock)
    )

    async def failing(host: str, number: int) -> None:
        image = ImageReference.parse(f"{host}/team/app:1")
        user = "ann" if host == "named.example" else f"user-{number}"
        with contextlib.suppress(LoginsPaused):
            await trial.outcome(image, wrong(number, user), "shop", soon())

    for number in range(REFUSED_MAX + 1):
        await failing("named.example", number)
    for number in range(50):
        await failing(f"evil-{number}.example", number)
    for number in range(REFUSED_MAX + 1):
        await failing("named.example", 100 + number)

    assert REFUSED_MAX == transport.logins.count("named.example")


async def test_nothing_raised_holds_the_credential() -> None:
    """The message of a pause has neither user nor password."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        for number in range(REFUSED_MAX):
            await tried(registry, client, wrong(number))
        with pytest.raises(LoginsPaused) as paused:
            await tried(registry, client, wrong(REFUSED_MAX))

    assert ("ann" in str(paused.value), "wrong" in str(paused.value)) == (False, False)
