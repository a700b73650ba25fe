"""What whoever may push to a registry, or runs one, can try; as the application is wired."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from cosign.fakes import a_key
from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import Policy
from landwaiter.rules.cosign_signatures import CosignSignatures
from landwaiter.rules.protocol import Violation
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.rules.verdict import Decision
from policy.builders import a_policy
from registry.fake_registry import IMAGE, answer, endless
from wiring.an_outside import Outside, outside
from wiring.signed_images import REPOSITORY, manifest_of, signed, unsigned

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MANY = 10_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as world:
        yield world


def wanting(name: str = "ci", number: int = 1) -> Policy:
    """Return a policy that wants the signature of a key."""
    authority = SigningAuthority(name, a_key(number))
    rule = CosignSignatures((authority,), Requirement((name,)), unpinned="Deny")
    return replace(a_policy(), name=name, rules=(rule,))


async def decided(world: Outside, image: ImageReference) -> Decision:
    return (await world.judged(str(image))).decision


@pytest.mark.parametrize("copy_first", [False, True])
async def test_attack_a_copy_without_signatures_poisons_no_cache(
    world: Outside,
    copy_first: bool,  # noqa: FBT001
) -> None:
    """The same digest in another repository is another image, asked about before or after."""
    world.policies.append(wanting())
    good = signed(world.registry, a_key())
    world.registry.add_manifest("evil/app", manifest_of(world.registry, good))
    copy = replace(good, repository="evil/app", tag=None)
    order = [copy, good, copy] if copy_first else [good, copy, good]

    expected = {good: Decision.ALLOW, copy: Decision.DENY}
    assert [expected[each] for each in order] == [await decided(world, each) for each in order]


async def test_attack_a_registry_that_answers_differently_the_second_time_gains_nothing(
    world: Outside,
) -> None:
    """What comes later under a digest has to be what the digest names."""
    good = signed(world.registry, a_key())
    evil = manifest_of(world.registry, unsigned(world.registry, note="evil"))
    truth = manifest_of(world.registry, good)
    world.registry.on(f"/manifests/{good.digest}", answer(200, truth, Content_Type=IMAGE), times=1)
    world.registry.on(f"/manifests/{good.digest}", answer(200, evil, Content_Type=IMAGE))
    world.policies[:] = [wanting()]
    first = await world.judged(str(good))
    world.policies[:] = [wanting("other", 2)]
    (finding,) = (await world.judged(str(good))).findings

    assert Decision.ALLOW is first.decision
    assert isinstance(finding.outcome, Violation)
    assert "has the digest" in finding.outcome.detail


async def test_attack_ten_thousand_old_signatures_are_a_refusal(world: Outside) -> None:
    """None of them is fetched, and cosign is not started."""
    image = unsigned(world.registry)
    layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": 200}
    annotations = {"dev.cosignproject.cosign/signature": "MEUC"}
    layers = [
        {**layer, "digest": f"sha256:{number:064x}", "annotations": annotations}
        for number in range(MANY)
    ]
    manifest = json.dumps({"schemaVersion": 2, "layers": layers}).encode()
    tag = f"{image.digest}.sig".replace(":", "-")
    world.registry.add_manifest(REPOSITORY, manifest, tag=tag)
    world.policies.append(wanting())
    verdict = await world.judged(str(image))

    assert [Violation] == [type(each.outcome) for each in verdict.findings]
    assert f"has {MANY} signatures in a list of " in verdict.findings[0].outcome.detail
    assert ([], 0) == (world.registry.paths("/blobs/"), world.runs)


async def test_attack_ten_thousand_bundles_are_a_refusal(world: Outside) -> None:
    """The list is not even read to its end."""
    image = unsigned(world.registry)
    for number in range(MANY):
        entry: dict[str, object] = {
            "mediaType": IMAGE,
            "digest": f"sha256:{number:064x}",
            "size": 800,
            "artifactType": BUNDLE,
        }
        world.registry.list_referrer(REPOSITORY, str(image.digest), entry)
    world.policies.append(wanting())
    verdict = await world.judged(str(image))

    assert [Violation] == [type(each.outcome) for each in verdict.findings]
    assert [] == world.registry.paths("/blobs/")
    assert len(world.registry.paths()) < 60


@pytest.mark.parametrize("at", ["image", "signatures", "referrers"])
async def test_attack_a_manifest_without_end_is_a_refusal(world: Outside, at: str) -> None:
    """Whatever of the image it is, it is left at a limit, and no fault that Ignore would admit."""
    image = unsigned(world.registry)
    place = {
        "image": f"/manifests/{image.digest}",
        "signatures": ".sig",
        "referrers": "/referrers/",
    }[at]
    world.registry.on(place, endless())
    world.policies.append(wanting())
    verdict = await world.judged(str(image))

    assert [Violation] == [type(each.outcome) for each in verdict.findings]
