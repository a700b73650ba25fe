from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from cosign.fakes import a_criterion, a_digest, a_key, a_root, an_identity
from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.command import (
    Command,
    files_for,
    verify_attestation_command,
    verify_command,
    version_command,
)
from landwaiter.cosign.outcome import SignatureFormat
from landwaiter.identities import Identity, Name
from landwaiter.public_keys import PublicKey
from landwaiter.trusted_roots import Checks

FOLDER = Path("/private")
ALL_CHECKS = Checks(transparency_log=True, certificate_transparency=True, timestamps=True)
LOG = Checks(transparency_log=True)
PROGRAM = Path("/usr/bin/cosign")
OPERAND = f"127.0.0.1:40123/{'0f' * 16}/0@{a_digest('app')}"
ENVIRONMENT = {
    "HOME": "/private",
    "TUF_ROOT": "/private/tuf",
    "XDG_RUNTIME_DIR": "/private",
    "TMPDIR": "/private",
    "DOCKER_CONFIG": "/private/docker",
    "PATH": "",
    "GOGC": "off",
    "GOMEMLIMIT": "256MiB",
}


def a_command(
    signature_format: SignatureFormat = SignatureFormat.BUNDLE,
    *,
    operands: tuple[str, ...] = (OPERAND,),
    criterion: Criterion | None = None,
    limit_seconds: float = 30,
) -> Command:
    return verify_command(
        PROGRAM,
        FOLDER,
        operands,
        signature_format=signature_format,
        criterion=criterion or a_criterion(),
        limit_seconds=limit_seconds,
    )


def test_semantics_12_without_a_log_nothing_is_fetched() -> None:
    """A key in a file and an ignored log leave cosign nothing to look up, TUF included."""
    argv = (
        "/usr/bin/cosign",
        "verify",
        "--timeout=30s",
        "--key=/private/authority.pem",
        "--signature-digest-algorithm=sha256",
        "--check-claims=true",
        "--output=json",
        "--new-bundle-format=true",
        "--insecure-ignore-tlog=true",
        OPERAND,
    )

    assert Command(argv, ENVIRONMENT) == a_command()
    assert ENVIRONMENT == a_command().environment


def test_semantics_12_a_required_log_is_judged_with_our_root_alone() -> None:
    """The trusted root stands in for TUF, and nothing lets the log be left out."""
    command = a_command(criterion=a_criterion(root=a_root()))

    assert ("--new-bundle-format=true", "--trusted-root=/private/trusted_root.json", OPERAND) == (
        command.argv[-3:]
    )


def test_semantics_12_an_old_signature_is_not_looked_up_in_the_public_log() -> None:
    """In the old format a signature without log entry is refused instead of asked Rekor about."""
    command = a_command(SignatureFormat.SIMPLE_SIGNING, criterion=a_criterion(root=a_root()))

    assert (
        "--new-bundle-format=false",
        "--offline=true",
        "--trusted-root=/private/trusted_root.json",
        OPERAND,
    ) == command.argv[-4:]


@pytest.mark.parametrize(
    ("curve", "digest_algorithm"),
    [(ec.SECP256R1(), "sha256"), (ec.SECP384R1(), "sha384"), (ec.SECP521R1(), "sha512")],
)
def test_the_hash_function_is_that_of_the_key(
    curve: ec.EllipticCurve, digest_algorithm: str
) -> None:
    """Signatures by P-384 and P-521 keys are not found unless cosign is told how they are made."""
    key = ec.derive_private_key(1_000, curve).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    criterion = Criterion(PublicKey.parse(pem))

    assert (
        f"--signature-digest-algorithm={digest_algorithm}" == a_command(criterion=criterion).argv[4]
    )


def identity_flags(criterion: Criterion, form: SignatureFormat) -> tuple[str, ...]:
    """Return what a command says besides what all of them say."""
    said = a_command(form, criterion=criterion).argv
    common = {
        *a_command(criterion=a_criterion(root=a_root())).argv,
        "--new-bundle-format=false",
    }
    return tuple(each for each in said if each not in common)


@pytest.mark.parametrize("form", list(SignatureFormat))
def test_semantics_12_whom_a_certificate_names_stands_in_one_argument_each(
    form: SignatureFormat,
) -> None:
    """Whatever a name holds, it stays the value of its flag; no key is given beside it."""
    subject = "--key=/etc/passwd --insecure-ignore-tlog=true"
    criterion = Criterion(an_identity(subject), ALL_CHECKS, a_root())
    offline = ("--offline=true",) if form is SignatureFormat.SIMPLE_SIGNING else ()

    assert (
        f"--certificate-identity={subject}",
        "--certificate-oidc-issuer=https://login.example.com",
        *offline,
        "--use-signed-timestamps=true",
    ) == identity_flags(criterion, form)


def test_an_expression_is_handed_over_anchored() -> None:
    """Cosign looks for a match anywhere, so both ends are held."""
    names = Identity(Name.matching("https://.*"), Name.matching(r".*@example\.com"))
    criterion = Criterion(names, ALL_CHECKS, a_root())

    assert (
        r"--certificate-identity-regexp=^(?:.*@example\.com)$",
        "--certificate-oidc-issuer-regexp=^(?:https://.*)$",
    ) == identity_flags(criterion, SignatureFormat.BUNDLE)[:2]


@pytest.mark.parametrize(
    ("checks", "flags"),
    [
        (
            Checks(certificate_transparency=True, timestamps=True),
            ("--insecure-ignore-tlog=true", "--use-signed-timestamps=true"),
        ),
        (Checks(transparency_log=True), ("--insecure-ignore-sct=true",)),
    ],
)
def test_what_is_not_checked_is_said(checks: Checks, flags: tuple[str, ...]) -> None:
    """Each check that is left out has its flag, and no other has."""
    criterion = Criterion(an_identity(), checks, a_root())

    assert flags == identity_flags(criterion, SignatureFormat.BUNDLE)[2:]


def test_certificates_between_are_taken_from_bundles_alone() -> None:
    """The old format has them in an annotation, which cosign reads without being told."""
    criterion = Criterion(an_identity(), ALL_CHECKS, a_root(), certificate_chains=True)
    flag = "--allow-certificate-chain=true"

    assert (True, False) == tuple(
        flag in a_command(form, criterion=criterion).argv for form in SignatureFormat
    )


def test_the_files_are_those_that_the_command_names() -> None:
    """A key stands in a file, a root in another, and nothing else does."""
    root = a_root()

    assert [
        {"authority.pem": a_key().pem.encode()},
        {"authority.pem": a_key().pem.encode(), "trusted_root.json": root.content},
        {"trusted_root.json": root.content},
    ] == [
        files_for(each)
        for each in (
            a_criterion(),
            a_criterion(root=root),
            Criterion(an_identity(), ALL_CHECKS, root),
        )
    ]


@pytest.mark.parametrize("form", SignatureFormat)
@pytest.mark.parametrize(
    "criterion",
    [a_criterion(), a_criterion(root=a_root()), Criterion(an_identity(), LOG, a_root())],
)
def test_an_attestation_is_verified_as_a_signature_is(
    form: SignatureFormat, criterion: Criterion
) -> None:
    """Its type is all that is added; whoever signs is held to the same."""
    signature = a_command(form, criterion=criterion)
    attestation = verify_attestation_command(
        PROGRAM,
        FOLDER,
        OPERAND,
        predicate_type="https://slsa.dev/provenance/v1",
        signature_format=form,
        criterion=criterion,
        limit_seconds=30,
    )

    assert (
        ("/usr/bin/cosign", "verify-attestation", "--type=https://slsa.dev/provenance/v1"),
        signature.argv[2:],
        signature.environment,
    ) == (attestation.argv[:3], attestation.argv[3:], attestation.environment)


def test_an_operand_of_an_attestation_is_of_the_endpoint_too() -> None:
    """Nothing else becomes an argument."""
    with pytest.raises(ValueError, match="is not a name of the loopback endpoint"):
        verify_attestation_command(
            PROGRAM,
            FOLDER,
            "--key=/tmp/other.pem",
            predicate_type="https://slsa.dev/provenance/v1",
            signature_format=SignatureFormat.BUNDLE,
            criterion=a_criterion(),
            limit_seconds=30,
        )


def test_several_images_are_operands_in_order() -> None:
    """One run is asked about the images in the order given."""
    operands = tuple(OPERAND.replace("/0@", f"/{number}@") for number in range(3))

    assert operands == a_command(operands=operands).argv[-3:]


def test_cosign_gets_the_limit_too() -> None:
    """Should we be gone, cosign ends by itself; it is never given no limit."""
    limits = [a_command(limit_seconds=seconds).argv[2] for seconds in (0.01, 7.4)]

    assert ["--timeout=1s", "--timeout=7s"] == limits


@pytest.mark.parametrize(
    "operand",
    [
        "--key=/tmp/other.pem",
        "-o",
        "registry.example.com/app@sha256:" + "0" * 64,
        OPERAND + " ",
        OPERAND + "\n",
        OPERAND.replace("127.0.0.1", "127.0.0.2"),
        OPERAND.replace("sha256", "sha512"),
        OPERAND.partition("@")[0],
        "",
    ],
)
def test_an_operand_that_is_not_of_the_endpoint_is_no_argument(operand: str) -> None:
    """Nothing but names of our endpoint can reach the command line."""
    with pytest.raises(ValueError, match="is not a name of the loopback endpoint"):
        a_command(operands=(operand,))


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_no_text_becomes_an_operand(text: str) -> None:
    """Whatever the text, it is refused as an operand."""
    with pytest.raises(ValueError, match="is not a name of the loopback endpoint"):
        a_command(operands=(text,))


def test_nothing_of_our_environment_reaches_cosign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of whoever started us neither redirect signatures nor lend credentials."""
    for name in ("COSIGN_REPOSITORY", "SIGSTORE_ROOT_FILE", "HTTPS_PROXY", "REGISTRY_AUTH_FILE"):
        monkeypatch.setenv(name, "elsewhere")

    assert (ENVIRONMENT, ENVIRONMENT) == (
        a_command().environment,
        version_command(PROGRAM, FOLDER).environment,
    )


def test_the_version_is_asked_as_json() -> None:
    """The version is read from JSON, not from cosign's drawing."""
    assert ("/usr/bin/cosign", "version", "--json=true") == version_command(PROGRAM, FOLDER).argv
