"""
The annotations in which the old format keeps what belongs to a payload.

Source: github.com/sigstore/cosign v3.1.3, pkg/oci/internal/signature/layer.go.
"""

from typing import Final

SIGNATURE: Final = "dev.cosignproject.cosign/signature"
"""The signature in base64; empty where the payload is an envelope that has its own."""
CERTIFICATE: Final = "dev.sigstore.cosign/certificate"
LOG_ENTRY: Final = "dev.sigstore.cosign/bundle"
TIMESTAMP: Final = "dev.sigstore.cosign/rfc3161timestamp"

PREDICATE_TYPE: Final = "predicateType"
"""What a layer of attestations says of itself; nobody has signed that."""

ALL: Final = (SIGNATURE, CERTIFICATE, LOG_ENTRY, TIMESTAMP)
"""Those that cosign reads, where there is a trusted root, and nothing else does."""
