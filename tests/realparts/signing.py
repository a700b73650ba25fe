"""
Signs images of a test registry with the real cosign, offline, in both formats.

| format                     | made by  | where it lies                                           |
|----------------------------|----------|---------------------------------------------------------|
| v0.3 bundle                | cosign 3 | a referrer, or the tag `sha256-<hex>` without that API  |
| old (simple signing, DSSE) | cosign 2 | the tags `sha256-<hex>.sig` and `sha256-<hex>.att`      |

With a key there is no transparency log and no timestamp: cosign 3 is given a signing configuration
without services, and a trusted root without keys, since it asks the public one over the network
otherwise; cosign 2 is told `--tlog-upload=false`. Verifying therefore needs
`--insecure-ignore-tlog`. Keyless signatures have both, from a `PrivateSigstore`.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from realparts.code_signing import Issued
from realparts.install import ensure
from realparts.processes import run
from realparts.registries import Login, Registry
from realparts.registry_tools import tool_environment
from realparts.sigstore import PrivateSigstore

COSIGN_SECONDS = 60.0
PASSWORD = "test"
Format = Literal["bundle", "old"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The files of a cosign key pair, which both versions read, or the name of a key in a KMS."""

    private: Path | str
    public: Path


class Signer:
    """Makes keys, and signs and verifies what is in one registry, named by full reference."""

    def __init__(
        self,
        folder: Path,
        registry: Registry,
        *,
        login: Login | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._environment = {
            **tool_environment(folder / "home", registry, login),
            "COSIGN_PASSWORD": PASSWORD,
            **(environment or {}),
        }
        self._signing_config = folder / "signing-config.json"
        self._trusted_root = folder / "trusted-root.json"
        self._cosign3("signing-config", "create", f"--out={self._signing_config}")
        self._cosign3("trusted-root", "create", f"--out={self._trusted_root}")

    def generate_key_pair(self, name: str = "cosign") -> SigningKey:
        """Return a new key pair; names must differ."""
        stem = self._folder / name
        self._cosign3("generate-key-pair", f"--output-key-prefix={stem}")
        return SigningKey(private=stem.with_suffix(".key"), public=stem.with_suffix(".pub"))

    def sign_with_cosign3(
        self,
        reference: str,
        key: SigningKey,
        *,
        annotations: Mapping[str, str] | None = None,
        recursive: bool = False,
        repository: str | None = None,
    ) -> None:
        """
        Sign what a reference by digest names, with a v0.3 bundle.

        It is stored in another `repository` where one is named.
        """
        options = [*_annotations(annotations), f"--recursive={str(recursive).lower()}"]
        arguments = ("sign", *self._offline_bundle(key), *options, reference)
        self._run("cosign3", arguments, check=True, repository=repository)

    def sign_with_cosign2(
        self,
        reference: str,
        key: SigningKey,
        *,
        annotations: Mapping[str, str] | None = None,
        recursive: bool = False,
        identity: str | None = None,
        repository: str | None = None,
    ) -> None:
        """
        Sign in the old format; `identity` is written as the signed name instead of the real.

        It is stored in another `repository` where one is named.
        """
        options = [*_annotations(annotations), f"--recursive={str(recursive).lower()}"]
        if identity is not None:
            options.append(f"--sign-container-identity={identity}")
        arguments = ("sign", *_offline_old(key), *options, reference)
        self._run("cosign2", arguments, check=True, repository=repository)

    def attest_with_cosign3(
        self, reference: str, key: SigningKey, *, predicate_type: str, predicate: Mapping[str, Any]
    ) -> None:
        """Attach a signed attestation, with a v0.3 bundle."""
        options = [f"--type={predicate_type}", f"--predicate={self._predicate(predicate)}"]
        self._cosign3("attest", *self._offline_bundle(key), *options, reference)

    def attest_with_cosign2(
        self,
        reference: str,
        key: SigningKey,
        *,
        predicate_type: str,
        predicate: Mapping[str, Any],
        sigstore: PrivateSigstore | None = None,
    ) -> None:
        """Attach a signed attestation in the old format; a Sigstore adds a timestamp."""
        stamped = [f"--timestamp-server-url={sigstore.timestamp_url}"] if sigstore else []
        options = [f"--type={predicate_type}", f"--predicate={self._predicate(predicate)}"]
        self._cosign2("attest", *_offline_old(key), *stamped, *options, reference)

    def import_key_pair(self, key: Path, name: str) -> SigningKey:
        """Return a key of a PEM file as both versions of cosign read it; names must differ."""
        stem = self._folder / name
        self._cosign3("import-key-pair", f"--key={key}", f"--output-key-prefix={stem}")
        return SigningKey(private=stem.with_suffix(".key"), public=stem.with_suffix(".pub"))

    def sign_as_issued(
        self, reference: str, issued: Issued, *, trusted_root: Path, chain: bool = True
    ) -> None:
        """
        Sign with a certificate of one's own, with a v0.3 bundle; cosign verifies it by the root.

        With `chain` the certificates above are put into it.
        """
        options = _issued(issued, chain=chain)
        signing = self._offline_bundle(self._key_of(issued), trusted_root=trusted_root)
        self._cosign3("sign", *signing, *options, reference)

    def sign_as_issued_with_cosign2(
        self,
        reference: str,
        issued: Issued,
        *,
        chain: bool = True,
        sigstore: PrivateSigstore | None = None,
    ) -> None:
        """Sign with a certificate of one's own in the old format; a Sigstore adds a timestamp."""
        stamped = [f"--timestamp-server-url={sigstore.timestamp_url}"] if sigstore else []
        options = [*_issued(issued, chain=chain), *stamped]
        self._cosign2("sign", *_offline_old(self._key_of(issued)), *options, reference)

    def _key_of(self, issued: Issued) -> SigningKey:
        stem = self._folder / f"issued-{issued.key.stem}"
        if not stem.with_suffix(".key").exists():
            self.import_key_pair(issued.key, stem.name)
        return SigningKey(private=stem.with_suffix(".key"), public=stem.with_suffix(".pub"))

    def sign_keyless(
        self,
        reference: str,
        sigstore: PrivateSigstore,
        *,
        email: str,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Sign with a certificate of a private Sigstore for an e-mail address, as a v0.3 bundle."""
        options = [*_keyless(sigstore, email), *_annotations(annotations)]
        self._cosign3("sign", *options, reference)

    def sign_keyless_with_cosign2(
        self, reference: str, sigstore: PrivateSigstore, *, email: str
    ) -> None:
        """Sign in the old format with a certificate and a timestamp; Rekor 2 takes no such ones."""
        self._cosign2("sign", *_keyless_old(sigstore, email), reference)

    def attest_keyless(
        self,
        reference: str,
        sigstore: PrivateSigstore,
        *,
        email: str,
        predicate_type: str,
        predicate: Mapping[str, Any],
    ) -> None:
        """Attach an attestation that is signed as in `sign_keyless`."""
        options = [f"--type={predicate_type}", f"--predicate={self._predicate(predicate)}"]
        self._cosign3("attest", *_keyless(sigstore, email), *options, reference)

    def attest_keyless_with_cosign2(
        self,
        reference: str,
        sigstore: PrivateSigstore,
        *,
        email: str,
        predicate_type: str,
        predicate: Mapping[str, Any],
    ) -> None:
        """Attach an attestation that is signed as in `sign_keyless_with_cosign2`."""
        options = [f"--type={predicate_type}", f"--predicate={self._predicate(predicate)}"]
        self._cosign2("attest", *_keyless_old(sigstore, email), *options, reference)

    def verify_keyless(
        self, reference: str, sigstore: PrivateSigstore, *, email: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Return what cosign 3 says about the signatures of an e-mail address."""
        return self._cosign3(
            "verify",
            f"--trusted-root={sigstore.trusted_root}",
            f"--certificate-identity={email}",
            f"--certificate-oidc-issuer={sigstore.issuer.url}",
            "--insecure-ignore-sct",
            reference,
            check=check,
        )

    def verify(
        self, reference: str, key: SigningKey, *, form: Format = "bundle", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Return what cosign 3 says about the signatures of one format."""
        return self._cosign3("verify", *_verifying(key, form), reference, check=check)

    def verify_attestation(
        self,
        reference: str,
        key: SigningKey,
        *,
        predicate_type: str,
        form: Format = "bundle",
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Return what cosign 3 says about the attestations of one format and type."""
        options = [*_verifying(key, form), f"--type={predicate_type}"]
        return self._cosign3("verify-attestation", *options, reference, check=check)

    def _offline_bundle(self, key: SigningKey, *, trusted_root: Path | None = None) -> list[str]:
        return [
            "--yes",
            f"--key={key.private}",
            f"--signing-config={self._signing_config}",
            f"--trusted-root={trusted_root or self._trusted_root}",
        ]

    def _predicate(self, predicate: Mapping[str, Any]) -> Path:
        file = self._folder / "predicate.json"
        file.write_text(json.dumps(predicate), encoding="utf-8")
        return file

    def _cosign3(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run("cosign3", arguments, check=check)

    def _cosign2(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("cosign2", arguments, check=True)

    def _run(
        self,
        part: str,
        arguments: tuple[str, ...],
        *,
        check: bool,
        repository: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return run(
            [ensure([part])[part], *arguments],
            environment=self._environment
            | ({} if repository is None else {"COSIGN_REPOSITORY": repository}),
            timeout_seconds=COSIGN_SECONDS,
            directory=self._folder,
            check=check,
        )


def _annotations(annotations: Mapping[str, str] | None) -> list[str]:
    return [f"--annotations={key}={value}" for key, value in (annotations or {}).items()]


def _offline_old(key: SigningKey) -> list[str]:
    return ["--yes", f"--key={key.private}", "--tlog-upload=false"]


def _issued(issued: Issued, *, chain: bool) -> list[str]:
    above = [f"--certificate-chain={issued.chain}"] if chain else []
    return [f"--certificate={issued.certificate}", *above]


def _keyless(sigstore: PrivateSigstore, email: str) -> list[str]:
    return [
        "--yes",
        f"--identity-token={sigstore.issuer.token(email)}",
        f"--signing-config={sigstore.signing_config}",
        f"--trusted-root={sigstore.trusted_root}",
    ]


def _keyless_old(sigstore: PrivateSigstore, email: str) -> list[str]:
    return [
        "--yes",
        f"--identity-token={sigstore.issuer.token(email)}",
        f"--fulcio-url={sigstore.fulcio_url}",
        f"--timestamp-server-url={sigstore.timestamp_url}",
        f"--trusted-root={sigstore.trusted_root}",
        "--tlog-upload=false",
    ]


def _verifying(key: SigningKey, form: Format) -> list[str]:
    bundle = str(form == "bundle").lower()
    log = "--insecure-ignore-tlog=true"
    return [f"--key={key.public}", log, f"--new-bundle-format={bundle}"]
