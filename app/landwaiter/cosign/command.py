"""
The argument lists and environments that cosign is started with; pure.

- Nothing of a request is on the command line, and of a policy only whom a certificate has to
  name, which `identities` has bounded, and the type of an attestation, which its rule has: the
  key and the trusted root are files that we wrote, and images are named as the loopback endpoint
  names them.
- Every flag is `--name=value`, for cosign rewrites each argument that begins with a single `-`,
  also after `--`; every operand begins with a host.
- The environment is built from nothing, so that no `COSIGN_*`, `SIGSTORE_*`, `DOCKER_CONFIG`,
  `REGISTRY_AUTH_FILE`, `XDG_*` or proxy of ours leaks in. All that cosign may write has its
  place in the private folder of the run, so parallel runs share nothing; with an empty `PATH`
  it finds no credential helper. Without `XDG_RUNTIME_DIR` it would look for credentials in
  `containers/auth.json` below the folder that we were started in.
- Nothing reaches the network: with `--insecure-ignore-tlog` and a key file there is nothing to
  fetch, and with `--trusted-root`, which everything else has, TUF is not asked. In the old format
  a signature without log entry would be looked up in the public Rekor; `--offline` makes that a
  refusal. Only the public key of a KMS is asked for over the network, in a run of its own.

Source: github.com/sigstore/cosign v3.1.3, cmd/cosign/cli/options/verify.go and
cmd/cosign/cli/verify/common.go (SetTrustedMaterial, SetLegacyClientsAndKeys).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.identities import Identity, Name
from landwaiter.public_keys import KMSReference

KEY_FILE = "authority.pem"
TRUSTED_ROOT_FILE = "trusted_root.json"

GO_MEMORY_LIMIT = "256MiB"
"""
Where Go's garbage collector begins to work; before, it is off.

A run takes 60 MiB, most of it while it starts, and collecting that costs a quarter of its
processor time (`make bench` prints the ratio).
"""

_OPERAND = re.compile(r"127\.0\.0\.1:[1-9][0-9]{0,4}/[0-9a-f]{32}/[0-9]{1,4}@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and everything that its environment holds."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(hash=False)


def verify_command(
    program: Path,
    folder: Path,
    operands: Iterable[str],
    *,
    signature_format: SignatureFormat,
    criterion: Criterion,
    limit_seconds: float,
) -> Command:
    """
    Return the command that verifies images at the loopback endpoint.

    The `files_for` the criterion stand in `folder`.
    `limit_seconds` is given to cosign too, so that it ends by itself should we be gone. Raises
    `ValueError` for an operand that is not a name of the endpoint.
    """
    images = _operands(operands)
    flags = _flags(folder, signature_format, criterion, limit_seconds)
    return Command((str(program), "verify", *flags, *images), _environment(folder))


def verify_attestation_command(
    program: Path,
    folder: Path,
    operand: str,
    *,
    predicate_type: str,
    signature_format: SignatureFormat,
    criterion: Criterion,
    limit_seconds: float,
) -> Command:
    """
    Return the command that verifies the attestations of one image, as `verify_command` does.

    What cosign prints is each envelope with a statement of the type.
    """
    images = _operands((operand,))
    flags = _flags(folder, signature_format, criterion, limit_seconds)
    typed = f"--type={predicate_type}"
    return Command(
        (str(program), "verify-attestation", typed, *flags, *images), _environment(folder)
    )


def _operands(operands: Iterable[str]) -> tuple[str, ...]:
    images = tuple(operands)
    if foreign := [image for image in images if not _OPERAND.fullmatch(image)]:
        raise ValueError(f"{foreign[0]!r} is not a name of the loopback endpoint")
    return images


def _flags(
    folder: Path, signature_format: SignatureFormat, criterion: Criterion, limit_seconds: float
) -> list[str]:
    flags = [
        f"--timeout={max(1, round(limit_seconds))}s",
        *_signer_flags(criterion, folder),
        "--check-claims=true",
        "--output=json",
        f"--new-bundle-format={_flag(signature_format is SignatureFormat.BUNDLE)}",
        *_check_flags(criterion, signature_format),
    ]
    if criterion.trusted_root is not None:
        flags.append(f"--trusted-root={folder / TRUSTED_ROOT_FILE}")
    return flags


def files_for(criterion: Criterion) -> Mapping[str, bytes]:
    """Return the files that a command for the criterion names, by their names."""
    files = {}
    if not isinstance(criterion.signer, Identity):
        files[KEY_FILE] = criterion.signer.pem.encode()
    if criterion.trusted_root is not None:
        files[TRUSTED_ROOT_FILE] = criterion.trusted_root.content
    return files


def _signer_flags(criterion: Criterion, folder: Path) -> list[str]:
    signer = criterion.signer
    if isinstance(signer, Identity):
        return [
            _name_flag("certificate-identity", signer.subject),
            _name_flag("certificate-oidc-issuer", signer.issuer),
        ]
    return [
        f"--key={folder / KEY_FILE}",
        f"--signature-digest-algorithm={criterion.digest_algorithm}",
    ]


def _name_flag(flag: str, name: Name) -> str:
    return f"--{flag}-regexp={name.text}" if name.is_expression else f"--{flag}={name.text}"


def _check_flags(criterion: Criterion, signature_format: SignatureFormat) -> list[str]:
    checks = criterion.checks
    flags = []
    if not checks.transparency_log:
        flags.append("--insecure-ignore-tlog=true")
    elif signature_format is SignatureFormat.SIMPLE_SIGNING:
        flags.append("--offline=true")
    if checks.timestamps:
        flags.append("--use-signed-timestamps=true")
    if isinstance(criterion.signer, Identity) and not checks.certificate_transparency:
        flags.append("--insecure-ignore-sct=true")
    if criterion.certificate_chains and signature_format is SignatureFormat.BUNDLE:
        flags.append("--allow-certificate-chain=true")
    return flags


def public_key_command(
    program: Path,
    folder: Path,
    reference: KMSReference,
    *,
    variables: Mapping[str, str],
    plugins: Path | None,
) -> Command:
    """
    Return the command that prints the public key of a KMS in PEM.

    It reaches the network, and nothing of a request or a registry is in it. `variables` say how,
    besides what every environment has; `plugins` is the folder where cosign finds programs that
    stand for a KMS.
    """
    environment = {**variables, **_environment(folder)}
    if plugins is not None:
        environment["PATH"] = str(plugins)
    return Command((str(program), "public-key", f"--key={reference.text}"), environment)


def version_command(program: Path, folder: Path) -> Command:
    """Return the command that prints cosign's version as JSON."""
    return Command((str(program), "version", "--json=true"), _environment(folder))


def _flag(value: bool) -> str:  # noqa: FBT001 - spells a truth value as Go's flags do.
    return "true" if value else "false"


def _environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "TUF_ROOT": str(folder / "tuf"),
        "TMPDIR": str(folder),
        "DOCKER_CONFIG": str(folder / "docker"),
        "XDG_RUNTIME_DIR": str(folder),
        "PATH": "",
        "GOGC": "off",
        "GOMEMLIMIT": GO_MEMORY_LIMIT,
    }
