from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cosign.fakes import (
    BUNDLE_TYPE,
    FakeKeychain,
    FakeRegistry,
    a_bundle,
    a_key,
    an_envelope,
    signature_tag,
)
from landwaiter.cosign.annotations import LOG_ENTRY
from landwaiter.cosign.attestation_fetching import (
    ATTESTATION_LIMITS,
    CREATED,
    FORMAT_MAX_BYTES,
    NEWEST_MAX,
    UNTOLD_MAX,
    fetch_attestations,
)
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.pieces import Leases
from landwaiter.cosign.vetting import PARTS_MAX
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMissing, RegistryUnavailable
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference

VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
SLSA = "https://slsa.dev/provenance/v1"
TYPE = "dev.sigstore.bundle.predicateType"


async def fetched(
    registry: FakeRegistry, image: ImageReference, repository: ImageReference | None = None
) -> SignatureMaterial:
    return await fetch_attestations(
        registry,
        image,
        VULN,
        keychain=FakeKeychain(),
        deadline=Deadline.after(30),
        leases=Leases(1),
        repository=repository,
    )


def attach(
    registry: FakeRegistry,
    image: ImageReference,
    bundle: bytes,
    *,
    day: int = 0,
    type_: str = VULN,
    listed: bool = True,
) -> Descriptor:
    created = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)).isoformat()
    said = {TYPE: type_, CREATED: created}
    return registry.attach(image, bundle, annotations=said, listed=listed)


def a_report(image: ImageReference, number: int = 0, *, filling: int = 0) -> bytes:
    statement = {"predicateType": VULN, "predicate": number, "filling": "x" * filling}
    return a_bundle(str(image.digest), statement=statement)


async def test_both_formats_are_fetched() -> None:
    """Bundles come from the referrers, envelopes from the `.att` tag; the newest stands last."""
    registry = FakeRegistry()
    image = registry.push()
    bundle = a_bundle(str(image.digest), predicate_type=VULN)
    old, new = (an_envelope(str(image.digest), a_key(n), predicate_type=VULN) for n in (1, 2))
    attach(registry, image, bundle)
    registry.tag_attestations(image, old, new, predicate_type=VULN)

    assert SignatureMaterial(image, bundles=(bundle,), simple=(new, old)) == await fetched(
        registry, replace(image, tag="1")
    )


async def test_an_image_without_attestations_has_no_material() -> None:
    """No referrers and no `.att` tag are no fault, and an image that is not there is one."""
    registry = FakeRegistry()
    image = registry.push()
    gone = replace(image, digest=f"sha256:{'0' * 64}")

    assert SignatureMaterial(image) == await fetched(registry, image)
    with pytest.raises(ContentMissing):
        await fetched(registry, gone)


async def test_what_says_that_it_is_of_another_type_is_not_even_fetched() -> None:
    """Signatures and other attestations cost no request, and no word in the refusal."""
    registry = FakeRegistry()
    image = registry.push()
    registry.attach(image, b"{}", annotations={TYPE: SLSA})
    registry.attach(image, b"{}", artifact_type="application/spdx+json")
    envelope = an_envelope(str(image.digest), predicate_type=VULN)
    registry.tag_attestations(image, envelope, predicate_type=SLSA)

    assert (SignatureMaterial(image), 3) == (await fetched(registry, image), len(registry.asked))


@pytest.mark.parametrize("artifact_type", [None, "application/vnd.oci.empty.v1+json", BUNDLE_TYPE])
async def test_ghcr_what_says_nothing_of_its_type_is_looked_at(artifact_type: str | None) -> None:
    """A registry that tells no annotations hides no attestation."""
    registry = FakeRegistry()
    image = registry.push()
    bundle = a_bundle(str(image.digest), predicate_type=VULN)
    registry.attach(image, bundle, artifact_type=artifact_type)

    assert (bundle,) == (await fetched(registry, image)).bundles


async def test_ghcr_what_the_list_does_not_say_is_read_from_the_manifests() -> None:
    """Signatures and other attestations are no bundles that are judged, and old ones are older."""
    registry = FakeRegistry()
    image = registry.push()
    reports = {day: a_report(image, day) for day in range(NEWEST_MAX + 1)}
    for day, report in reports.items():
        attach(registry, image, report, day=day, listed=False)
        attach(registry, image, b"%d" % day, day=1_000 + day, type_=SLSA, listed=False)
    material = await fetched(registry, image)

    assert (
        [reports[day] for day in sorted(reports, reverse=True)[:NEWEST_MAX]],
        ("an older attestation",),
        NEWEST_MAX,
    ) == (
        list(material.bundles),
        material.left_out,
        len([each for each in registry.asked if each.startswith("blob ")]),
    )


async def test_only_so_many_manifests_are_read_to_learn_what_they_are() -> None:
    """Where the list says nothing, whoever may push cannot keep us reading."""
    registry = FakeRegistry()
    image = registry.push()
    attach(registry, image, a_report(image), day=1)
    for number in range(UNTOLD_MAX + 1):
        attach(registry, image, b"%d" % number, type_=SLSA, listed=False)
    material = await fetched(registry, image)

    assert (
        SignatureMaterial(image, bundles=(a_report(image),), left_out=("an older attestation",))
        == material
    )


async def test_attestations_are_fetched_from_elsewhere() -> None:
    """The authority's repository has them, and the image itself is still asked for."""
    registry = FakeRegistry()
    image = registry.push()
    elsewhere = ImageReference.parse("registry.example.com/attestations")
    there = replace(elsewhere, tag=None, digest=image.digest)
    envelope = an_envelope(str(image.digest), predicate_type=VULN)
    registry.tag_attestations(there, envelope)
    attach(registry, there, a_report(image))
    attach(registry, image, b"not looked at")

    assert SignatureMaterial(image, bundles=(a_report(image),), simple=(envelope,)) == (
        await fetched(registry, image, elsewhere)
    )
    assert f"manifest {image}" in registry.asked


async def test_of_very_many_attestations_the_newest_are_looked_at() -> None:
    """A scanner that attaches one each night locks nobody out, in whatever order they are told."""
    registry = FakeRegistry()
    image = registry.push()
    reports = {day: a_report(image, day) for day in range(NEWEST_MAX + 2)}
    for day in sorted(reports, key=lambda day: day * 7 % len(reports)):
        attach(registry, image, reports[day], day=day)
    envelopes = [
        an_envelope(str(image.digest), a_key(n), predicate_type=VULN) for n in range(NEWEST_MAX + 1)
    ]
    registry.tag_attestations(image, *envelopes)
    material = await fetched(registry, image)
    newest = sorted(reports, reverse=True)[:NEWEST_MAX]

    assert (
        [reports[day] for day in newest],
        envelopes[:0:-1],
        ("an older attestation",) * 3,
    ) == (list(material.bundles), list(material.simple), material.left_out)


async def test_of_very_large_attestations_the_newest_are_looked_at() -> None:
    """What does not fit in beside newer ones is left out, and said to be older."""
    registry = FakeRegistry()
    image = registry.push()
    size = FORMAT_MAX_BYTES // 4
    reports = [a_report(image, day, filling=size // 4 * 3) for day in range(4)]
    for day, report in enumerate(reports):
        attach(registry, image, report, day=day)
    material = await fetched(registry, image)

    assert all(len(each) > size for each in reports)
    assert ([reports[3], reports[2], reports[1]], ("an older attestation",)) == (
        list(material.bundles),
        material.left_out,
    )


async def test_nobody_hides_a_good_attestation_behind_bad_ones() -> None:
    """What is missing, oversized, overly intricate or no bundle is left out."""
    registry = FakeRegistry()
    image = registry.push()
    good = a_report(image)
    gone = attach(registry, image, a_report(image, 1), day=1)
    del registry.manifests[str(replace(image, digest=gone.digest))]
    attach(registry, image, b"x" * (ATTESTATION_LIMITS.piece_bytes + 1), day=2)
    attach(registry, image, b"[" * (PARTS_MAX + 1), day=3)
    registry.attach(image, b"{}", annotations={TYPE: VULN}, layer_type="text/plain")
    attach(registry, image, good)
    material = await fetched(registry, image)

    assert ((good,), None) == (material.bundles, material.unread)
    assert sorted(material.left_out) == [
        f"a piece of more than {PARTS_MAX} parts",
        "a referrer that holds no bundle",
        f"an attestation of over {ATTESTATION_LIMITS.piece_bytes} bytes",
        "an attestation that is listed and missing",
    ]


async def test_a_broken_tag_hides_no_bundle() -> None:
    """Whoever can write the tag can only take away what stands under it."""
    registry = FakeRegistry()
    image = registry.push()
    attach(registry, image, a_report(image))
    registry.put_manifest(signature_tag(image, "att"), b"{}")

    assert SignatureMaterial(
        image, bundles=(a_report(image),), left_out=("a manifest without layers",)
    ) == await fetched(registry, image)


async def test_semantics_14_what_cannot_be_read_is_no_refusal() -> None:
    """Where the registry does not give one format, the other is judged and the rest unknown."""
    registry = FakeRegistry()
    image = registry.push()
    attach(registry, image, a_report(image))
    fault = RegistryUnavailable("down")
    registry.faults[f"manifest {signature_tag(image, 'att')}"] = fault

    assert SignatureMaterial(
        image, bundles=(a_report(image),), unread=Failure.of(fault)
    ) == await fetched(registry, image)


async def test_an_envelope_counts_with_its_annotations() -> None:
    """One whose proofs are larger than any attestation takes nothing away from the others."""
    registry = FakeRegistry()
    image = registry.push()
    good = an_envelope(str(image.digest), predicate_type=VULN)
    proof = {LOG_ENTRY: "x" * ATTESTATION_LIMITS.piece_bytes}
    large = replace(good, annotations={**good.annotations, **proof})
    registry.tag_attestations(image, good, large)

    assert SignatureMaterial(
        image,
        simple=(good,),
        left_out=(f"an attestation of over {ATTESTATION_LIMITS.piece_bytes} bytes",),
    ) == await fetched(registry, image)
