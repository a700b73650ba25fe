"""What is asked of the real registries, for test_registry_conformance.py."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMissing, ImageProblem, Unavailable
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference
from landwaiter.registry.access import PullAccess
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from landwaiter.registry.settings import HostSettings, RegistrySettings
from realparts.images import ImageMaker
from realparts.registries import OTHER, TESTER, Login, Registry
from realparts.signing import Signer
from registry.behaviours import LISTED, MISSING, NONE, READ, REFUSED, UNDECIDED
from registry.clients import client_for, soon

A_DIGEST = f"sha256:{'0' * 64}"
LARGE_BYTES = 5 * 1024 * 1024
AT_ONCE = 16
WRONG = "not-the-password"
MISTYPED = Login(TESTER.user, WRONG, "")


@dataclass(frozen=True, slots=True)
class Room:
    """
    One registry, who pushes to it and who signs in it; the repository is the test's own.

    `realm` is the host of its token service, empty where it has none.
    """

    registry: Registry
    images: ImageMaker
    signer: Signer
    repository: str
    realm: str = ""

    def image(self, rest: str) -> ImageReference:
        """Return a reference to what stands in the repository."""
        return ImageReference.parse(f"{self.registry.host}/{self.repository}{rest}")

    def make(
        self,
        rest: str,
        *,
        platform: str = "linux/amd64",
        labels: Mapping[str, str] | None = None,
        oci: bool = True,
    ) -> ImageReference:
        """Push an image and return its reference by digest."""
        name = f"{self.repository}{rest}"
        made = self.images.make_image(name, platform=platform, labels=labels, oci=oci)
        return ImageReference.parse(made)

    def keychain(self, *passwords: str) -> Keychain:
        """Return the tester's credentials, with the right password where none is given."""
        words = passwords or (TESTER.password,)
        return Keychain(tuple(Credential(self.registry.host, TESTER.user, word) for word in words))

    def settings(
        self, *, trusted: bool = True, plain_http: bool = False, realm_named: bool = True
    ) -> RegistrySettings:
        """Return settings that name the registry, and its token service as such."""
        realms = (self.realm,) if realm_named else ()
        host = HostSettings(plain_http, self.registry.ca if trusted else None, realms)
        hosts = {self.registry.host: host}
        if self.realm:
            hosts[self.realm] = HostSettings(ca_file=self.registry.ca)
        return RegistrySettings(hosts)


Question = Callable[[RegistryClient], Awaitable[object]]
Behaving = Callable[[Room], Awaitable[str]]


async def outcome(
    room: Room, *questions: Question, settings: RegistrySettings | None = None
) -> str:
    """Return what becomes of questions that are put one after another to one client."""
    async with client_for(settings or room.settings()) as client:
        try:
            found = [await question(client) for question in questions][-1]
        except ContentMissing:
            return MISSING
        except ImageProblem:
            return REFUSED
        except Unavailable:
            return UNDECIDED
    if isinstance(found, tuple):
        return LISTED if found else NONE
    return found.value if isinstance(found, PullAccess) else READ


def manifest(
    room: Room,
    reference: ImageReference,
    *,
    keychain: Keychain | None = None,
    seconds: float = 20,
) -> Question:
    """Ask for a manifest."""
    chain = room.keychain() if keychain is None else keychain
    return lambda client: client.manifest(
        reference, keychain=chain, deadline=Deadline.after(seconds)
    )


def referrers(room: Room, reference: ImageReference) -> Question:
    """Ask for what refers to a digest."""
    return lambda client: client.referrers(reference, keychain=room.keychain(), deadline=soon())


def blob(room: Room, reference: ImageReference, entry: Mapping[str, Any], limit: int) -> Question:
    """Ask for the blob that a manifest's entry points to."""
    descriptor = Descriptor(entry["mediaType"], entry["digest"], entry["size"])
    return lambda client: client.blob(
        reference, descriptor, limit, keychain=room.keychain(), deadline=soon()
    )


def trial(room: Room, reference: ImageReference, login: Login = TESTER) -> Question:
    """Try a pull."""
    credential = Credential(room.registry.host, login.user, login.password)
    return lambda client: client.pull_access(reference, credential, owner="", deadline=soon())


def entries(room: Room, reference: ImageReference) -> dict[str, Any]:
    """Return the manifest as crane reads it."""
    return room.images.manifest(str(reference).removeprefix(f"{room.registry.host}/"))


async def a_tag(room: Room) -> str:
    """Return what becomes of a tag, whose digest has to be the one that was pushed."""
    made = room.make(":1")
    async with client_for(room.settings()) as client:
        found = await client.resolve(room.image(":1"), keychain=room.keychain(), deadline=soon())
    assert made.digest == found
    return READ


async def a_moved_tag(room: Room) -> str:
    """Return what becomes of a tag that is read, moved and read again."""
    first, second = room.make(":1"), room.make(":2")
    async with client_for(room.settings()) as client:
        ask = partial(client.resolve, room.image(":now"), keychain=room.keychain())
        room.images.tag(f"{room.repository}:1", "now")
        before = await ask(deadline=soon())
        room.images.tag(f"{room.repository}:2", "now")
        after = await ask(deadline=soon())
    assert (first.digest, second.digest) == (before, after)
    return READ


async def an_index(room: Room) -> str:
    """Return what becomes of an index of two platforms."""
    parts = [room.make(f":{each}", platform=f"linux/{each}") for each in ("amd64", "arm64")]
    made = room.images.make_index(f"{room.repository}:1", list(map(str, parts)))
    return await outcome(room, manifest(room, ImageReference.parse(made)))


async def at_once(room: Room) -> str:
    """Return what becomes of more questions at once than there are connections to a host."""
    made = room.make(":1")
    async with client_for(room.settings()) as client:
        ask = partial(client.manifest, made, keychain=room.keychain(), deadline=soon())
        found = await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert [made.digest] * AT_ONCE == [each.digest for each in found]
    return READ


def a_config(limit: int) -> Behaving:
    """Return what asks for the configuration of an image."""

    async def behaving(room: Room) -> str:
        made = room.make(":1", labels={"team": "shop"})
        return await outcome(room, blob(room, made, entries(room, made)["config"], limit))

    return behaving


async def a_large_blob(room: Room) -> str:
    """Return what becomes of a layer that is larger than any manifest."""
    name = f"{room.repository}:1"
    made = ImageReference.parse(
        room.images.make_described_image(
            name, {"architecture": "amd64", "os": "linux"}, layer_bytes=LARGE_BYTES
        )
    )
    return await outcome(room, blob(room, made, entries(room, made)["layers"][0], LARGE_BYTES))


async def a_missing_blob(room: Room) -> str:
    """Return what becomes of a blob of no image."""
    entry = {"mediaType": "application/octet-stream", "digest": A_DIGEST, "size": 1}
    return await outcome(room, blob(room, room.make(":1"), entry, 1))


async def a_deleted_image(room: Room) -> str:
    """Return what becomes of an image that was read, deleted and is read again."""
    made = room.make(":1")
    before = await outcome(room, manifest(room, made))
    room.images.delete(f"{room.repository}@{made.digest}")
    assert before == READ
    return await outcome(room, manifest(room, made))


async def a_signed_image(room: Room) -> str:
    """Return what becomes of the list of an image that cosign 3 has signed."""
    made = room.make(":1")
    room.signer.sign_with_cosign3(str(made), room.signer.generate_key_pair())
    return await outcome(room, referrers(room, made))


async def an_old_signature(room: Room) -> str:
    """Return what becomes of the tag that cosign 2 leaves."""
    made = room.make(":1")
    room.signer.sign_with_cosign2(str(made), room.signer.generate_key_pair())
    tag = f":{(made.digest or '').replace(':', '-')}.sig"
    return await outcome(room, manifest(room, room.image(tag)))


def with_passwords(*passwords: str) -> Behaving:
    """Return what reads an image with these passwords, in order."""

    async def behaving(room: Room) -> str:
        chain = room.keychain(*passwords) if passwords else EMPTY_KEYCHAIN
        return await outcome(room, manifest(room, room.make(":1"), keychain=chain))

    return behaving


def with_settings(
    *,
    trusted: bool = True,
    plain_http: bool = False,
    realm_named: bool = True,
    ask: Callable[[Room, ImageReference], Question] = manifest,
) -> Behaving:
    """Return what asks about an image of a registry of which something else is known."""

    async def behaving(room: Room) -> str:
        settings = room.settings(trusted=trusted, plain_http=plain_http, realm_named=realm_named)
        return await outcome(room, ask(room, room.make(":1")), settings=settings)

    return behaving


def through(fault: Callable[[Registry], None], *, seconds: float = 20) -> Behaving:
    """Return what reads an image before and after something is done to the registry."""

    async def behaving(room: Room) -> str:
        made = room.make(":1")

        async def done(_client: RegistryClient) -> object:
            fault(room.registry)  # In the main thread, with which a process would end.
            return None

        again = manifest(room, made, seconds=seconds)
        return await outcome(room, manifest(room, made), done, again)

    return behaving


def restart(registry: Registry) -> None:
    registry.stop()
    registry.start()


def freeze(registry: Registry) -> None:
    registry.process.freeze()


def of_image(rest: str, ask: Callable[[Room, ImageReference], Question] = manifest) -> Behaving:
    """Return what asks about something in a repository that has an image."""

    async def behaving(room: Room) -> str:
        made = room.make(":1")
        asked = made.with_digest(A_DIGEST) if rest == A_DIGEST else room.image(rest)
        return await outcome(room, ask(room, asked))

    return behaving


def of_made(
    ask: Callable[[Room, ImageReference], Question] = manifest, *, oci: bool = True
) -> Behaving:
    """Return what asks about an image that was made, by its digest."""

    async def behaving(room: Room) -> str:
        made = room.make(":1", oci=oci)
        return await outcome(room, ask(room, made))

    return behaving


async def no_tag(room: Room) -> str:
    """Return what becomes of a name without tag."""
    room.make(":latest")
    return await outcome(room, manifest(room, room.image("")))


SHORT_SECONDS = 1.0

BEHAVING: Mapping[str, Behaving] = {
    "a tag": a_tag,
    "a tag that has moved": a_moved_tag,
    "no tag, which is `latest`": no_tag,
    "an OCI image by its digest": of_made(),
    "a Docker image by its digest": of_made(oci=False),
    "an index by its digest": an_index,
    "the configuration of an image": a_config(10_000),
    "a blob of five MiB": a_large_blob,
    "a blob over the limit": a_config(1),
    "sixteen questions at once": at_once,
    "a tag that is not there": of_image(":never"),
    "a digest that is not there": of_image(A_DIGEST),
    "a blob that is not there": a_missing_blob,
    "a repository that is not there": of_image("/never:1"),
    "an image that was deleted": a_deleted_image,
    "what refers to an unsigned image": of_made(referrers),
    "what refers to a signed image": a_signed_image,
    "what refers to a digest that is not there": of_image(A_DIGEST, referrers),
    "the tag of a signature in the old format": an_old_signature,
    "no password": with_passwords(),
    "a wrong password": with_passwords(WRONG),
    "a wrong password, and then the right one": with_passwords(WRONG, TESTER.password),
    "`checkAccess` with the right password": of_made(trial),
    "`checkAccess` with a wrong password": of_made(partial(trial, login=MISTYPED)),
    "`checkAccess` with a user who may not pull": of_made(partial(trial, login=OTHER)),
    "a token service that the admin has not named": with_settings(realm_named=False),
    "`checkAccess` by a token service that the admin has not named": with_settings(
        realm_named=False, ask=trial
    ),
    "`checkAccess` of an image that is not there": of_image(":never", trial),
    "a certificate of an authority that is not trusted": with_settings(trusted=False),
    "plain HTTP to a registry that speaks TLS": with_settings(plain_http=True),
}
"""What is asked of a registry that all tests share."""

THROUGH: Mapping[str, Behaving] = {
    "while it is away": through(Registry.stop),
    "while it is silent": through(freeze, seconds=SHORT_SECONDS),
    "after a restart": through(restart),
}
"""What is asked of a registry of one's own, to which something is done."""
