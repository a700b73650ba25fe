"""Who may sign: the value that cosign is run for, and what of it shapes the verdict."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.errors import InvalidPolicy
from landwaiter.public_keys import PublicKey

TransparencyLog = Literal["Ignored", "Required"]

FINGERPRINTS_MAX = 256
"""Fingerprints that are kept: a trusted root can have 1 MiB, and is asked for at each image."""

_DIGEST_ALGORITHMS = {"ECDSA P-384": "sha384", "ECDSA P-521": "sha512"}
"""
What cosign signs with where it is not SHA-256. It does not choose the same when it verifies, so
it has to be told; older signatures that such a key made with SHA-256 are not found.
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """
    A public key, and what else its signatures have to bring.

    With `transparency_log` Required a signature counts only with an entry in a log that
    `trusted_root`, the content of a Sigstore trusted root, names. Raises `InvalidPolicy` for a
    log without a root, and for a root that nothing would read.
    """

    name: str
    key: PublicKey
    transparency_log: TransparencyLog
    trusted_root: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.transparency_log == "Required") != (self.trusted_root is not None):
            seen = "given" if self.trusted_root is not None else "missing"
            raise InvalidPolicy(
                f'authority "{self.name}": the trusted root is {seen} and transparencyLog is '
                f"{self.transparency_log}; a trusted root with Required, none with Ignored wanted"
            )

    @property
    def requires_log(self) -> bool:
        """Whether a signature counts only with an entry in a transparency log."""
        return self.transparency_log == "Required"

    @property
    def digest_algorithm(self) -> str:
        """The hash function of this key's signatures, as cosign's flag names it."""
        return _DIGEST_ALGORITHMS.get(self.key.algorithm, "sha256")

    def fingerprint(self, cosign_version: str) -> str:
        """
        Return a hash of everything that shapes a verification by this authority.

        That is the key itself however it was written, the log, the content of the trusted root,
        the formats that are tried, and the version of cosign; the name is not.
        """
        return _fingerprint(
            self.key.fingerprint, self.transparency_log, self.trusted_root, cosign_version
        )


@lru_cache(maxsize=FINGERPRINTS_MAX)
def _fingerprint(key: str, log: TransparencyLog, root: bytes | None, cosign_version: str) -> str:
    shaping = {
        "key": key,
        "transparencyLog": log,
        "trustedRoot": None if root is None else hashlib.sha256(root).hexdigest(),
        "formats": sorted(SignatureFormat),
        "cosign": cosign_version,
    }
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
