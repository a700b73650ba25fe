"""Images with signatures that the fake cosign takes for good, in a registry on loopback."""

import json

from cosign.fakes import signature_by
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from registry.fake_registry import IMAGE, INDEX, FakeRegistry

REPOSITORY = "team/app"


def signed(
    registry: FakeRegistry, key: PublicKey, *, tag: str = "1", note: str = ""
) -> ImageReference:
    """Push an image that the key has signed in the old format; return its tag with its digest."""
    image = unsigned(registry, tag=tag, note=note)
    payload = {
        "critical": {
            "identity": {"docker-reference": image.name},
            "image": {"docker-manifest-digest": image.digest},
            "type": "cosign container image signature",
        }
    }
    blob = registry.add_blob(REPOSITORY, json.dumps(payload).encode(), "application/json")
    layer = {
        "mediaType": blob.media_type,
        "digest": blob.digest,
        "size": blob.size,
        "annotations": {"dev.cosignproject.cosign/signature": signature_by(key)},
    }
    manifest = json.dumps({"schemaVersion": 2, "layers": [layer]}).encode()
    registry.add_manifest(REPOSITORY, manifest, tag=f"{image.digest}.sig".replace(":", "-"))
    return image


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
