"""
Makes and signs images by the hundred, where cosign itself would take a sixth of a second for each.

What stands in the registry is what cosign 3 and cosign 2 would have put there, byte by byte where
something is signed, so that the real cosign verifies it, and refuses it with another key.

Source: github.com/sigstore/cosign v3.1.3, specs/BUNDLE_SPEC.md and specs/SIGNATURE_SPEC.md;
github.com/secure-systems-lab/dsse, protocol.md (PAE).
"""

import base64
import hashlib
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from realparts.registries import Registry

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
IN_TOTO: Final = "application/vnd.in-toto+json"
PUSH_SECONDS: Final = 10.0


@dataclass(frozen=True)
class MassKey:
    """A key that signs without a password."""

    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )

    @property
    def public_pem(self) -> str:
        """What a policy says."""
        key = self.private.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def hint(self) -> str:
        """How a bundle names the key."""
        key = self.private.public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def sign(self, message: bytes) -> str:
        """Return a signature in base64."""
        return base64.b64encode(self.private.sign(message, ec.ECDSA(hashes.SHA256()))).decode()


@dataclass(frozen=True, slots=True)
class MassMaker:
    """Pushes to one registry, which is open to everyone and speaks plain HTTP."""

    registry: Registry

    def make_image(self, repository: str) -> str:
        """Push an image without layers, which tells its name, and return it by digest."""
        config = {"os": "linux", "architecture": "amd64", "author": repository, "rootfs": {}}
        kind = "application/vnd.oci.image.config.v1+json"
        stored = self._blob(repository, json.dumps(config).encode(), kind)
        digest = self._manifest(repository, config=stored, layers=[])["digest"]
        return f"{self.registry.host}/{repository}@{digest}"

    def sign_as_bundle(self, image: str, key: MassKey) -> None:
        """Attach a v0.3 bundle, as cosign 3 does."""
        name, _, digest = image.partition("@")
        repository = name.removeprefix(f"{self.registry.host}/")
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "predicate": {},
        }
        payload = json.dumps(statement).encode()
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": key.sign(_to_be_signed(payload))}],
        }
        bundle = {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": key.hint}},
            "dsseEnvelope": envelope,
        }
        self._manifest(
            repository,
            artifactType=BUNDLE,
            config=self._blob(repository, b"{}", EMPTY),
            layers=[self._blob(repository, json.dumps(bundle).encode(), BUNDLE)],
            subject={"mediaType": MANIFEST, "digest": digest, "size": 1},
        )

    def sign_in_the_old_format(self, image: str, key: MassKey) -> None:
        """Put a simple signature under the `.sig` tag, as cosign 2 does."""
        name, _, digest = image.partition("@")
        repository = name.removeprefix(f"{self.registry.host}/")
        critical = {
            "identity": {"docker-reference": name},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        }
        payload = json.dumps({"critical": critical, "optional": None}).encode()
        signed = {"dev.cosignproject.cosign/signature": key.sign(payload)}
        layer = {**self._blob(repository, payload, SIMPLE), "annotations": signed}
        self._manifest(
            repository,
            tag=f"{digest.replace(':', '-')}.sig",
            config=self._blob(repository, b"{}", "application/vnd.oci.image.config.v1+json"),
            layers=[layer],
        )

    def _manifest(self, repository: str, *, tag: str = "", **fields: object) -> dict[str, Any]:
        content = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **fields}).encode()
        descriptor = _descriptor(content, MANIFEST)
        path = f"{repository}/manifests/{tag or descriptor['digest']}"
        self._send("PUT", path, content, MANIFEST)
        return descriptor

    def _blob(self, repository: str, content: bytes, kind: str) -> dict[str, Any]:
        descriptor = _descriptor(content, kind)
        path = f"{repository}/blobs/uploads/?digest={descriptor['digest']}"
        self._send("POST", path, content, "application/octet-stream")
        return descriptor

    def _send(self, method: str, path: str, content: bytes, kind: str) -> None:
        request = urllib.request.Request(
            f"{self.registry.url}/v2/{path}",
            data=content,
            method=method,
            headers={"Content-Type": kind},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PUSH_SECONDS):
            """Only that it was taken is of interest; anything else raises."""


def _to_be_signed(payload: bytes) -> bytes:
    kind = IN_TOTO.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _descriptor(content: bytes, kind: str) -> Mapping[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": kind, "digest": digest, "size": len(content)}
