"""How seldom reading logs in with what a registry has refused, and whom that concerns."""

import asyncio
from typing import Literal

import pytest
from aiohttp import web

from landwaiter.errors import AccessDenied
from landwaiter.registry.access import PullAccess
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import Given, Keychain
from landwaiter.registry.logins import (
    CONFIRMED_SECONDS,
    DOUBTED_SECONDS,
    REFUSED_MAX,
    REFUSED_SECONDS,
    LoginNotTried,
)
from registry.clients import FastClock, client_for, named, reference, soon
from registry.fake_registry import FakeRegistry, answer, basic
from registry.test_further_credentials import Further

Auth = Literal["basic", "token"]
AUTHS: tuple[Auth, ...] = ("basic", "token")
MINUTE = 60.0


def secret(word: str = "pw", user: str = "ann", *, of: str = "shop") -> Keychain:
    """Return what is in a Secret of a namespace."""
    return Keychain((Credential("127.0.0.1", user, word),), owner=of)


def chain_for(registry: FakeRegistry, chain: Keychain) -> Keychain:
    found = (Credential(registry.host, each.username, each.password) for each in chain.credentials)
    return Keychain(tuple(found), further=chain.further, owner=chain.owner)


async def is_read(
    registry: FakeRegistry, client: RegistryClient, chain: Keychain, image: str = "team/app:1"
) -> bool:
    try:
        await client.resolve(
            reference(registry, image), keychain=chain_for(registry, chain), deadline=soon()
        )
    except AccessDenied:
        return False
    return True


def logins(registry: FakeRegistry) -> list[str]:
    """Return the passwords that arrived, as they were sent."""
    sent = [seen.authorization or "" for seen in registry.seen]
    return [text for text in sent if text.startswith("Basic ")]


def with_images(registry: FakeRegistry, count: int = 1) -> list[str]:
    """Add images in repositories of their own, and return what they are called."""
    names = ["team/app", *(f"team/app{number}" for number in range(1, count))]
    for name in names:
        registry.add_image(name)
    return [f"{name}:1" for name in names]


@pytest.mark.parametrize("auth", AUTHS)
async def test_a_wrong_password_is_sent_once_in_ten_minutes(auth: Auth) -> None:
    """However many images are read with it, one after another and at once."""
    clock = FastClock()
    async with FakeRegistry(users={"ann": "pw"}, auth=auth) as registry:
        images = with_images(registry, 20)
        async with client_for(named(registry), clock=clock) as client:
            read = [await is_read(registry, client, secret("wrong"), each) for each in images]
            read += await asyncio.gather(
                *(is_read(registry, client, secret("wrong"), each) for each in images)
            )
            assert ([False] * 40, [basic("ann", "wrong")]) == (read, logins(registry))

            clock.now += REFUSED_SECONDS
            registry.users["ann"] = "wrong"
            assert await is_read(registry, client, secret("wrong"))


async def test_a_wrong_password_of_many_namespaces_is_sent_once() -> None:
    """The same Secret is copied to all of them, and so it is one login of one account."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        registry.add_image()
        chains = [secret("wrong", of=f"namespace-{number}") for number in range(20)]
        await asyncio.gather(*(is_read(registry, client, chain) for chain in chains))

        assert [basic("ann", "wrong")] == logins(registry)


@pytest.mark.parametrize("auth", AUTHS)
async def test_a_mended_secret_is_tried_at_once(auth: Auth) -> None:
    """Nobody waits for what a wrong password has brought about, after it is put right."""
    async with FakeRegistry(users={"ann": "pw"}, auth=auth) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            wrong = await is_read(registry, client, secret("wrong"))

            assert (False, True) == (wrong, await is_read(registry, client, secret()))


async def test_a_refused_login_keeps_nobody_from_public_images() -> None:
    """Where a registry asks for no login there is none to be refused."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        registry.add_image()
        digest = registry.add_image("open/app")
        registry.on("/open/", registry.truthful())
        await is_read(registry, client, secret("wrong"))
        chain = chain_for(registry, secret("wrong"))

        assert digest == await client.resolve(
            reference(registry, "open/app:1"), keychain=chain, deadline=soon()
        )


async def test_the_next_entry_is_tried_beside_a_refused_one() -> None:
    """That one is known to be wrong says nothing about the others."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        first, second = with_images(registry, 2)
        both = Keychain((*secret("wrong", "bob").credentials, *secret().credentials), owner="shop")
        read = [await is_read(registry, client, both, each) for each in (first, second)]

    assert ([True, True], 1) == (read, logins(registry).count(basic("bob", "wrong")))


@pytest.mark.parametrize("auth", AUTHS)
async def test_a_changed_password_fails_three_times_in_ten_minutes(auth: Auth) -> None:
    """Once for its repository, once for the registry, and once more when a minute has passed."""
    clock = FastClock()
    async with FakeRegistry(users={"ann": "pw"}, auth=auth) as registry:
        images = with_images(registry, 20)
        async with client_for(named(registry), clock=clock) as client:
            assert await is_read(registry, client, secret())
            registry.users["ann"] = "another"
            registry.revoke_tokens()
            before = len(logins(registry))
            for _ in range(9):
                for each in images:
                    assert not await is_read(registry, client, secret(), each)
                clock.now += MINUTE

    assert REFUSED_MAX == len(logins(registry)) - before


async def test_a_repository_that_is_closed_to_a_login_closes_no_other() -> None:
    """Some registries answer 401 to a good login that may not pull this image."""
    clock = FastClock()
    async with FakeRegistry(users={"ann": "pw"}, auth="basic") as registry:
        mine, closed = with_images(registry, 2)
        registry.on("/app1/", answer(401, WWW_Authenticate="Basic"))
        async with client_for(named(registry), clock=clock) as client:
            assert await is_read(registry, client, secret(), mine)
            found = []
            for _ in range(5):
                found += [await is_read(registry, client, secret(), closed) for _ in "ab"]
                found.append(await is_read(registry, client, secret(), mine))
                clock.now += MINUTE

    assert [False, False, True] * 5 == found


async def test_a_good_login_is_tried_again_a_minute_after_a_fault() -> None:
    """A token service that cannot reach its directory may say 401 for a moment."""
    clock = FastClock()
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        images = with_images(registry, 10)
        async with client_for(named(registry), clock=clock) as client:
            assert await is_read(registry, client, secret())
            clock.now += CONFIRMED_SECONDS
            registry.on("/token", answer(401))
            others = images[1:]
            await asyncio.gather(*(is_read(registry, client, secret(), each) for each in others))
            registry.behave()
            clock.now += DOUBTED_SECONDS

            assert await is_read(registry, client, secret(), images[-1])
            assert PullAccess.GRANTED == await client.pull_access(
                reference(registry),
                *chain_for(registry, secret()).credentials,
                owner="shop",
                deadline=soon(),
            )


async def test_logins_that_a_fault_meets_side_by_side_are_tried_again_as_soon() -> None:
    """The last of them to be refused does not keep the others waiting for longer."""
    clock, meeting = FastClock(), asyncio.Barrier(5)

    async def refused(_request: web.Request) -> web.StreamResponse:
        await meeting.wait()
        return web.Response(status=401)

    async with FakeRegistry(users={"ann": "pw"}) as registry:
        images = with_images(registry, 7)
        async with client_for(named(registry), clock=clock) as client:
            assert await is_read(registry, client, secret())
            registry.on("/token", refused)
            reads = (is_read(registry, client, secret(), each) for each in images[1:6])
            assert [False] * 5 == await asyncio.gather(*reads)
            registry.behave()
            clock.now += DOUBTED_SECONDS

            assert await is_read(registry, client, secret(), images[6])


async def test_a_namespace_tries_few_passwords_of_a_user() -> None:
    """The fourth is refused without being sent: what a namespace names is its own doing."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        registry.add_image()
        for number in range(REFUSED_MAX):
            await is_read(registry, client, secret(f"wrong-{number}"))
        with pytest.raises(LoginNotTried) as refused:
            await client.resolve(
                reference(registry), keychain=chain_for(registry, secret()), deadline=soon()
            )

    told = (
        f"3 logins as one user have failed at {registry.host} in the last 10 minutes; no other is "
        "tried, lest its account be locked"
    )
    assert (told, REFUSED_MAX) == (str(refused.value), len(logins(registry)))


async def test_what_is_not_tried_again_is_told() -> None:
    """The person reads why, and neither user nor password."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        registry.add_image()
        await is_read(registry, client, secret("wrong"))
        with pytest.raises(LoginNotTried) as refused:
            await client.resolve(
                reference(registry), keychain=chain_for(registry, secret("wrong")), deadline=soon()
            )

    assert (
        f"a login at {registry.host} was refused in the last 10 minutes and is not tried again for "
        "team/app, lest its account be locked"
    ) == str(refused.value)


async def test_a_namespace_keeps_no_other_from_its_images() -> None:
    """Neither another namespace nor the install, whose user it names with wrong passwords."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        registry.add_image()
        for number in range(REFUSED_MAX + 1):
            await is_read(registry, client, secret(f"wrong-{number}", of="evil"))
        own = Given(chain_for(registry, secret("own")).credentials)
        install = Keychain(further=Further(own), owner="evil")
        read = [await is_read(registry, client, secret())]
        registry.users["ann"] = "own"
        read.append(await is_read(registry, client, install))

    assert [True, True] == read


async def test_what_is_good_is_tried_beside_what_fails_in_its_namespace() -> None:
    """Whoever names the same user with wrong passwords does not stop what is let in."""
    clock = FastClock()
    async with FakeRegistry(users={"ann": "pw"}) as registry:
        first, second = with_images(registry, 2)
        async with client_for(named(registry), clock=clock) as client:
            assert await is_read(registry, client, secret(), first)
            clock.now += CONFIRMED_SECONDS
            for number in range(REFUSED_MAX):
                await is_read(registry, client, secret(f"wrong-{number}"))

            assert await is_read(registry, client, secret(), second)


@pytest.mark.parametrize(("owner", "was_good"), [("evil", False), ("shop", True)])
async def test_a_login_that_hangs_holds_up_neither_another_namespace_nor_a_good_one(
    owner: str,
    was_good: bool,  # noqa: FBT001
) -> None:
    """What is not known waits for others of its account in its namespace alone."""
    clock, asked, over = FastClock(), asyncio.Event(), asyncio.Event()
    async with (
        FakeRegistry(users={"ann": "pw"}) as registry,
        client_for(named(registry), clock=clock) as client,
    ):
        first, second = with_images(registry, 2)

        async def hanging(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") == basic("ann", "wrong"):
                asked.set()
                await over.wait()
            return await registry.truth(request)

        registry.on("/token", hanging)
        if was_good:
            assert await is_read(registry, client, secret(), first)
            clock.now += CONFIRMED_SECONDS
        wrong = asyncio.create_task(is_read(registry, client, secret("wrong", of=owner)))
        await asked.wait()
        read = await is_read(registry, client, secret(), second)
        over.set()

        assert (True, False) == (read, await wrong)


@pytest.mark.parametrize("auth", AUTHS)
async def test_those_that_waited_for_a_login_go_side_by_side(auth: Auth) -> None:
    """The first of them shows that it is good, and then none waits for another."""
    arrived, meeting = [], asyncio.Barrier(4)
    async with FakeRegistry(users={"ann": "pw"}, auth=auth) as registry:
        images = with_images(registry, 5)

        async def met(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") == basic("ann", "pw"):
                arrived.append(request)
                if len(arrived) > 1:
                    await meeting.wait()
            return await registry.truth(request)

        if auth == "basic":
            registry.after_login("/manifests/", met)
        else:
            registry.on("/token", met)
        async with client_for(named(registry)) as client:
            assert [True] * 5 == await asyncio.gather(
                *(is_read(registry, client, secret(), each) for each in images)
            )


@pytest.mark.parametrize("auth", AUTHS)
async def test_logins_that_were_let_in_just_now_go_side_by_side(auth: Auth) -> None:
    """Else whoever verifies many images of a registry would wait for each of its answers."""
    path = "/token" if auth == "token" else "/manifests/"
    async with FakeRegistry(users={"ann": "pw"}, auth=auth) as registry:
        images = with_images(registry, 5)
        meeting = asyncio.Barrier(4)

        async def met(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") == basic("ann", "pw"):
                await meeting.wait()
            return await registry.truth(request)

        async with client_for(named(registry)) as client:
            assert await is_read(registry, client, secret(), images[0])
            if auth == "basic":
                registry.after_login(path, met)
            else:
                registry.on(path, met)
            rest = images[1:]

            assert [True] * 4 == await asyncio.gather(
                *(is_read(registry, client, secret(), each) for each in rest)
            )


async def test_what_reading_finds_out_is_known_to_trials_and_the_other_way_round() -> None:
    """A wrong password costs its account one failure, whoever comes first."""
    async with FakeRegistry(users={"ann": "pw"}) as registry, client_for(named(registry)) as client:
        registry.add_image()
        await is_read(registry, client, secret("wrong-1"))
        bob = Credential(registry.host, "bob", "wrong-2")
        found = [
            await client.pull_access(reference(registry), each, owner="shop", deadline=soon())
            for each in (*chain_for(registry, secret("wrong-1")).credentials, bob)
        ]
        await is_read(registry, client, secret("wrong-2", "bob"))

    assert ([PullAccess.LOGIN_REFUSED] * 2, 2) == (found, len(logins(registry)))


async def test_a_credential_that_was_not_sent_counts_as_nothing() -> None:
    """An anonymous token of an unknown realm says nothing about a password."""
    async with (
        FakeRegistry(public=True) as other,
        FakeRegistry(realm=f"{other.url}/token") as registry,
        client_for(named(registry, other)) as client,
    ):
        registry.add_image()
        await is_read(registry, client, secret("wrong"))
        registry.realm = None
        for number in range(REFUSED_MAX):
            await is_read(registry, client, secret(f"wrong-{number}"), "other/app:1")
        chain = chain_for(registry, secret("wrong"))
        with pytest.raises(LoginNotTried):
            await client.resolve(
                reference(registry, "third/app:1"), keychain=chain, deadline=soon()
            )
