"""Judges real signatures: in their registry, or in memory where no registry would take them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cosign.fakes import CountingObserver, FakeKeychain, FakeRegistry
from landwaiter.cosign.attestation_fetching import fetch_attestations
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.fetching import fetch_material
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.outcome import Outcome
from landwaiter.cosign.pieces import KeychainT, Leases, SignatureSource
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings
from landwaiter.deadline import Deadline
from landwaiter.images.content import Manifest
from landwaiter.images.reference import ImageReference
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.registry.settings import HostSettings, RegistrySettings
from realparts.install import ensure
from realparts.registries import Registry


@asynccontextmanager
async def verifying(
    source: SignatureSource[KeychainT], observer: CountingObserver | None = None
) -> AsyncIterator[SignatureVerifier[KeychainT]]:
    settings = VerifierSettings(ensure(["cosign3"])["cosign3"], runs_at_once=1)
    async with SignatureVerifier(source, settings, observer=observer) as verifier:
        yield verifier


@asynccontextmanager
async def a_client(registry: Registry) -> AsyncIterator[RegistryClient]:
    hosts = {registry.host: HostSettings(plain_http=True)}
    async with RegistryClient(RegistrySettings(hosts)) as client:
        yield client


async def verified_at(registry: Registry, image: ImageReference, authority: Authority) -> Outcome:
    """Verify an image as it stands in its real registry."""
    async with a_client(registry) as client, verifying(client) as verifier:
        return await verifier.verify(
            image, authority, keychain=EMPTY_KEYCHAIN, deadline=Deadline.after(60)
        )


async def material_at(registry: Registry, image: ImageReference) -> SignatureMaterial:
    """Return the real signatures of an image."""
    async with a_client(registry) as client:
        return await fetch_material(
            client,
            image,
            keychain=EMPTY_KEYCHAIN,
            deadline=Deadline.after(60),
            leases=Leases(1),
        )


async def attestations_at(
    registry: Registry, image: ImageReference, predicate_type: str
) -> SignatureMaterial:
    """Return the real attestations of an image."""
    async with a_client(registry) as client:
        return await fetch_attestations(
            client,
            image,
            predicate_type,
            keychain=EMPTY_KEYCHAIN,
            deadline=Deadline.after(60),
            leases=Leases(1),
        )


async def judged(
    material: SignatureMaterial, authority: Authority, observer: CountingObserver | None = None
) -> Outcome:
    """Verify an image in memory that has these signatures."""
    registry = FakeRegistry()
    image = material.subject
    registry.manifests[str(image)] = Manifest("any", str(image.digest), b"{}")
    for bundle in material.bundles:
        registry.attach(image, bundle)
    registry.tag_signatures(image, *material.simple)
    async with verifying(registry, observer) as verifier:
        return await verifier.verify(
            image, authority, keychain=FakeKeychain(), deadline=Deadline.after(60)
        )
