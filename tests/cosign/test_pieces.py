"""How much of an image is held, and for how long."""

import asyncio
import gc

import pytest

from cosign.fakes import FakeKeychain, FakeRegistry, a_bundle
from landwaiter.cosign.fetching import fetch_material
from landwaiter.cosign.material import SIGNATURE_LIMITS, SignatureMaterial
from landwaiter.cosign.pieces import Leases
from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference

NAME = "registry.example.com/team/app"


def pushed(registry: FakeRegistry, bundles: int, *, name: str = NAME) -> ImageReference:
    """Push an image with so many bundles of 200 kB."""
    image = registry.push(name)
    for number in range(bundles):
        padding = b" " * (200_000 + number)
        registry.attach(image, a_bundle(str(image.digest)) + padding)
    return image


async def fetched(
    registry: FakeRegistry, image: ImageReference, leases: Leases
) -> SignatureMaterial:
    return await fetch_material(
        registry, image, keychain=FakeKeychain(), deadline=Deadline.after(30), leases=leases
    )


@pytest.mark.parametrize(("bundles", "needs_one"), [(5, False), (6, True), (20, True)])
async def test_much_of_one_image_needs_a_lease(bundles: int, needs_one: object) -> None:
    """Up to a megabyte it is held without."""
    registry = FakeRegistry()
    material = await fetched(registry, pushed(registry, bundles), Leases(1))

    assert (needs_one, True) == (
        material.lease is not None,
        material.size_bytes <= SIGNATURE_LIMITS.total_bytes,
    )


async def test_a_large_image_waits_until_nobody_holds_another_one() -> None:
    """However many images are large, only so many are in memory."""
    registry, leases = FakeRegistry(), Leases(1)
    first = await fetched(registry, pushed(registry, 8), leases)
    waiting = asyncio.create_task(fetched(registry, pushed(registry, 8, name=f"{NAME}2"), leases))
    small = await fetched(registry, pushed(registry, 2, name=f"{NAME}3"), leases)
    await asyncio.sleep(0)
    held = waiting.done()

    del first
    gc.collect()

    assert (None, False, True) == (small.lease, held, (await waiting).lease is not None)


async def test_a_fetch_that_fails_leaves_no_lease_behind() -> None:
    """What was too much, or was given up, does not keep the next one out."""
    registry, leases = FakeRegistry(), Leases(1)
    too_much = await fetched(registry, pushed(registry, 30), leases)
    gate = registry.gates["slow.example.com"] = asyncio.Event()
    given_up = asyncio.create_task(
        fetched(registry, pushed(registry, 8, name="slow.example.com/app"), leases)
    )
    await registry.waiting.wait()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    gate.set()
    del too_much, given_up
    gc.collect()

    assert (await fetched(registry, pushed(registry, 8), leases)).lease is not None
