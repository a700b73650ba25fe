"""
The argument lists and environments that cosign is started with; pure.

- Nothing of a policy or a request is on the command line: the key and the trusted root are
  files that we wrote, and images are named as the loopback endpoint names them.
- Every flag is `--name=value`, for cosign rewrites each argument that begins with a single `-`,
  also after `--`; every operand begins with a host.
- The environment is built from nothing, so that no `COSIGN_*`, `SIGSTORE_*`, `DOCKER_CONFIG`,
  `REGISTRY_AUTH_FILE`, `XDG_*` or proxy of ours leaks in. All that cosign may write has its
  place in the private folder of the run, so parallel runs share nothing; with an empty `PATH`
  it finds no credential helper.
- Nothing reaches the network: with `--insecure-ignore-tlog` and a key file there is nothing to
  fetch, and with `--trusted-root` TUF is not asked. In the old format a signature without log
  entry would be looked up in the public Rekor; `--offline` makes that a refusal.

Source: github.com/sigstore/cosign v3.1.3, cmd/cosign/cli/options/verify.go and
cmd/cosign/cli/verify/common.go (SetTrustedMaterial, SetLegacyClientsAndKeys).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from landwaiter.cosign.authority import Authority
from landwaiter.cosign.outcome import SignatureFormat

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
    authority: Authority,
    limit_seconds: float,
) -> Command:
    """
    Return the command that verifies images at the loopback endpoint.

    `KEY_FILE`, and `TRUSTED_ROOT_FILE` where a transparency log is required, stand in `folder`.
    `limit_seconds` is given to cosign too, so that it ends by itself should we be gone. Raises
    `ValueError` for an operand that is not a name of the endpoint.
    """
    images = tuple(operands)
    if foreign := [image for image in images if not _OPERAND.fullmatch(image)]:
        raise ValueError(f"{foreign[0]!r} is not a name of the loopback endpoint")
    flags = [
        f"--timeout={max(1, round(limit_seconds))}s",
        f"--key={folder / KEY_FILE}",
        f"--signature-digest-algorithm={authority.digest_algorithm}",
        "--check-claims=true",
        "--output=json",
        f"--new-bundle-format={_flag(signature_format is SignatureFormat.BUNDLE)}",
    ]
    if not authority.requires_log:
        flags.append("--insecure-ignore-tlog=true")
    else:
        flags.append(f"--trusted-root={folder / TRUSTED_ROOT_FILE}")
        if signature_format is SignatureFormat.SIMPLE_SIGNING:
            flags.append("--offline=true")
    return Command((str(program), "verify", *flags, *images), _environment(folder))


def version_command(program: Path, folder: Path) -> Command:
    """Return the command that prints cosign's version as JSON."""
    return Command((str(program), "version", "--json=true"), _environment(folder))


def _flag(value: bool) -> str:  # noqa: FBT001 - spells a truth value as Go's flags do.
    return "true" if value else "false"


def _environment(folder: Path) -> Mapping[str, str]:
    return {
        "HOME": str(folder),
        "TUF_ROOT": str(folder / "tuf"),
        "TMPDIR": str(folder),
        "DOCKER_CONFIG": str(folder / "docker"),
        "PATH": "",
        "GOGC": "off",
        "GOMEMLIMIT": GO_MEMORY_LIMIT,
    }
