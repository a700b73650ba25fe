import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosign.fakes import BUNDLE_TYPE, MANIFEST_TYPE, SIGN_TYPE, a_bundle, a_digest, a_statement
from landwaiter.cosign.vetting import (
    PARTS_MAX,
    UnusableError,
    attestation_layers,
    check_bundle,
    check_form,
    check_referrer,
    only_layer,
    signature_layers,
)
from landwaiter.images.content import Descriptor, Manifest

DIGEST = a_digest("app")
SLSA = "https://slsa.dev/provenance/v1"
SIGNATURE = "dev.cosignproject.cosign/signature"


def a_referrer(artifact_type: str | None, annotations: dict[str, str] | None = None) -> Descriptor:
    return Descriptor(MANIFEST_TYPE, DIGEST, 800, artifact_type, annotations or {})


def a_manifest(value: object) -> Manifest:
    return Manifest(MANIFEST_TYPE, DIGEST, json.dumps(value).encode())


def a_layer(**changes: object) -> dict[str, object]:
    return {"mediaType": BUNDLE_TYPE, "digest": DIGEST, "size": 700, **changes}


@pytest.mark.parametrize(
    "artifact_type",
    [
        BUNDLE_TYPE,
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        None,
        "",
        "application/vnd.oci.empty.v1+json",
    ],
)
def test_a_referrer_that_may_be_a_bundle_is_looked_at(artifact_type: str | None) -> None:
    """GHCR gives the type of the empty configuration, others none: both are looked at."""
    check_referrer(a_referrer(artifact_type))


@pytest.mark.parametrize(
    ("referrer", "said"),
    [
        (a_referrer("application/spdx+json"), 'an artifact of type "application/spdx+json"'),
        (
            a_referrer(BUNDLE_TYPE, {"dev.sigstore.bundle.predicateType": SLSA}),
            f'an attestation ("{SLSA}")',
        ),
    ],
)
def test_a_referrer_that_says_it_is_no_signature_is_left_out(
    referrer: Descriptor, said: str
) -> None:
    """Bills of materials and attestations are not fetched to look for signatures in them."""
    with pytest.raises(UnusableError) as problem:
        check_referrer(referrer)

    assert said == str(problem.value)


def test_a_referrer_of_the_type_that_is_wanted_is_looked_at() -> None:
    """An attestation of that type, and what says nothing of its own; a signature is none."""
    name = "dev.sigstore.bundle.predicateType"
    for said in ({name: SLSA}, {}):
        check_referrer(a_referrer(BUNDLE_TYPE, said), SLSA)

    with pytest.raises(UnusableError):
        check_referrer(a_referrer(BUNDLE_TYPE, {name: SIGN_TYPE}), SLSA)


def test_envelopes_are_the_layers_that_may_be_of_the_type() -> None:
    """Layers that say that they are of another type are not looked at, nor what is unsigned."""
    told = {SIGNATURE: "", "predicateType": SLSA}
    other = {SIGNATURE: "", "predicateType": SIGN_TYPE}
    manifest = a_manifest(
        {
            "layers": [
                a_layer(annotations=told),
                a_layer(annotations=other),
                a_layer(annotations={SIGNATURE: ""}),
                a_layer(),
            ]
        }
    )

    assert [told, {SIGNATURE: ""}] == [
        each.annotations for each in attestation_layers(manifest, SLSA)
    ]


@pytest.mark.parametrize("piece", [b"[", b"{", b"1,"])
def test_a_piece_has_no_more_parts_than_are_quickly_read(piece: bytes) -> None:
    """Millions of empty lists are a small piece, and take seconds to read."""
    check_form(piece * PARTS_MAX)

    with pytest.raises(UnusableError):
        check_form(piece * (PARTS_MAX + 1))


def test_a_bundle_is_the_only_layer_of_its_manifest() -> None:
    """The layer is taken with its digest, size and media type."""
    assert Descriptor(BUNDLE_TYPE, DIGEST, 700) == only_layer(a_manifest({"layers": [a_layer()]}))


@pytest.mark.parametrize(
    "value",
    [
        {"layers": []},
        {"layers": [a_layer(), a_layer()]},
        {"layers": [a_layer(mediaType="application/spdx+json")]},
        {"layers": [a_layer(digest="sha256:../../etc/passwd")]},
        {"layers": [a_layer(size=-1)]},
        {"layers": [a_layer(size="700")]},
        {"layers": [a_layer(annotations=[])]},
        {"layers": {}},
        {"manifests": []},
        [],
        None,
    ],
)
def test_a_manifest_without_a_bundle_is_unusable(value: object) -> None:
    """Whatever a manifest has instead of one bundle, it is no signature."""
    with pytest.raises(UnusableError):
        only_layer(a_manifest(value))


def test_a_signature_of_the_digest_is_usable() -> None:
    """A bundle as cosign 3 writes it passes."""
    check_bundle(a_bundle(DIGEST), DIGEST)


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (a_bundle(DIGEST, predicate_type=SLSA), f'an attestation ("{SLSA}")'),
        (a_bundle(a_digest("other")), "a signature of another digest"),
        (a_bundle(DIGEST, payload_type="text/plain"), 'a bundle of a "text/plain"'),
        (
            a_bundle(DIGEST, statement={**a_statement(DIGEST), "subject": []}),
            "a statement without type or subject",
        ),
        (
            a_bundle(
                DIGEST,
                statement={
                    "predicateType": SIGN_TYPE,
                    "subject": [{"digest": {"sha256": DIGEST[7:], "sha512": "0" * 128}}],
                },
            ),
            "a signature of another digest",
        ),
        (gzip.compress(a_bundle(DIGEST)), "a bundle that is not JSON"),
        (b"[" * 200_000, "a bundle that is not JSON"),
        (b'{"size": ' + b"9" * 10_000 + b"}", "a bundle that is not JSON"),
        (b"[]", "a bundle that is not a JSON object"),
        (b"{}", "a bundle without a signed statement"),
        (
            a_bundle(DIGEST).replace(b'"payload": "', b'"payload": "*'),
            "a bundle whose statement is not base64",
        ),
        (
            json.dumps({"messageSignature": {"messageDigest": {}}}).encode(),
            "a bundle without a signed statement",
        ),
    ],
    ids=range(12),
)
def test_what_is_no_signature_of_the_digest_is_left_out(bundle: bytes, said: str) -> None:
    """Attestations, other images' signatures and broken content do not reach cosign."""
    with pytest.raises(UnusableError) as problem:
        check_bundle(bundle, DIGEST)

    assert said == str(problem.value)


def test_old_signatures_are_the_layers_that_carry_one() -> None:
    """Layers of a `.sig` manifest without signature annotation are no signatures."""
    signed = a_layer(annotations={SIGNATURE: "c2ln", "number": 1})
    manifest = a_manifest({"layers": [a_layer(), signed, a_layer(annotations=None)]})

    assert (Descriptor(BUNDLE_TYPE, DIGEST, 700, annotations={SIGNATURE: "c2ln"}),) == (
        signature_layers(manifest)
    )


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=10),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["layers", "annotations", "dsseEnvelope", "payload", "size"]),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=10,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_hostile_content_raises_nothing_but_its_own_error(content: bytes) -> None:
    """Whatever a repository holds, it is either usable or unusable."""
    manifest = Manifest(MANIFEST_TYPE, DIGEST, content)
    unusable = 0
    for look in (
        lambda: only_layer(manifest),
        lambda: check_bundle(content, DIGEST),
    ):
        try:
            look()
        except UnusableError:
            unusable += 1

    assert 2 == unusable
