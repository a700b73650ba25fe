"""Images that are read from mirrors: in order, each with its own credentials, checked as any."""

import pytest

from landwaiter.errors import (
    AccessDenied,
    ContentMalformed,
    ContentMissing,
    RegistryUnavailable,
)
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from landwaiter.registry.mirrors import Mirror, Mirrors, Place
from landwaiter.registry.settings import HostSettings, RegistrySettings
from registry.clients import client_for, soon
from registry.fake_registry import FakeRegistry, answer

SIGNED_AS = Place("registry.example", "shop")
BUNDLE = b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}'


def mirrored(*registries: FakeRegistry) -> RegistrySettings:
    """Return settings in which images of one name are read from registries, in order."""
    places = tuple(Place(each.host, "cache") for each in registries)
    hosts = {each.host: HostSettings(plain_http=True) for each in registries}
    return RegistrySettings(hosts, Mirrors((Mirror(SIGNED_AS, read_from=places),)))


def image(digest: str) -> ImageReference:
    return ImageReference.parse(f"registry.example/shop/app@{digest}")


async def test_the_nearest_that_has_it_is_read() -> None:
    """What the first place has is asked of no other; what it lacks, of the next."""
    async with (
        FakeRegistry() as near,
        FakeRegistry() as far,
        client_for(mirrored(near, far)) as client,
    ):
        both = near.add_image("cache/app", note="both")
        assert both == far.add_image("cache/app", note="both")
        only_far = far.add_image("cache/app", note="far")
        for digest in (both, only_far):
            await client.manifest(image(digest), keychain=EMPTY_KEYCHAIN, deadline=soon())

        paths = [f"/v2/cache/app/manifests/{digest}" for digest in (both, only_far)]
        assert (paths, paths[1:]) == (near.paths(), far.paths())


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_a_place_that_does_not_give_it_is_passed_over(status: int) -> None:
    """A mirror that is down, or keeps it from us, hides nothing that the next place gives."""
    async with (
        FakeRegistry() as near,
        FakeRegistry() as far,
        client_for(mirrored(near, far)) as client,
    ):
        near.on("manifests", answer(status))
        digest = far.add_image("cache/app")
        found = await client.manifest(image(digest), keychain=EMPTY_KEYCHAIN, deadline=soon())

        assert digest == found.digest


async def test_what_a_mirror_makes_up_is_passed_over() -> None:
    """Other content than the digest names is no content; a mirror is believed no more than any."""
    async with (
        FakeRegistry() as near,
        FakeRegistry() as far,
        client_for(mirrored(near, far)) as client,
    ):
        near.on("manifests", answer(200, b'{"schemaVersion": 2}'))
        digest = far.add_image("cache/app")
        blob = far.add_blob("cache/app", b"content")
        near.on("blobs", answer(200, b"CONTENT"))
        manifest = await client.manifest(image(digest), keychain=EMPTY_KEYCHAIN, deadline=soon())
        content = await client.blob(
            image(digest), blob, 100, keychain=EMPTY_KEYCHAIN, deadline=soon()
        )

        assert (digest, b"content") == (manifest.digest, content)


@pytest.mark.parametrize(
    ("near_status", "far_status", "problem"),
    [
        (404, 404, ContentMissing),
        (404, 403, AccessDenied),
        (500, 404, RegistryUnavailable),
        (404, 500, RegistryUnavailable),
        (200, 404, ContentMissing),
        (404, 200, ContentMalformed),
    ],
)
async def test_what_no_place_gives_is_unknown_while_one_cannot_be_asked(
    near_status: int, far_status: int, problem: type[Exception]
) -> None:
    """It is missing only where every place says so; else what the last place says stands."""
    async with (
        FakeRegistry() as near,
        FakeRegistry() as far,
        client_for(mirrored(near, far)) as client,
    ):
        near.on("manifests", answer(near_status, b"{}"))
        far.on("manifests", answer(far_status, b"{}"))
        with pytest.raises(problem):
            await client.manifest(
                image(f"sha256:{'a' * 64}"), keychain=EMPTY_KEYCHAIN, deadline=soon()
            )


@pytest.mark.parametrize("referrers_api", [True, False])
async def test_a_mirror_without_signatures_hides_none(referrers_api: bool) -> None:  # noqa: FBT001
    """The list of referrers is that of the first place that knows any."""
    async with (
        FakeRegistry(referrers_api=referrers_api) as near,
        FakeRegistry(referrers_api=referrers_api) as far,
        client_for(mirrored(near, far)) as client,
    ):
        digest = near.add_image("cache/app")
        none = await client.referrers(image(digest), keychain=EMPTY_KEYCHAIN, deadline=soon())
        listed = far.add_referrer("cache/app", digest, BUNDLE)
        found = await client.referrers(image(digest), keychain=EMPTY_KEYCHAIN, deadline=soon())

        assert ((), (listed.digest,)) == (none, tuple(each.digest for each in found))


async def test_an_empty_list_is_no_word_for_a_place_that_cannot_be_asked() -> None:
    """Whether there are signatures is not known while one place is down, and it may have them."""
    async with (
        FakeRegistry() as near,
        FakeRegistry() as far,
        client_for(mirrored(near, far)) as client,
    ):
        digest = near.add_image("cache/app")
        far.on("referrers", answer(500))
        with pytest.raises(RegistryUnavailable):
            await client.referrers(image(digest), keychain=EMPTY_KEYCHAIN, deadline=soon())


async def test_each_place_gets_its_own_credentials_alone() -> None:
    """A mirror is asked with what the keychain has for the mirror, as the kubelet would."""
    async with (
        FakeRegistry(users={"near": "n"}, auth="basic") as near,
        FakeRegistry(users={"far": "f"}, auth="basic") as far,
        client_for(settings := mirrored(near, far)) as client,
    ):
        digest = far.add_image("cache/app")
        keychain = Keychain(
            (Credential(near.host, "near", "n"), Credential(far.host, "far", "f")),
            settings.mirrors,
        )
        found = await client.manifest(image(digest), keychain=keychain, deadline=soon())

        sent = [{each.authorization for each in registry.seen} for registry in (near, far)]
        assert digest == found.digest
        assert not sent[0] & (sent[1] - {None})


def test_credentials_of_every_place_are_in_the_fingerprint() -> None:
    """Whoever has others for a mirror is not told what was found with these (semantics 21)."""
    mirrors = Mirrors((Mirror(SIGNED_AS, read_from=(Place("m.example"), Place("n.example"))),))
    keychains = [
        Keychain(),
        Keychain((Credential("m.example", "one", "word"),), mirrors),
        Keychain((Credential("m.example", "two", "word"),), mirrors),
        Keychain((Credential("n.example", "one", "word"),), mirrors),
    ]
    subject = image(f"sha256:{'a' * 64}")

    assert len(keychains) == len({each.fingerprint(subject) for each in keychains})
    assert Keychain().fingerprint(subject) == Keychain((), mirrors).fingerprint(subject)
