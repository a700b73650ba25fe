"""Who may sign: the values that cosign is run for, and what of them shapes the verdict."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from landwaiter.cosign.outcome import SignatureFormat, Wanted
from landwaiter.errors import InvalidPolicy
from landwaiter.identities import Identity, Name
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.trusted_roots import NO_CHECKS, Checks, TrustedRoot

FINGERPRINTS_MAX = 512
"""Fingerprints that are kept: they are asked for at each image."""

_DIGEST_ALGORITHMS = {"ECDSA P-384": "sha384", "ECDSA P-521": "sha512"}
"""
What cosign signs with where it is not SHA-256. It does not choose the same when it verifies, so
it has to be told; older signatures that such a key made with SHA-256 are not found.
"""

Signer = PublicKey | Identity
"""Whose signature it is: that of a key, or of somebody to whom a certificate was issued."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """
    What one run of cosign judges by: one signer, and what else a signature has to bring.

    `trusted_root` names the logs and authorities to trust; it is None for a key of whose
    signatures nothing else is checked. With `certificate_chains` a bundle may bring the
    certificates between its own and a root. `annotations` have to be signed along, with these
    values. Raises `InvalidPolicy` where a root is missing, lacks what is checked, or would not
    be read.
    """

    signer: Signer
    checks: Checks = NO_CHECKS
    trusted_root: TrustedRoot | None = None
    certificate_chains: bool = False
    annotations: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        certificates = isinstance(self.signer, Identity)
        if self.trusted_root is None:
            if certificates or self.checks != NO_CHECKS:
                raise InvalidPolicy("a trusted root is missing, which what is checked needs")
        elif not certificates and self.checks == NO_CHECKS:
            raise InvalidPolicy("a trusted root is given, and nothing is checked that reads it")
        elif lacking := self.trusted_root.lacks(self.checks, certificates=certificates):
            raise InvalidPolicy(f"the trusted root has no {lacking[0]}, which are needed")

    @property
    def digest_algorithm(self) -> str | None:
        """The hash function of a key's signatures, as cosign's flag names it; None for others."""
        if isinstance(self.signer, Identity):
            return None
        return _DIGEST_ALGORITHMS.get(self.signer.algorithm, "sha256")

    @property
    def wanted(self) -> Wanted:
        """What a signature has to be, besides one of the image that cosign verifies."""
        by = "identity" if isinstance(self.signer, Identity) else "key"
        return Wanted(by, self.annotations)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that shapes what cosign says about a signature."""
        return _fingerprint(self)

    def shaping(self) -> Mapping[str, object]:
        """Return what the fingerprint is made from."""
        root = self.trusted_root
        return {
            "by": _by(self.signer),
            "transparencyLog": self.checks.transparency_log,
            "certificateTransparency": self.checks.certificate_transparency,
            "timestamps": self.checks.timestamps,
            "trustedRoot": None if root is None else root.fingerprint,
            "certificateChains": self.certificate_chains,
            "annotations": sorted(self.annotations),
        }


@dataclass(frozen=True, slots=True)
class Authority:
    """
    Somebody whose signature counts: by one of `signers`, with all that a `Criterion` asks for.

    `repository` is where the signatures are, None for the image's own. Raises `InvalidPolicy`
    without a signer, and as `Criterion` does.
    """

    name: str
    signers: tuple[Signer, ...]
    checks: Checks = NO_CHECKS
    trusted_root: TrustedRoot | None = field(default=None, repr=False)
    certificate_chains: bool = False
    annotations: tuple[tuple[str, str], ...] = ()
    repository: ImageReference | None = None

    def __post_init__(self) -> None:
        if not self.signers:
            raise InvalidPolicy(f'authority "{self.name}": no signer given, at least one wanted')
        try:
            self.criteria()
        except InvalidPolicy as problem:
            raise InvalidPolicy(f'authority "{self.name}": {problem}') from problem

    def criteria(self) -> tuple[Criterion, ...]:
        """Return by what cosign judges, one run after the other until one is met."""
        return tuple(
            Criterion(
                signer, self.checks, self.trusted_root, self.certificate_chains, self.annotations
            )
            for signer in self.signers
        )

    @property
    def signer(self) -> str:
        """A hash of who may sign: the same for the same key, whatever else is asked of it."""
        return _hashed({"signers": sorted(json.dumps(_by(each)) for each in self.signers)})

    def fingerprint(self, cosign_version: str) -> str:
        """
        Return a hash of everything that shapes a verification by this authority.

        That is who signs however it was written, what is checked, the content of the trusted
        root, the annotations, where signatures are, the formats that are tried, and the version
        of cosign; the name is not.
        """
        return _authority_fingerprint(self, cosign_version)


@lru_cache(maxsize=FINGERPRINTS_MAX)
def _fingerprint(criterion: Criterion) -> str:
    return _hashed(criterion.shaping())


@lru_cache(maxsize=FINGERPRINTS_MAX)
def _authority_fingerprint(authority: Authority, cosign_version: str) -> str:
    repository = authority.repository
    return _hashed(
        {
            "criteria": sorted(each.fingerprint for each in authority.criteria()),
            "repository": None if repository is None else str(repository),
            "formats": sorted(SignatureFormat),
            "cosign": cosign_version,
        }
    )


def _by(signer: Signer) -> object:
    if isinstance(signer, Identity):
        return [_shaping(signer.issuer), _shaping(signer.subject)]
    return signer.fingerprint


def _shaping(name: Name) -> list[object]:
    return [name.text, name.is_expression]


def _hashed(shaping: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
