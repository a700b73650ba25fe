import json

import pytest

from cosign.fakes import (
    BUNDLE_TYPE,
    a_bundle,
    a_criterion,
    a_digest,
    a_key,
    a_root,
    a_simple_signature,
    an_identity,
    an_image,
)
from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.documents import Document, ServedRepository, served_repository
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.trusted_roots import Checks

IMAGE = an_image()
SIGNATURE = "dev.cosignproject.cosign/signature"
EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def value_of(document: Document) -> object:
    return json.loads(document.content)


def test_bundles_are_served_in_manifests_of_our_own() -> None:
    """The referrers of the digest are our manifests, each with one bundle in it, as it was."""
    bundle = a_bundle(str(IMAGE.digest))
    served = served_repository(
        SignatureMaterial(IMAGE, bundles=(bundle,)), SignatureFormat.BUNDLE, a_criterion()
    )
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2}
    layer = {"mediaType": BUNDLE_TYPE, "digest": a_digest(bundle), "size": len(bundle)}
    manifest = Document(
        "application/vnd.oci.image.manifest.v1+json",
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": empty,
                "layers": [layer],
            },
            separators=(",", ":"),
        ).encode(),
    )
    index = Document(
        "application/vnd.oci.image.index.v1+json",
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [
                    {
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": manifest.digest,
                        "size": len(manifest.content),
                        "artifactType": BUNDLE_TYPE,
                    }
                ],
            },
            separators=(",", ":"),
        ).encode(),
    )

    assert (
        ServedRepository(
            f"referrers/{IMAGE.digest}",
            {
                f"referrers/{IMAGE.digest}": index,
                f"manifests/{manifest.digest}": manifest,
                f"blobs/{a_digest(bundle)}": Document("application/octet-stream", bundle),
                f"blobs/{EMPTY}": Document("application/octet-stream", b"{}"),
            },
            absent=f"manifests/{str(IMAGE.digest).replace(':', '-')}.sig",
        )
        == served
    )


CERTIFICATE = "dev.sigstore.cosign/certificate"
PROOFS = {
    "dev.sigstore.cosign/bundle": "{}",
    CERTIFICATE: "PEM",
    "dev.sigstore.cosign/rfc3161timestamp": "{}",
}


def old_annotations(criterion: Criterion) -> object:
    """Return what is served beside a signature that has every proof there is, and more."""
    more = {**PROOFS, "dev.sigstore.cosign/chain": "PEM", "padding": "x" * 1000}
    signature = a_simple_signature(IMAGE, annotations=more)
    served = served_repository(
        SignatureMaterial(IMAGE, simple=(signature,)), SignatureFormat.SIMPLE_SIGNING, criterion
    )
    manifest = json.loads(served.documents[served.listing].content)
    annotations = manifest["layers"][0]["annotations"]
    assert annotations.pop(SIGNATURE) == signature.annotations[SIGNATURE]
    return annotations


@pytest.mark.parametrize(
    ("criterion", "names"),
    [
        (a_criterion(), []),
        (a_criterion(root=a_root()), ["dev.sigstore.cosign/bundle", CERTIFICATE]),
        (
            Criterion(a_key(), Checks(timestamps=True), a_root()),
            ["dev.sigstore.cosign/rfc3161timestamp"],
        ),
        (
            Criterion(an_identity(), Checks(certificate_transparency=True), a_root()),
            [CERTIFICATE],
        ),
        (
            Criterion(an_identity(), Checks(transparency_log=True, timestamps=True), a_root()),
            list(PROOFS),
        ),
    ],
)
def test_an_old_signature_is_served_with_what_is_judged_of_it(
    criterion: Criterion, names: list[str]
) -> None:
    """What nobody signed or nobody asks for, such as a certificate's date, changes nothing."""
    assert {name: PROOFS[name] for name in names} == old_annotations(criterion)


def test_the_formats_are_served_apart() -> None:
    """In the repository of one format there is nothing of the other, so neither hides the other."""
    material = SignatureMaterial(
        IMAGE,
        bundles=(a_bundle(str(IMAGE.digest), a_key(2)),),
        simple=(a_simple_signature(IMAGE),),
    )
    listings = [served_repository(material, each, a_criterion()) for each in SignatureFormat]

    assert (
        [f"referrers/{IMAGE.digest}", f"manifests/{str(IMAGE.digest).replace(':', '-')}.sig"],
        [4, 3],
    ) == ([each.listing for each in listings], [len(each.documents) for each in listings])
