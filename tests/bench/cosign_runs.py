"""
What a verification costs, as ratios against plain cosign, both sides interleaved.

    make bench CASES=cold

These are the figures behind ADR 1 (the cosign program) and ADR 5 (how cosign gets its material).
Every pair is measured in turns on the same images, in a real registry on loopback; the ratio is
that of the medians. Absolute times belong to this machine and are printed for orientation only.
They are measured in this process; `CASES=storm` asks a server about the same images.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial

import uvloop

from bench.cosign_start import measure_cosign_start
from bench.figures import Figure, Target, at_least, at_most
from bench.scene import Scene
from bench.signed import SIGNATURES, STORM_IMAGES, Signed
from cosign.fakes import FakeKeychain, FakeRegistry
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.fetching import fetch_material
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.memory import Lifetimes
from landwaiter.cosign.outcome import Verified
from landwaiter.cosign.pieces import KeychainT, Leases
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings
from landwaiter.deadline import Deadline
from landwaiter.images.content import Manifest
from landwaiter.images.reference import ImageReference
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.registry.settings import HostSettings, RegistrySettings

ROUNDS = 15
STORM_ROUNDS = 3
IDENTICAL = 500
PARALLEL = 2
COLD = Lifetimes(success_seconds=0.0, refusal_seconds=0.0, fault_seconds=0.0)

Verify = Callable[[ImageReference], Coroutine[object, object, None]]


@dataclass(slots=True)
class Samples:
    """Measurements of both sides of one pair, taken in turns."""

    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)

    def figure(self, name: str, unit: str = "ms", target: Target | None = None) -> Figure:
        """Return them as a figure: ours is the second, theirs the first."""
        return Figure("cold", name, unit, tuple(self.second), tuple(self.first), target)


def measure_cold(scene: Scene) -> Iterator[Figure]:
    """Yield all figures."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from runner.run(_measured(scene.signed))


async def _measured(scene: Signed) -> list[Figure]:
    hosts = {scene.registry.host: HostSettings(plain_http=True)}
    async with RegistryClient(RegistrySettings(hosts)) as client:
        settings = VerifierSettings(scene.cosign, runs_at_once=PARALLEL, lifetimes=COLD)
        async with SignatureVerifier(client, settings) as verifier:
            verify = _verification(verifier, scene.authority, EMPTY_KEYCHAIN)
            return [
                await _cold(
                    "one signed image (bundle) / cosign verify of it", scene, scene.bundle, verify
                ),
                await _cold(
                    "one signed image (old format) / cosign verify of it", scene, scene.old, verify
                ),
                *await _material(scene, client),
                *measure_cosign_start(scene),
                await _storm(scene, verify),
                await _identical(scene.bundle, verify),
            ]


def _verification(
    verifier: SignatureVerifier[KeychainT], authority: Authority, keychain: KeychainT
) -> Verify:
    async def verify(image: ImageReference) -> None:
        outcome = await verifier.verify(
            image, authority, keychain=keychain, deadline=Deadline.after(120)
        )
        if not isinstance(outcome, Verified):
            raise TypeError(f"{image} has to verify, and: {outcome}")

    return verify


async def _cold(name: str, scene: Signed, image: ImageReference, verify: Verify) -> Figure:
    samples = Samples()
    for _ in range(ROUNDS):
        samples.first.append(_milliseconds(partial(scene.verify, image)))
        samples.second.append(await _awaited_milliseconds(verify(image)))
    return samples.figure(name, target=at_most(1.15))


async def _material(scene: Signed, client: RegistryClient) -> list[Figure]:
    """Measure the two ways to give cosign what was fetched: as files, and from an endpoint."""
    local = scene.folder / "local-image"
    scene.run("save", f"--dir={local}", str(scene.old))
    pairs: list[tuple[str, ImageReference, Callable[[SignatureMaterial], None]]] = [
        ("1 bundle: endpoint / file", scene.bundle, scene.verify_bundle_files),
        (f"{SIGNATURES} bundles: endpoint / files", scene.many, scene.verify_bundle_files),
        ("old format: endpoint / local image", scene.old, lambda _: scene.verify_local(local)),
    ]
    ratios = []
    for name, image, as_files in pairs:
        material = await fetch_material(
            client,
            image,
            keychain=EMPTY_KEYCHAIN,
            deadline=Deadline.after(60),
            leases=Leases(1),
        )
        settings = VerifierSettings(scene.cosign, lifetimes=COLD)
        async with SignatureVerifier(_in_memory(material), settings) as verifier:
            verify = _verification(verifier, scene.authority, FakeKeychain())
            samples = Samples()
            for _ in range(ROUNDS):
                samples.first.append(_milliseconds(partial(as_files, material)))
                samples.second.append(await _awaited_milliseconds(verify(image)))
        ratios.append(samples.figure(name))
    return ratios


def _in_memory(material: SignatureMaterial) -> FakeRegistry:
    registry = FakeRegistry()
    image = material.subject
    registry.manifests[str(image)] = Manifest("any", str(image.digest), b"{}")
    for bundle in material.bundles:
        registry.attach(image, bundle)
    registry.tag_signatures(image, *material.simple)
    return registry


async def _storm(scene: Signed, verify: Verify) -> Figure:
    """Measure many different images at once against one plain cosign an image."""
    samples = Samples()
    for _ in range(STORM_ROUNDS):
        samples.first.append(STORM_IMAGES / _storm_of_plain_cosign(scene))
        asking = asyncio.gather(*(verify(image) for image in scene.storm))
        samples.second.append(1000 * STORM_IMAGES / await _awaited_milliseconds(asking))
    name = f"{STORM_IMAGES} images at once / xargs -P{PARALLEL} cosign verify"
    return samples.figure(name, "1/s", at_least(3.0))


def _storm_of_plain_cosign(scene: Signed) -> float:
    began = time.perf_counter()
    subprocess.run(
        [
            str(shutil.which("xargs")),
            f"-P{PARALLEL}",
            "-n1",
            scene.cosign,
            *scene.arguments(scene.bundle)[:-1],
        ],
        input="\n".join(map(str, scene.storm)).encode(),
        check=True,
        capture_output=True,
        env={"HOME": str(scene.folder), "PATH": os.defpath},
    )
    return time.perf_counter() - began


async def _identical(image: ImageReference, verify: Verify) -> Figure:
    """Measure how much longer the last of many identical questions waits than a single one."""
    samples = Samples()
    for _ in range(ROUNDS):
        samples.first.append(await _awaited_milliseconds(verify(image)))
        samples.second.append(
            await _awaited_milliseconds(
                asyncio.wait([asyncio.ensure_future(verify(image)) for _ in range(IDENTICAL)])
            )
        )
    return samples.figure(f"{IDENTICAL} identical questions at once / one")


def _milliseconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


async def _awaited_milliseconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return 1000 * (time.perf_counter() - began)
