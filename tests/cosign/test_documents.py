import json

from cosign.fakes import BUNDLE_TYPE, a_bundle, a_digest, a_key, a_simple_signature, an_image
from landwaiter.cosign.documents import Document, ServedRepository, served_repository
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.outcome import SignatureFormat

IMAGE = an_image()
SIGNATURE = "dev.cosignproject.cosign/signature"
EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def value_of(document: Document) -> object:
    return json.loads(document.content)


def test_bundles_are_served_in_manifests_of_our_own() -> None:
    """The referrers of the digest are our manifests, each with one bundle in it, as it was."""
    bundle = a_bundle(str(IMAGE.digest))
    served = served_repository(
        SignatureMaterial(IMAGE, bundles=(bundle,)), SignatureFormat.BUNDLE, transparency_log=False
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


def old_annotations(signature: SimpleSignature, *, transparency_log: bool) -> object:
    served = served_repository(
        SignatureMaterial(IMAGE, simple=(signature,)),
        SignatureFormat.SIMPLE_SIGNING,
        transparency_log=transparency_log,
    )
    manifest = json.loads(served.documents[served.listing].content)
    return manifest["layers"][0]["annotations"]


def test_without_a_log_an_old_signature_is_served_alone() -> None:
    """The key is the authority: a date in a certificate that nobody signed changes nothing."""
    proofs = {"dev.sigstore.cosign/bundle": "{}", "dev.sigstore.cosign/certificate": "PEM"}
    signature = a_simple_signature(IMAGE, annotations=proofs)

    assert {SIGNATURE: signature.annotations[SIGNATURE]} == old_annotations(
        signature, transparency_log=False
    )


def test_with_a_log_its_entry_goes_along_and_nothing_else() -> None:
    """What the log entry is compared with is served too; unknown annotations are not."""
    proofs = {
        "dev.sigstore.cosign/bundle": "{}",
        "dev.sigstore.cosign/certificate": "PEM",
        "dev.sigstore.cosign/chain": "PEM",
        "dev.sigstore.cosign/rfc3161timestamp": "{}",
    }
    signature = a_simple_signature(IMAGE, annotations={**proofs, "padding": "x" * 1000})

    assert {SIGNATURE: signature.annotations[SIGNATURE], **proofs} == old_annotations(
        signature, transparency_log=True
    )


def test_the_formats_are_served_apart() -> None:
    """In the repository of one format there is nothing of the other, so neither hides the other."""
    material = SignatureMaterial(
        IMAGE,
        bundles=(a_bundle(str(IMAGE.digest), a_key(2)),),
        simple=(a_simple_signature(IMAGE),),
    )
    listings = [
        served_repository(material, each, transparency_log=False) for each in SignatureFormat
    ]

    assert (
        [f"referrers/{IMAGE.digest}", f"manifests/{str(IMAGE.digest).replace(':', '-')}.sig"],
        [4, 3],
    ) == ([each.listing for each in listings], [len(each.documents) for each in listings])
