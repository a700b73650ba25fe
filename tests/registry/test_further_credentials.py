"""Credentials that have to be asked for: when they are asked for, in which order they are tried."""

from dataclasses import dataclass, field

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import AccessDenied, ContentMissing, CredentialsUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Given, Keychain
from landwaiter.registry.reading import MAX_CANDIDATES
from registry.clients import client_for, named, reference, soon
from registry.fake_registry import FakeRegistry, basic

ANN = ("ann", "pw")
FAULT = 'the credential provider "ecr" ended with exit status 1'


@dataclass
class Further:
    """Gives what it is told to give, and counts."""

    found: Given = field(default_factory=Given)
    asked: list[str] = field(default_factory=list)

    async def given(self, reference: ImageReference, *, deadline: Deadline) -> Given:
        assert deadline.remaining_seconds() > 0
        self.asked.append(str(reference))
        return self.found


def login(registry: FakeRegistry, user: tuple[str, str]) -> Credential:
    return Credential(registry.host, *user)


def chain(
    registry: FakeRegistry, *users: tuple[str, str], further: Further | None = None
) -> Keychain:
    return Keychain(tuple(login(registry, user) for user in users), further=further)


def gives(registry: FakeRegistry, *users: tuple[str, str], fault: str | None = None) -> Further:
    return Further(Given(tuple(login(registry, user) for user in users), fault))


async def resolve(registry: FakeRegistry, keychain: Keychain) -> str:
    async with client_for(named(registry)) as client:
        return await client.resolve(reference(registry), keychain=keychain, deadline=soon())


def tried(registry: FakeRegistry) -> list[str | None]:
    return [seen.authorization for seen in registry.seen]


async def test_secrets_that_do_are_enough() -> None:
    """Nothing further is asked for."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        digest = registry.add_image()
        further = gives(registry, ("aws", "pw"))

        assert (digest, []) == (
            await resolve(registry, chain(registry, ANN, further=further)),
            further.asked,
        )


async def test_further_credentials_come_after_those_of_secrets() -> None:
    """As for the kubelet: first what the Pod names, then what the node has."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        digest = registry.add_image()
        further = gives(registry, ("bob", "no"), ("old", "no"), ANN)
        found = await resolve(registry, chain(registry, ("bob", "no"), further=further))
        users = [("bob", "no"), ("old", "no"), ANN]

        assert (digest, [str(reference(registry))], [basic(*each) for each in users]) == (
            found,
            further.asked,
            [each for each in tried(registry) if each],
        )


async def test_further_credentials_do_for_a_pod_without_secrets() -> None:
    """And nobody asks anonymously then."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        digest = registry.add_image()

        assert (digest, [basic(*ANN)]) == (
            await resolve(registry, chain(registry, further=gives(registry, ANN))),
            [each.authorization for each in registry.seen if each.path == "/token"],
        )


async def test_where_nothing_is_given_the_registry_is_asked_anonymously() -> None:
    """A public image needs no plugin that works."""
    async with FakeRegistry(users=dict([ANN]), public=True) as registry:
        digest = registry.add_image()
        further = gives(registry, fault=FAULT)

        assert digest == await resolve(registry, chain(registry, further=further))


async def test_what_was_accepted_is_tried_first_while_it_is_still_given() -> None:
    """A login that is not given any more is not sent any more."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        digest = registry.add_image()
        further = gives(registry, ("old", "no"), ANN)
        keychain = chain(registry, ("bob", "no"), further=further)
        async with client_for(named(registry)) as client:
            await client.resolve(reference(registry), keychain=keychain, deadline=soon())
            before = len(registry.seen)
            await client.resolve(reference(registry), keychain=keychain, deadline=soon())
            second = tried(registry)[before:]
            registry.users = {"eve": "pw"}
            further.found = gives(registry, ("eve", "pw")).found
            before = len(registry.seen)
            found = await client.resolve(reference(registry), keychain=keychain, deadline=soon())
            third = tried(registry)[before:]

        assert ([basic(*ANN)], digest, {None, basic("eve", "pw")}) == (
            second,
            found,
            set(third),
        )


async def test_a_fault_leaves_open_what_nothing_else_answers() -> None:
    """The message says what the registry said, and which program failed."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        registry.add_image()
        with pytest.raises(CredentialsUnavailable) as fault:
            await resolve(
                registry, chain(registry, ("bob", "no"), further=gives(registry, fault=FAULT))
            )

        assert (
            f"{registry.host} does not show the manifest of {registry.host}/team/app:1 with a "
            f"credential (401); {FAULT}"
        ) == str(fault.value)


async def test_a_fault_leaves_open_what_may_be_hidden() -> None:
    """Some registries answer 404 to whoever may not see an image."""
    async with FakeRegistry() as registry:
        with pytest.raises(CredentialsUnavailable) as fault:
            await resolve(registry, chain(registry, further=gives(registry, fault=FAULT)))

        assert (f"the manifest of {registry.host}/team/app:1 is not shown; {FAULT}") == str(
            fault.value
        )


async def test_what_a_login_that_reads_the_repository_does_not_find_is_missing() -> None:
    """It sees all of the repository, so nothing further is asked for and no fault matters."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        registry.add_image()
        further = gives(registry, fault=FAULT)
        keychain = chain(registry, ANN, further=further)
        async with client_for(named(registry)) as client:
            await client.resolve(reference(registry), keychain=keychain, deadline=soon())
            with pytest.raises(ContentMissing):
                await client.resolve(
                    reference(registry, "team/app:2"), keychain=keychain, deadline=soon()
                )

        assert [] == further.asked


async def test_without_a_fault_a_denial_is_a_denial() -> None:
    """All that there is has been tried."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        registry.add_image()
        with pytest.raises(AccessDenied):
            await resolve(registry, chain(registry, further=gives(registry, ("bob", "no"))))


async def test_no_more_than_a_few_are_tried() -> None:
    """A program cannot make us send hundreds of logins."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        registry.add_image()
        many = [(f"user{number}", "no") for number in range(MAX_CANDIDATES + 5)]
        with pytest.raises(AccessDenied):
            await resolve(registry, chain(registry, further=gives(registry, *many)))

        assert MAX_CANDIDATES == len({each for each in tried(registry) if each})


def test_refusals_are_kept_apart_by_what_there_may_be() -> None:
    """What was refused to nobody says nothing of what the install's credentials may see."""
    image = ImageReference.parse("registry.example.com/team/app")
    written = (Credential("registry.example.com", *ANN),)
    chains = (
        EMPTY_KEYCHAIN,
        Keychain(further=Further()),
        Keychain(written),
        Keychain(written, further=Further()),
    )

    assert 4 == len({each.fingerprint(image) for each in chains})
