"""
A transparency log of the first kind, as cosign 2 uses it: it promises, and tells the time.

The real one needs a database and Trillian, so this one makes the same entries by itself: what
cosign verifies of an old signature is the entry, the time, and the log's signature over both.

Source: github.com/sigstore/rekor, types/hashedrekord and types/dsse (0.0.1), pkg/api/entries.go
(signEntry); cosign v2.6.5, pkg/cosign/bundle/rekor.go.
"""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ANNOTATION = "dev.sigstore.cosign/bundle"
"""Where an old signature has its entry."""


class LogOfRekor1:
    """A log with a key of its own; it keeps nothing."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self._id = hashlib.sha256(self._public).digest()

    def trusted(self) -> dict[str, Any]:
        """Return what a trusted root says of the log, among its `tlogs`."""
        return {
            "baseUrl": "https://localhost",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": base64.b64encode(self._public).decode(),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": "2000-01-01T00:00:00Z"},
            },
            "logId": {"keyId": base64.b64encode(self._id).decode()},
        }

    def annotation(self, payload: bytes, signature: str, signer: str, *, at: int) -> str:
        """
        Return what stands beside an old signature that the log has an entry of.

        `signature` is in base64, `signer` a key or certificate in PEM, `at` the time in seconds.
        """
        hash_ = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
        key = {"content": base64.b64encode(signer.encode()).decode()}
        signed = {"content": signature, "publicKey": key}
        return self._entry("hashedrekord", {"data": {"hash": hash_}, "signature": signed}, at)

    def annotation_of_envelope(self, envelope: bytes, signer: str, *, at: int) -> str:
        """Return what stands beside an attestation, in the same way."""
        inner = json.loads(envelope)
        payload = base64.b64decode(inner["payload"])
        hashes_ = [
            {"algorithm": "sha256", "value": hashlib.sha256(each).hexdigest()}
            for each in (envelope, payload)
        ]
        verifier = base64.b64encode(signer.encode()).decode()
        spec = {
            "envelopeHash": hashes_[0],
            "payloadHash": hashes_[1],
            "signatures": [{"signature": inner["signatures"][0]["sig"], "verifier": verifier}],
        }
        return self._entry("dsse", spec, at)

    def _entry(self, kind: str, spec: dict[str, Any], at: int) -> str:
        body = {"apiVersion": "0.0.1", "kind": kind, "spec": spec}
        entry = {
            "body": base64.b64encode(_canonical(body)).decode(),
            "integratedTime": at,
            "logIndex": 7,
            "logID": self._id.hex(),
        }
        promise = self._key.sign(_canonical(entry), ec.ECDSA(hashes.SHA256()))
        signed = base64.b64encode(promise).decode()
        return json.dumps({"SignedEntryTimestamp": signed, "Payload": entry})


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
