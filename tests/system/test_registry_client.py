"""The registry client on real registries, and on what real cosign leaves in them."""

import json

import pytest

from landwaiter.errors import AccessDenied, ContentMissing
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from landwaiter.registry.settings import HostSettings, RegistrySettings
from realparts.images import ImageMaker
from realparts.registries import (
    OTHER,
    TESTER,
    CraneRegistry,
    DistributionRegistry,
    ReferrersRegistry,
    Registry,
)
from realparts.signing import Signer
from registry.clients import client_for, soon

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def settings_of(registry: Registry) -> RegistrySettings:
    """Return settings that name the registry."""
    return RegistrySettings(
        {registry.host: HostSettings(plain_http=registry.ca is None, ca_file=registry.ca)}
    )


def keychain_of(registry: Registry, *passwords: str) -> Keychain:
    """Return the tester's credentials with these passwords, in order."""
    return Keychain(tuple(Credential(registry.host, TESTER.user, word) for word in passwords))


async def test_reads_an_image_behind_tls_and_a_password(
    private_registry: DistributionRegistry, private_images: ImageMaker
) -> None:
    """Tag, manifest and configuration are read, with the first credential that does."""
    made = private_images.make_image("client/app:1")
    image = ImageReference.parse(f"{private_registry.host}/client/app:1")
    chain = keychain_of(private_registry, "wrong", TESTER.password)
    async with client_for(settings_of(private_registry)) as client:
        digest = await client.resolve(image, keychain=chain, deadline=soon())
        pinned = image.with_digest(digest)
        manifest = await client.manifest(pinned, keychain=chain, deadline=soon())
        entry = json.loads(manifest.content)["config"]
        descriptor = Descriptor(entry["mediaType"], entry["digest"], entry["size"])
        config = await client.blob(pinned, descriptor, 1_000_000, keychain=chain, deadline=soon())

    assert (made, "amd64") == (f"{image.name}@{digest}", json.loads(config)["architecture"])


@pytest.mark.parametrize("keychain", [EMPTY_KEYCHAIN, None])
async def test_is_denied_without_the_right_password(
    private_registry: DistributionRegistry, private_images: ImageMaker, keychain: Keychain | None
) -> None:
    """Neither nobody nor a wrong password reads a private image."""
    image = ImageReference.parse(private_images.make_image("client/denied:1"))
    chain = keychain if keychain is not None else keychain_of(private_registry, OTHER.password)
    async with client_for(settings_of(private_registry)) as client:
        with pytest.raises(AccessDenied):
            await client.manifest(image, keychain=chain, deadline=soon())


async def test_tells_that_an_image_is_missing(plain_registry: CraneRegistry) -> None:
    """A real registry's 404 is no fault."""
    image = ImageReference.parse(f"{plain_registry.host}/client/missing:1")
    async with client_for(settings_of(plain_registry)) as client:
        with pytest.raises(ContentMissing):
            await client.resolve(image, keychain=EMPTY_KEYCHAIN, deadline=soon())


async def test_reads_a_bundle_that_cosign_left_behind_the_referrers_api(
    referrers_registry: ReferrersRegistry,
    referrers_images: ImageMaker,
    referrers_signer: Signer,
) -> None:
    """The API lists the bundle of a signature with its type, and the bundle can be read."""
    made = referrers_images.make_image("client/signed:1")
    referrers_signer.sign_with_cosign3(made, referrers_signer.generate_key_pair())

    assert [BUNDLE] == await bundle_types(referrers_registry, made, EMPTY_KEYCHAIN)


async def test_reads_a_bundle_that_cosign_left_behind_the_fallback_tag(
    private_registry: DistributionRegistry, private_images: ImageMaker, private_signer: Signer
) -> None:
    """The fallback tag leads to the bundle of a signature too."""
    made = private_images.make_image("client/signed:1")
    private_signer.sign_with_cosign3(made, private_signer.generate_key_pair())
    chain = keychain_of(private_registry, TESTER.password)

    assert [BUNDLE] == await bundle_types(private_registry, made, chain)


async def bundle_types(registry: Registry, made: str, chain: Keychain) -> list[str]:
    """Return the media types that the bundles of all referrers of an image say they have."""
    image = ImageReference.parse(made)
    types = []
    async with client_for(settings_of(registry)) as client:
        for referrer in await client.referrers(image, keychain=chain, deadline=soon()):
            found = await client.manifest(
                image.with_digest(referrer.digest), keychain=chain, deadline=soon()
            )
            layer = json.loads(found.content)["layers"][0]
            descriptor = Descriptor(layer["mediaType"], layer["digest"], layer["size"])
            bundle = await client.blob(
                image, descriptor, 1_000_000, keychain=chain, deadline=soon()
            )
            types.append(json.loads(bundle)["mediaType"])
    return types


async def test_nothing_refers_to_an_unsigned_image(
    plain_registry: CraneRegistry,
    referrers_registry: ReferrersRegistry,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """An unsigned image has an empty list, with the API and without."""
    for registry in (plain_registry, referrers_registry):
        maker = ImageMaker(tmp_path_factory.mktemp("images"), registry)
        image = ImageReference.parse(maker.make_image("client/unsigned:1"))
        async with client_for(settings_of(registry)) as client:
            found = await client.referrers(image, keychain=EMPTY_KEYCHAIN, deadline=soon())

        assert () == found
