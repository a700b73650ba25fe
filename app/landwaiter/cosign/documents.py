"""
The documents in which signatures are served to cosign; pure.

All of them are of our own making, with nothing of the repository in them but the signatures: no
descriptor, media type or address that somebody else has written is followed by cosign. Nothing
is lost by it: of a bundle's manifest nothing is signed, and of a `.sig` manifest only payloads.

Which annotations of a simple signature go along: its signature, and what the criterion has cosign
judge: the entry in the log, the timestamp, the certificate. Without a log the authority of a key
is the key alone: a certificate beside the signature is not signed, so its date proves nothing,
and cosign would print the log entry without having judged it.

Source: OCI distribution specification 1.1.0 (pulling, listing referrers); cosign v3.1.3,
pkg/oci/internal/signature/layer.go and pkg/cosign/verify.go (GetBundles, verifyInternal).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from landwaiter.cosign.annotations import CERTIFICATE, LOG_ENTRY, SIGNATURE, TIMESTAMP
from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.cosign.vetting import (
    BUNDLE_TYPE_PREFIX,
    SIMPLE_SIGNING_TYPE,
)
from landwaiter.identities import Identity

BUNDLE_TYPE = f"{BUNDLE_TYPE_PREFIX}.v0.3+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
BLOB_TYPE = "application/octet-stream"
ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"

_EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Document:
    """One answer of the endpoint."""

    media_type: str
    content: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """The digest of the content."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def descriptor(self, **more: object) -> dict[str, Any]:
        """Return what points to this document, with more fields."""
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.content),
            **more,
        }


@dataclass(frozen=True, slots=True)
class ServedRepository:
    """
    What one image's repository answers, by path below its name.

    `listing` is the path of the list of all its signatures, with which cosign begins. `absent`
    is a path that is known to have nothing: cosign looks for old signatures where no bundle is
    one to it.
    """

    listing: str
    documents: Mapping[str, Document] = field(hash=False)
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """How cosign finds what the old format keeps beside an image."""

    ending: str
    media_type: str


SIGNATURES: Final = Kept("sig", SIMPLE_SIGNING_TYPE)
ATTESTATIONS: Final = Kept("att", ENVELOPE_TYPE)


def served_repository(
    material: SignatureMaterial,
    signature_format: SignatureFormat,
    criterion: Criterion,
    kept: Kept = SIGNATURES,
) -> ServedRepository:
    """Return the repository in which cosign finds the material of one format, and no other."""
    documents: dict[str, Document] = {}
    digest = str(material.subject.digest)
    referrers = f"referrers/{digest}"
    tagged = f"manifests/{digest.replace(':', '-')}.{kept.ending}"
    if signature_format is SignatureFormat.BUNDLE:
        documents[referrers] = _referrers(documents, material.bundles)
        return ServedRepository(referrers, documents, absent=tagged)
    names = _kept_annotations(criterion)
    layers = []
    for signature in material.simple:
        annotations = {name: text for name, text in signature.annotations.items() if name in names}
        layer = _blob(documents, kept.media_type, signature.payload)
        layers.append(layer.descriptor(annotations=annotations))
    documents[tagged] = _manifest(documents, layers)
    return ServedRepository(tagged, documents)


def _kept_annotations(criterion: Criterion) -> frozenset[str]:
    kept = {SIGNATURE}
    if criterion.checks.transparency_log:
        # Who signs with a key and a certificate for it has the log file the certificate.
        kept |= {LOG_ENTRY, CERTIFICATE}
    if criterion.checks.timestamps:
        kept.add(TIMESTAMP)
    if isinstance(criterion.signer, Identity):
        kept.add(CERTIFICATE)
    return frozenset(kept)


def _referrers(documents: dict[str, Document], bundles: Iterable[bytes]) -> Document:
    manifests = []
    for bundle in bundles:
        layer = _blob(documents, BUNDLE_TYPE, bundle)
        manifest = _manifest(documents, [layer.descriptor()])
        documents[f"manifests/{manifest.digest}"] = manifest
        manifests.append(manifest.descriptor(artifactType=BUNDLE_TYPE))
    return _json(INDEX_TYPE, manifests=manifests)


def _manifest(documents: dict[str, Document], layers: list[dict[str, Any]]) -> Document:
    config = _blob(documents, EMPTY_TYPE, _EMPTY)
    return _json(MANIFEST_TYPE, config=config.descriptor(), layers=layers)


def _blob(documents: dict[str, Document], media_type: str, content: bytes) -> Document:
    blob = Document(media_type, content)
    documents[f"blobs/{blob.digest}"] = Document(BLOB_TYPE, content)
    return blob


def _json(media_type: str, **fields: object) -> Document:
    value = {"schemaVersion": 2, "mediaType": media_type, **fields}
    return Document(media_type, json.dumps(value, separators=(",", ":")).encode())
