"""
Makes, signs and attests images by the hundred; cosign takes a sixth of a second for each.

What stands in the registry is what cosign 3 and cosign 2 would have put there, byte by byte where
something is signed, so that the real cosign verifies it, and refuses it with another key.

Source: github.com/sigstore/cosign v3.1.3, specs/BUNDLE_SPEC.md and specs/SIGNATURE_SPEC.md;
github.com/secure-systems-lab/dsse, protocol.md (PAE).
"""

import base64
import hashlib
import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from realparts.registries import Registry

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
IN_TOTO: Final = "application/vnd.in-toto+json"
SIGN: Final = "https://sigstore.dev/cosign/sign/v1"
PUSH_SECONDS: Final = 10.0


@dataclass(frozen=True)
class MassKey:
    """A key that signs without a password."""

    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = field(
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
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            signature = self.private.sign(message)
        else:
            signature = self.private.sign(message, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode()


@dataclass(frozen=True, slots=True)
class MassMaker:
    """
    Pushes to one registry, which is open to everyone and speaks plain HTTP.

    Where it lists no referrers, one bundle an image can be found, under the fallback tag.
    """

    registry: Registry
    lists_referrers: bool = True

    def make_image(self, repository: str) -> str:
        """Push an image without layers, which tells its name, and return it by digest."""
        config = {"os": "linux", "architecture": "amd64", "author": repository, "rootfs": {}}
        kind = "application/vnd.oci.image.config.v1+json"
        stored = self._blob(repository, json.dumps(config).encode(), kind)
        digest = self._manifest(repository, tag="1.0", config=stored, layers=[])["digest"]
        return f"{self.registry.host}/{repository}@{digest}"

    def sign_as_bundle(self, image: str, key: MassKey) -> None:
        """Attach a v0.3 bundle, as cosign 3 does."""
        self.attest_as_bundle(image, key, SIGN)

    def attest_as_bundle(self, image: str, key: MassKey, predicate_type: str) -> None:
        """Attach an attestation as a v0.3 bundle, as cosign 3 does."""
        repository, digest = self._place(image)
        bundle = {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": key.hint}},
            "dsseEnvelope": _envelope(digest, key, predicate_type),
        }
        listed = self._manifest(
            repository,
            artifactType=BUNDLE,
            config=self._blob(repository, b"{}", EMPTY),
            layers=[self._blob(repository, json.dumps(bundle).encode(), BUNDLE)],
            subject={"mediaType": MANIFEST, "digest": digest, "size": 1},
        )
        if not self.lists_referrers:
            self._manifest(
                repository,
                tag=digest.replace(":", "-"),
                kind=INDEX,
                manifests=[{**listed, "artifactType": BUNDLE}],
            )

    def sign_in_the_old_format(self, image: str, *keys: MassKey) -> None:
        """Put simple signatures, and no others, under the `.sig` tag, as cosign 2 does."""
        digest = image.partition("@")[2]
        critical = {
            "identity": {"docker-reference": image.partition("@")[0]},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        }
        payload = json.dumps({"critical": critical, "optional": None}).encode()
        signed = [{"dev.cosignproject.cosign/signature": key.sign(payload)} for key in keys]
        self._tag_layers(image, "sig", payload, SIMPLE, signed)

    def attest_in_the_old_format(self, image: str, key: MassKey, predicate_type: str) -> None:
        """Put an attestation under the `.att` tag, as cosign 2 does."""
        envelope = _envelope(image.partition("@")[2], key, predicate_type)
        told = {"dev.cosignproject.cosign/signature": "", "predicateType": predicate_type}
        self._tag_layers(image, "att", json.dumps(envelope).encode(), ENVELOPE, [told])

    def _tag_layers(
        self,
        image: str,
        ending: str,
        content: bytes,
        kind: str,
        annotations: Iterable[Mapping[str, str]],
    ) -> None:
        repository, digest = self._place(image)
        blob = self._blob(repository, content, kind)
        self._manifest(
            repository,
            tag=f"{digest.replace(':', '-')}.{ending}",
            config=self._blob(repository, b"{}", "application/vnd.oci.image.config.v1+json"),
            layers=[{**blob, "annotations": dict(each)} for each in annotations],
        )

    def _place(self, image: str) -> tuple[str, str]:
        name, _, digest = image.partition("@")
        return name.removeprefix(f"{self.registry.host}/"), digest

    def _manifest(
        self, repository: str, *, tag: str = "", kind: str = MANIFEST, **fields: object
    ) -> dict[str, Any]:
        content = json.dumps({"schemaVersion": 2, "mediaType": kind, **fields}).encode()
        descriptor = _descriptor(content, kind)
        path = f"{repository}/manifests/{tag or descriptor['digest']}"
        self._send("PUT", path, content, kind)
        return descriptor

    def _blob(self, repository: str, content: bytes, kind: str) -> dict[str, Any]:
        descriptor = _descriptor(content, kind)
        path = f"{repository}/blobs/uploads/?digest={descriptor['digest']}"
        self._send("POST", path, content, "application/octet-stream")
        return descriptor

    def _send(self, method: str, path: str, content: bytes, kind: str) -> None:
        host, _, port = self.registry.host.partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PUSH_SECONDS)
        try:
            connection.request(method, f"/v2/{path}", content, {"Content-Type": kind})
            answer = connection.getresponse()
            if answer.status != HTTPStatus.CREATED:
                raise RuntimeError(f"{method} {path}: {answer.status} {answer.read()!r}")
        finally:
            connection.close()


def _envelope(digest: str, key: MassKey, predicate_type: str) -> dict[str, Any]:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": predicate_type,
        "predicate": {},
    }
    payload = json.dumps(statement).encode()
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": IN_TOTO,
        "signatures": [{"sig": key.sign(_to_be_signed(payload))}],
    }


def _to_be_signed(payload: bytes) -> bytes:
    kind = IN_TOTO.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _descriptor(content: bytes, kind: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": kind, "digest": digest, "size": len(content)}
