"""
Each misdeed of a registry, at each step, ends as docs/registry-conformance.md says.

Of all of them holds as well: no message has a password or a token; nobody but the registry is sent
a credential; what is taken from a connection is bounded; and the same client reads the truth as
soon as it is told.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import pytest

from landwaiter.errors import ImageProblem, Unavailable
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.registry.access import PullAccess
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.exchange import TransportLimits
from registry.clients import PATIENT, FastClock, client_for, keychain, named, reference, soon
from registry.fake_registry import IMAGE, FakeRegistry
from registry.hostile_answers import AGAIN, MUCH_BYTES, Player
from registry.login_misdeeds import CHALLENGES, TOKENS
from registry.misdeeds import GROUPS, STEPS, Row

HASTY = TransportLimits(silence_seconds=0.5, request_seconds=1.0)
USER, PASSWORD = "ann", "pw-7f3c"
BLOB = b'{"a": "blob"}'
LONGEST_SECONDS = 601.0
"""Nothing that is said against a registry or a login is remembered for longer."""

READS = ("tag", "digest", "blob", "list", "fallback")
"""What is read, for all of which somebody logs in alike."""

ROWS = {name: row for rows in GROUPS.values() for name, row in rows.items()}


class Where(Enum):
    """Who meets a misdeed: those who are let in, those who are not yet, or all."""

    INSIDE = "inside"
    AT_THE_DOOR = "at the door"
    BESIDE = "beside"


PATHS = {
    "tag": "/manifests/1",
    "digest": "/manifests/sha256:",
    "blob": "/blobs/",
    "list": "/referrers/",
    "fallback": "/manifests/sha256-",
    "token": "/token",
    "trial": "/manifests/1",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A registry with an image, a blob and a signature, and another registry beside it."""

    registry: FakeRegistry
    stranger: FakeRegistry
    digest: str
    blob: Descriptor
    signature: Descriptor

    def truth(self, step: str) -> object:
        """Return what an honest registry gives at a step."""
        match step:
            case "blob":
                return BLOB
            case "list" | "fallback":
                return (self.signature,)
            case "trial":
                return PullAccess.GRANTED
            case _:
                content = self.registry.content_of("team/app", self.digest)
                return Manifest(IMAGE, self.digest, content)

    async def ask(self, step: str, client: RegistryClient) -> object:
        """Return what the client says at a step."""
        image = reference(self.registry)
        chain = keychain(self.registry, (USER, PASSWORD))
        match step:
            case "digest":
                pinned = image.with_digest(self.digest)
                return await client.manifest(pinned, keychain=chain, deadline=soon())
            case "blob":
                return await client.blob(image, self.blob, 100, keychain=chain, deadline=soon())
            case "list" | "fallback":
                pinned = image.with_digest(self.digest)
                return await client.referrers(pinned, keychain=chain, deadline=soon())
            case "trial":
                return await client.pull_access(
                    image, chain.credentials[0], owner="shop", deadline=soon()
                )
            case _:
                return await client.manifest(image, keychain=chain, deadline=soon())

    async def outcome(self, step: str, client: RegistryClient) -> str:
        """Return the letter of what becomes of a step."""
        try:
            found = await self.ask(step, client)
        except ImageProblem as problem:
            letter, told = "R", str(problem)
        except Unavailable as problem:
            letter, told = "U", str(problem)
        else:
            letter, told = self._letter_of(step, found), ""
        assert not any(secret in told for secret in (PASSWORD, "token-")), told
        return letter

    def _letter_of(self, step: str, found: object) -> str:
        if found == self.truth(step):
            return "A"
        if isinstance(found, PullAccess):
            return "R"
        return "N" if found == () else "?"


@asynccontextmanager
async def a_scene(*, referrers_api: bool) -> AsyncIterator[Scene]:
    async with (
        FakeRegistry(users={USER: PASSWORD}, referrers_api=referrers_api) as registry,
        FakeRegistry(users={"bob": "pw"}) as stranger,
    ):
        digest = registry.add_image()
        signature = registry.add_referrer("team/app", digest, b"a signature")
        yield Scene(registry, stranger, digest, registry.add_blob("team/app", BLOB), signature)


async def outcome_of(row: Row, step: str, text: str, where: Where) -> str:
    """Return what becomes of a misdeed where a path has the text, all else being honest."""
    clock = FastClock()
    async with a_scene(referrers_api=step != "fallback") as scene:
        registry = scene.registry
        settings = named(registry, scene.stranger)
        at_the_door = where is Where.AT_THE_DOOR
        player = Player(registry, scene.stranger, row.misdeed, at_the_door=at_the_door)
        registry.on(AGAIN, player.fault)
        put = registry.after_login if where is Where.INSIDE else registry.on
        put(text, player.fault)
        limits = HASTY if row.is_slow else PATIENT
        async with client_for(settings, clock=clock, limits=limits) as client:
            outcome = await scene.outcome(step, client)
            registry.behave()
            clock.now += LONGEST_SECONDS

            assert scene.truth(step) == await scene.ask(step, client)
        assert 0 <= player.written < MUCH_BYTES
        assert {None} >= {seen.authorization for seen in scene.stranger.seen}
        assert not any("Cookie" in seen.headers for seen in registry.seen)
        return outcome


@pytest.mark.parametrize("name", ROWS)
async def test_a_misdeed_ends_as_the_table_says(name: str) -> None:
    """At each step, for whoever reads and for whoever tries a pull."""
    row = ROWS[name]
    outcomes = await asyncio.gather(
        *(
            outcome_of(row, step, PATHS[step], Where.BESIDE if step == "token" else Where.INSIDE)
            for step in STEPS
        )
    )

    assert row.outcomes == "".join(outcomes)


@pytest.mark.parametrize("name", CHALLENGES)
async def test_a_dishonest_challenge_ends_as_the_table_says(name: str) -> None:
    """Whoever answers in the registry's place does not choose who gets the password."""
    row = CHALLENGES[name]
    outcomes = await asyncio.gather(
        *(outcome_of(row, step, "/v2/", Where.AT_THE_DOOR) for step in (*READS, "trial"))
    )

    assert row.outcomes[0] * len(READS) + row.outcomes[1] == "".join(outcomes)


@pytest.mark.parametrize("name", TOKENS)
async def test_a_dishonest_token_service_ends_as_the_table_says(name: str) -> None:
    """Nothing that it sends gets into a header but a token."""
    row = TOKENS[name]
    outcomes = await asyncio.gather(
        *(outcome_of(row, step, "/token", Where.BESIDE) for step in (*READS, "trial"))
    )

    assert row.outcomes[0] * len(READS) + row.outcomes[1] == "".join(outcomes)
