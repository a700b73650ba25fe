"""Images with signatures that the fake cosign takes for good, in a registry on loopback."""

import json

from cosign.fakes import signature_by
from landwaiter.cosign.material import SimpleSignature
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from registry.fake_registry import IMAGE, INDEX, FakeRegistry

REPOSITORY = "team/app"


def signed(
    registry: FakeRegistry, key: PublicKey, *, tag: str = "1", note: str = "", name: str = ""
) -> ImageReference:
    """
    Push an image that the key has signed in the old format; return its tag with its digest.

    The signature is for the `name`, by default the image's own.
    """
    image = unsigned(registry, tag=tag, note=note)
    payload = {
        "critical": {
            "identity": {"docker-reference": name or image.name},
            "image": {"docker-manifest-digest": image.digest},
            "type": "cosign container image signature",
        }
    }
    signature = SimpleSignature(
        json.dumps(payload).encode(), {"dev.cosignproject.cosign/signature": signature_by(key)}
    )
    _tag(registry, image, "sig", signature)
    return image


def attest(registry: FakeRegistry, image: ImageReference, *envelopes: SimpleSignature) -> None:
    """Let an image have these attestations in the old format, and no others."""
    _tag(registry, image, "att", *envelopes)


def _tag(
    registry: FakeRegistry, image: ImageReference, ending: str, *pieces: SimpleSignature
) -> None:
    layers = []
    for piece in pieces:
        blob = registry.add_blob(REPOSITORY, piece.payload, "application/json")
        layer = {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
        layers.append({**layer, "annotations": dict(piece.annotations)})
    manifest = json.dumps({"schemaVersion": 2, "layers": layers}).encode()
    registry.add_manifest(REPOSITORY, manifest, tag=f"{image.digest}.{ending}".replace(":", "-"))


def unsigned(registry: FakeRegistry, *, tag: str = "1", note: str = "") -> ImageReference:
    """Push an image, another one for each note, and return its tag with its digest."""
    digest = registry.add_image(REPOSITORY, tag=tag, note=note)
    return ImageReference.parse(f"{registry.host}/{REPOSITORY}:{tag}@{digest}")


def index_of(registry: FakeRegistry, *images: ImageReference) -> ImageReference:
    """Push an index of images, each for a platform of its own; return its digest."""
    entries = [
        {
            "mediaType": IMAGE,
            "digest": image.digest,
            "size": len(manifest_of(registry, image)),
            "platform": {"os": "linux", "architecture": f"arch{number}"},
        }
        for number, image in enumerate(images)
    ]
    content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    digest = registry.add_manifest(REPOSITORY, content, media_type=INDEX)
    return ImageReference.parse(f"{registry.host}/{REPOSITORY}@{digest}")


def manifest_of(registry: FakeRegistry, image: ImageReference) -> bytes:
    """Return the manifest that an image's digest names."""
    return registry._repositories[REPOSITORY].manifests[str(image.digest)].content
