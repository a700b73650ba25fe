import asyncio
import json
from dataclasses import replace

import pytest

from cosign.fakes import (
    BUNDLE_TYPE,
    FakeKeychain,
    FakeRegistry,
    a_bundle,
    a_digest,
    a_key,
    a_manifest,
    a_simple_signature,
    signature_tag,
)
from landwaiter.cosign.annotations import LOG_ENTRY
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.fetching import fetch_material
from landwaiter.cosign.material import (
    PORTION_MAX_BYTES,
    SIGNATURE_LIMITS,
    SignatureMaterial,
)
from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.cosign.pieces import FETCHES_AT_ONCE, Leases
from landwaiter.deadline import Deadline
from landwaiter.errors import (
    AccessDenied,
    ContentMalformed,
    ContentMissing,
    RegistryUnavailable,
)
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference


async def fetched(
    registry: FakeRegistry, image: ImageReference, repository: ImageReference | None = None
) -> SignatureMaterial:
    return await fetch_material(
        registry,
        image,
        keychain=FakeKeychain(),
        deadline=Deadline.after(30),
        leases=Leases(1),
        repository=repository,
    )


async def test_both_formats_are_fetched() -> None:
    """Bundles come from the referrers, simple signatures from the `.sig` tag."""
    registry = FakeRegistry()
    image = registry.push()
    bundle = a_bundle(str(image.digest))
    simple = a_simple_signature(image)
    registry.attach(image, bundle)
    registry.tag_signatures(image, simple)

    assert SignatureMaterial(image, bundles=(bundle,), simple=(simple,)) == await fetched(
        registry, image
    )


async def test_an_unsigned_image_has_no_material() -> None:
    """No referrers and no `.sig` tag are no fault."""
    registry = FakeRegistry()
    image = registry.push()

    assert (SignatureMaterial(image), ()) == (
        material := await fetched(registry, image),
        tuple(material.runs()),
    )


async def test_semantics_09_everything_is_fetched_by_digest() -> None:
    """The tag of a reference with digest plays no part in what is fetched."""
    registry = FakeRegistry()
    image = registry.push()
    await fetched(registry, replace(image, tag="latest"))

    assert {
        f"manifest {image}",
        f"referrers {image}",
        f"manifest {signature_tag(image)}",
    } == set(registry.asked)


@pytest.mark.parametrize("artifact_type", [None, "application/vnd.oci.empty.v1+json"])
async def test_ghcr_descriptors_without_artifact_type_are_looked_at(
    artifact_type: str | None,
) -> None:
    """Registries that tell no artifact type, or the configuration's, hide no signature."""
    registry = FakeRegistry()
    image = registry.push()
    bundle = a_bundle(str(image.digest))
    registry.attach(image, bundle, artifact_type=artifact_type)

    assert SignatureMaterial(image, bundles=(bundle,)) == await fetched(registry, image)


async def test_attestations_are_not_even_fetched() -> None:
    """What says that it is an attestation costs no request, and the refusal can name it."""
    registry = FakeRegistry()
    image = registry.push()
    slsa = "https://slsa.dev/provenance/v1"
    registry.attach(
        image,
        a_bundle(str(image.digest), predicate_type=slsa),
        annotations={"dev.sigstore.bundle.predicateType": slsa},
    )

    assert (SignatureMaterial(image, left_out=(f'an attestation ("{slsa}")',)), 3) == (
        await fetched(registry, image),
        len(registry.asked),
    )


async def test_nobody_hides_a_good_signature_behind_bad_ones() -> None:
    """Broken, missing, foreign and oversized pieces are left out, and the good one is kept."""
    registry = FakeRegistry()
    image = registry.push()
    good = a_bundle(str(image.digest))
    registry.attach(image, b"\x1f\x8b not a bundle")
    registry.attach(image, a_bundle(a_digest("another image")))
    registry.attach(image, b" " * (SIGNATURE_LIMITS.piece_bytes + 1))
    gone = registry.attach(image, a_bundle(str(image.digest), a_key(2)))
    del registry.manifests[str(replace(image, digest=gone.digest))]
    registry.attach(image, b"{}", layer_type="text/plain")
    registry.attach(image, good)

    most = SIGNATURE_LIMITS.piece_bytes
    oversized = f"a signature of {most + 1} bytes, at most {most}"

    assert SignatureMaterial(
        image,
        bundles=(good,),
        left_out=(
            "a bundle that is not JSON",
            "a signature of another digest",
            f"{oversized} are judged",
            "a signature that is listed and missing",
            "a referrer that holds no bundle",
        ),
    ) == await fetched(registry, image)


async def test_a_piece_with_another_content_than_its_digest_is_left_out() -> None:
    """The client says that a piece is malformed; that is the piece's problem alone."""
    registry = FakeRegistry()
    image = registry.push()
    bad = a_bundle(str(image.digest), a_key(2))
    good = a_bundle(str(image.digest))
    registry.attach(image, bad)
    registry.attach(image, good)
    registry.faults[f"blob {a_digest(bad)}"] = ContentMalformed("another digest than it should")

    assert SignatureMaterial(
        image, bundles=(good,), left_out=("another digest than it should",)
    ) == await fetched(registry, image)


async def test_a_malformed_signature_manifest_is_left_out() -> None:
    """A `.sig` tag with anything else under it does not hide the bundles."""
    registry = FakeRegistry()
    image = registry.push()
    bundle = a_bundle(str(image.digest))
    registry.attach(image, bundle)
    registry.put_manifest(signature_tag(image), b"<html>")

    assert SignatureMaterial(
        image, bundles=(bundle,), left_out=("a manifest that is not JSON",)
    ) == await fetched(registry, image)


async def test_semantics_14_too_many_bundles_are_a_refusal() -> None:
    """One more than the limit refuses the image, before any of them is fetched."""
    registry = FakeRegistry()
    image = registry.push()
    registry.referring[str(image)] = [
        Descriptor("any", a_digest(str(number)), 800, BUNDLE_TYPE)
        for number in range(SIGNATURE_LIMITS.pieces + 1)
    ]
    unread = (await fetched(registry, image)).unread

    assert Failure(ContentMalformed, f"{image} has 501 bundles; at most 500 are judged") == unread


async def test_semantics_14_too_many_old_signatures_are_a_refusal() -> None:
    """One more than the limit refuses the image, whatever the others are."""
    registry = FakeRegistry()
    image = registry.push()
    registry.tag_signatures(
        image, *(a_simple_signature(image, reference=f"name{n}") for n in range(501))
    )
    unread = (await fetched(registry, image)).unread

    assert (
        Failure(ContentMalformed, f"{image} has 501 signatures; at most 500 are judged") == unread
    )


async def test_many_bundles_are_fetched_a_few_at_a_time() -> None:
    """As many as there may be are fetched, without flooding the registry."""
    registry = FakeRegistry()
    image = registry.push()
    bundles = [a_bundle(str(image.digest), a_key(number)) for number in range(50)]
    for bundle in bundles:
        registry.attach(image, bundle)
    material = await fetched(registry, image)

    assert (tuple(bundles), True) == (
        material.bundles,
        registry.most_under_way <= FETCHES_AT_ONCE + 2,
    )


async def test_semantics_14_too_much_in_total_is_a_refusal() -> None:
    """Pieces below their own limit are too much together, payloads and annotations alike."""
    registry = FakeRegistry()
    image = registry.push()
    padding = {LOG_ENTRY: "x" * (SIGNATURE_LIMITS.piece_bytes - 1000)}
    registry.tag_signatures(
        image,
        *(
            a_simple_signature(image, reference=f"name{number}", annotations=padding)
            for number in range(SIGNATURE_LIMITS.total_bytes // SIGNATURE_LIMITS.piece_bytes + 1)
        ),
    )
    unread = (await fetched(registry, image)).unread

    most = SIGNATURE_LIMITS.total_bytes
    expected = f"the signatures of {image} have over {most} bytes, which is more than is judged"
    assert Failure(ContentMalformed, expected) == unread


@pytest.mark.parametrize("padding", ["x" * 6000, "\x00" * 1000])
async def test_semantics_14_a_list_that_keeps_cosign_busy_is_a_refusal(padding: str) -> None:
    """
    Many old signatures with long annotations are refused before cosign meets its time limit.

    It reads the whole list for each of them, and a run that is ended for the time it took is
    undecided: under failurePolicy Ignore whoever may push could get an image in that way.
    """
    registry = FakeRegistry()
    image = registry.push()
    signatures = [
        a_simple_signature(image, reference=f"n{number}", annotations={LOG_ENTRY: padding})
        for number in range(300)
    ]
    registry.tag_signatures(image, *signatures)
    unread = (await fetched(registry, image)).unread

    assert unread is not None
    assert unread.kind is ContentMalformed
    assert unread.message.startswith(f"{image} has 300 signatures in a list of ")


async def test_hundreds_of_old_signatures_are_judged_in_portions() -> None:
    """What a certificate, a log and a timestamp prove is long, and read anew for each of them."""
    registry = FakeRegistry()
    image = registry.push()
    signatures = [
        a_simple_signature(image, reference=f"n{number}", annotations={LOG_ENTRY: "x" * 3700})
        for number in range(300)
    ]
    registry.tag_signatures(image, *signatures)
    runs = [part.simple for _, part in (await fetched(registry, image)).runs()]

    assert tuple(signatures) == tuple(each for part in runs for each in part)
    assert [True] * 4 == [
        len(part) * sum(each.listed_bytes for each in part) <= PORTION_MAX_BYTES for part in runs
    ]


async def test_what_cosign_does_not_read_is_not_held() -> None:
    """Annotations that somebody pads a signature with take no room and are no reason to refuse."""
    registry = FakeRegistry()
    image = registry.push()
    plain = a_simple_signature(image)
    registry.tag_signatures(
        image,
        *(
            replace(plain, annotations={**plain.annotations, f"padding{number}": "x" * 20_000})
            for number in range(300)
        ),
    )

    assert (plain,) * 300 == (await fetched(registry, image)).simple


async def test_signatures_are_looked_for_in_another_repository() -> None:
    """The image is read from its own repository, and what signs it from the one that is named."""
    registry = FakeRegistry()
    image = registry.push()
    elsewhere = ImageReference.parse("signatures.example.com/all")
    there = replace(image, registry=elsewhere.registry, repository=elsewhere.repository)
    registry.attach(there, bundle := a_bundle(str(image.digest)))
    registry.tag_signatures(there, simple := a_simple_signature(image))
    registry.tag_signatures(image, a_simple_signature(image, a_key(2)))

    assert SignatureMaterial(image, bundles=(bundle,), simple=(simple,)) == await fetched(
        registry, image, elsewhere
    )
    assert [f"manifest {image}"] == [each for each in registry.asked if image.name in each]


async def test_five_hundred_old_signatures_by_a_key_are_fetched() -> None:
    """A pipeline that signs every night adds one each time; what a key signs is short."""
    registry = FakeRegistry()
    image = registry.push()
    signatures = [a_simple_signature(image, reference=f"n{number}") for number in range(500)]
    registry.tag_signatures(image, *signatures)

    assert tuple(signatures) == (await fetched(registry, image)).simple


async def test_a_listed_digest_that_repeats_counts_once() -> None:
    """The same referrer listed a thousand times is one signature."""
    registry = FakeRegistry()
    image = registry.push()
    bundle = a_bundle(str(image.digest))
    descriptor = registry.attach(image, bundle)
    registry.referring[str(image)] = [descriptor] * 1000

    assert SignatureMaterial(image, bundles=(bundle,)) == await fetched(registry, image)


@pytest.mark.parametrize("fault", [AccessDenied("no"), RegistryUnavailable("500")])
@pytest.mark.parametrize("step", ["referrers", "tag", "manifest", "bundle", "payload"])
async def test_a_fault_at_any_request_is_not_papered_over(
    fault: AccessDenied | RegistryUnavailable, step: str
) -> None:
    """401, 403, 429 and 500 at each request are kept as why the format could not be read."""
    registry = FakeRegistry()
    image = registry.push()
    bundle = a_bundle(str(image.digest))
    simple = a_simple_signature(image)
    referrer = registry.attach(image, bundle)
    registry.tag_signatures(image, simple)
    request = {
        "referrers": f"referrers {image}",
        "tag": f"manifest {signature_tag(image)}",
        "manifest": f"manifest {replace(image, digest=referrer.digest)}",
        "bundle": f"blob {a_digest(bundle)}",
        "payload": f"blob {a_digest(simple.payload)}",
    }[step]
    registry.faults[request] = fault
    material = await fetched(registry, image)

    read = {"tag": (bundle,), "payload": (bundle,)}.get(step, (simple,))
    assert (Failure.of(fault), read, 0) == (
        material.unread,
        material.bundles + material.simple,
        registry.under_way,
    )


@pytest.mark.parametrize("fault", [AccessDenied("403"), RegistryUnavailable("500")])
async def test_a_subject_that_cannot_be_read_ends_the_fetch(
    fault: AccessDenied | RegistryUnavailable,
) -> None:
    """Nothing is judged of an image that is not known to be there."""
    registry = FakeRegistry()
    image = registry.push()
    registry.attach(image, a_bundle(str(image.digest)))
    registry.faults[f"manifest {image}"] = fault
    with pytest.raises(type(fault)) as raised:
        await fetched(registry, image)

    assert (fault, 0) == (raised.value, registry.under_way)


async def test_semantics_14_a_fault_goes_before_a_refusal_where_no_format_can_be_read() -> None:
    """The format that met the fault could hold a good signature, so nothing is known."""
    registry = FakeRegistry()
    image = registry.push()
    registry.faults[f"referrers {image}"] = AccessDenied("403")
    registry.faults[f"manifest {signature_tag(image)}"] = RegistryUnavailable("500")
    with pytest.raises(RegistryUnavailable, match="500"):
        await fetched(registry, image)


async def test_a_missing_image_is_a_refusal() -> None:
    """What is not there is not judged, even if signatures for it are."""
    registry = FakeRegistry()
    image = registry.push()
    registry.attach(image, a_bundle(str(image.digest)))
    del registry.manifests[str(image)]
    with pytest.raises(ContentMissing) as problem:
        await fetched(registry, image)

    assert f"{image} is not there" == str(problem.value)


async def test_a_cancelled_fetch_leaves_no_request() -> None:
    """Nothing goes on fetching for somebody who has gone."""
    registry = FakeRegistry(gates={"registry.example.com": asyncio.Event()})
    image = registry.push()
    task = asyncio.create_task(fetched(registry, image))
    await registry.waiting.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert 0 == registry.under_way


def test_material_tells_its_formats_and_size() -> None:
    """Formats without material are not judged; sizes count payloads and annotations."""
    image = FakeRegistry().push()
    simple = a_simple_signature(image)
    bundle = json.dumps({}).encode()
    annotations = sum(len(name) + len(text) for name, text in simple.annotations.items())

    assert [
        ((SignatureFormat.BUNDLE, SignatureFormat.SIMPLE_SIGNING), 4 + simple.size_bytes),
        ((SignatureFormat.SIMPLE_SIGNING,), len(simple.payload) + annotations),
        ((), 0),
    ] == [
        (tuple(form for form, _ in material.runs()), material.size_bytes)
        for material in (
            SignatureMaterial(image, bundles=(bundle, bundle), simple=(simple,)),
            SignatureMaterial(image, simple=(simple,)),
            SignatureMaterial(image),
        )
    ]


def test_an_old_manifest_of_the_fake_is_as_the_registry_gives_it() -> None:
    """The builder of these tests writes what `signature_layers` reads."""
    layer = Descriptor("t", a_digest("x"), 1, annotations={"a": "b"})

    assert {
        "schemaVersion": 2,
        "layers": [
            {"mediaType": "t", "digest": a_digest("x"), "size": 1, "annotations": {"a": "b"}}
        ],
    } == json.loads(a_manifest([layer]))
