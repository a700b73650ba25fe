"""What `cosignSignatures` accepts as settings, and what it leaves undecided."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from landwaiter.errors import InvalidPolicy
from landwaiter.identities import ANYBODY, Identity, Name
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.rules.cosign_signatures import (
    CosignSignatures,
    CosignSignaturesSettings,
    SignatureAnswer,
    SignatureQuestion,
)
from landwaiter.rules.protocol import Facts, Undecided
from landwaiter.rules.references import ConfigMapEntry, SecretEntry
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority, Trust
from landwaiter.trusted_roots import (
    MEDIA_TYPE,
    AuthorityCertificates,
    Checks,
    TrustedRoot,
    TUFTarget,
)
from landwaiter.workloads.values import ImagePlace, ImageUse
from realparts.certificates import Authority as CertificateAuthority

A_DIGEST = "sha256:" + "a" * 64
PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
KEY = PublicKey.parse(PEM)
LISTS = ("tlogs", "ctlogs", "timestampAuthorities", "certificateAuthorities")
A_ROOT = json.dumps({"mediaType": MEDIA_TYPE, **{name: [{}] for name in LISTS}})
AN_EMPTY_ROOT = json.dumps({"mediaType": MEDIA_TYPE})
ROOT = TrustedRoot.parse(A_ROOT.encode())
TUF_ROOT = json.dumps({"signed": {"_type": "root"}, "signatures": []})
TUF = {"mirror": "https://tuf.example", "root": {"data": TUF_ROOT}}
NAMES = ("trusted_root.json", "staging/root.json")
ANN = {"issuer": "https://login.example.com", "subject": "ann@example.com"}
LOG = Checks(transparency_log=True)


def an_authority(**changes: object) -> dict[str, Any]:
    return {"name": "ci", "key": {"data": PEM}, **changes}


def the_rule(
    *authorities: dict[str, Any], folder: Path = Path(), **settings: object
) -> CosignSignatures:
    document = {"authorities": list(authorities), **settings}
    return CosignSignaturesSettings.model_validate(document).rule(folder)


def test_the_design_example_loads_with_its_defaults() -> None:
    """A name and a key are enough: the log is not needed, and a digest is."""
    expected = CosignSignatures((SigningAuthority("ci", KEY),), Requirement(("ci",)), "Deny")

    assert expected == the_rule(an_authority())


def test_a_key_can_stand_in_a_file_beside_the_policy(tmp_path: Path) -> None:
    """A relative file name is taken from the policy's folder."""
    (tmp_path / "ci.pub").write_text(PEM)

    rule = the_rule(an_authority(key={"file": "ci.pub"}), folder=tmp_path)

    assert KEY == rule.authorities[0].signers


def test_a_key_can_stand_in_a_secret() -> None:
    """A Secret is named and read when it is needed; the entry has a default."""
    ref = {"namespace": "keys", "name": "signing"}

    rule = the_rule(an_authority(key={"secretRef": ref}))

    assert SecretEntry("keys", "signing", "cosign.pub") == rule.authorities[0].signers


def test_the_entry_of_a_secret_can_be_named() -> None:
    """`secretRef.key` names another entry than `cosign.pub`."""
    ref = {"namespace": "keys", "name": "signing", "key": "old.pub"}

    rule = the_rule(an_authority(key={"secretRef": ref}))

    assert SecretEntry("keys", "signing", "old.pub") == rule.authorities[0].signers


def test_a_required_log_brings_its_trusted_root(tmp_path: Path) -> None:
    """`transparencyLog: Required` with a trusted root from a file, and inline."""
    (tmp_path / "root.json").write_text(A_ROOT)
    by_file = an_authority(transparencyLog="Required", trustedRoot={"file": "root.json"})
    inline = an_authority(transparencyLog="Required", trustedRoot={"data": A_ROOT})

    expected = (SigningAuthority("ci", KEY, LOG, Trust(ROOT)),)
    assert expected == the_rule(by_file, folder=tmp_path).authorities
    assert expected == the_rule(inline).authorities


@pytest.mark.parametrize("source", ["data", "file"])
def test_a_trusted_root_may_be_distributed_by_tuf(tmp_path: Path, source: str) -> None:
    """The policy has the repository's address and its root, and perhaps the target's name."""
    (tmp_path / "root").write_text(TUF_ROOT)
    root = {"data": TUF_ROOT} if source == "data" else {"file": "root"}
    settings = ({**TUF, "root": root}, {**TUF, "root": root, "target": "staging/root.json"})

    targets = [TUFTarget("https://tuf.example", TUF_ROOT.encode(), name) for name in NAMES]
    assert [Trust(target) for target in targets] == [
        the_rule(
            an_authority(transparencyLog="Required", trustedRoot={"tuf": each}), folder=tmp_path
        )
        .authorities[0]
        .trust
        for each in settings
    ]


@pytest.mark.parametrize(
    ("authorities", "problem"),
    [
        ([], "at least 1 item"),
        ([an_authority(), an_authority()], "'ci' is given twice"),
        (
            [an_authority(key={})],
            "nothing given, exactly one of data, file, secretRef and kms wanted",
        ),
        ([an_authority(key={"data": PEM, "file": "x"})], "data and file given, exactly one"),
        ([an_authority(key={"data": "x"})], "one block that begins with"),
        ([an_authority(key={"data": PEM.replace("PUBLIC", "PRIVATE")})], "a private key is given"),
        ([an_authority(transparencyLog="Required")], "trustedRoot is missing"),
        ([an_authority(timestamps="Required")], "trustedRoot is missing; timestamps: Required"),
        ([an_authority(trustedRoot={"data": A_ROOT})], "nothing reads it"),
        (
            [an_authority(transparencyLog="Required", trustedRoot={"data": "{}"})],
            "something else than a trusted root is given",
        ),
        (
            [an_authority(transparencyLog="Required", trustedRoot={})],
            "nothing given, exactly one of data, file, configMapRef, secretRef and tuf wanted",
        ),
        (
            [
                an_authority(
                    transparencyLog="Required", trustedRoot={"tuf": {**TUF, "root": {"data": "{}"}}}
                )
            ],
            "the root.json of TUF is wanted",
        ),
        *(
            (
                [an_authority(transparencyLog="Required", trustedRoot={"tuf": {**TUF, **wrong}})],
                f"trustedRoot.tuf.{field}",
            )
            for field, wrong in (
                ("mirror", {"mirror": "ftp://tuf.example"}),
                ("mirror", {"mirror": "https://me:word@tuf.example"}),
                ("mirror", {"mirror": "https://tuf.example/?a=b"}),
                ("target", {"target": "../etc/passwd"}),
                ("target", {"target": "/root"}),
            )
        ),
        (
            [an_authority(keyless={"identities": [ANN]})],
            "key and keyless given, exactly one of key, keyless and certificate wanted",
        ),
        ([{"name": "ci"}], "nothing given, exactly one of key, keyless and certificate wanted"),
        ([an_authority(transparencyLog="sometimes")], "Input should be 'Ignored' or 'Required'"),
        ([an_authority(name="Not a name")], "String should match pattern"),
        ([an_authority(annotations={})], "at least 1 item"),
        ([an_authority(annotations={"": "x"})], "at least 1 character"),
        ([an_authority(annotations={"a": "x" * 1025})], "at most 1024 characters"),
        ([an_authority(annotations={"a": "x\n"})], "characters given that cannot be printed"),
        ([an_authority(annotations={"a\0": "x"})], "characters given that cannot be printed"),
        ([an_authority(annotations={"a": 1})], "Input should be a valid string"),
        ([an_authority(annotations={str(n): "x" for n in range(21)})], "at most 20 items"),
        ([an_authority(annotations={"Subject": "x"})], '"Subject" given, which cosign writes'),
        (
            [an_authority(annotations={"1.3.6.1.4.1.57264.1.1": "x"})],
            '"1.3.6.1.4.1.57264.1.1" given, which cosign writes',
        ),
        ([an_authority(repository="signatures")], 'registry "signatures" given, a registry'),
        (
            [an_authority(repository="r.example.com/a:1")],
            '"r.example.com/a:1" given, a repository without tag and digest wanted',
        ),
        ([an_authority(repository=1)], "a repository is a string, not int"),
        ([an_authority(kms="awskms:///x")], "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_decide_something_else_are_refused(
    authorities: list[dict[str, Any]], problem: str
) -> None:
    """What is empty, twice, contradictory or unknown does not load."""
    with pytest.raises(ValidationError, match=problem):
        CosignSignaturesSettings.model_validate({"authorities": authorities})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r'authorities\[0\]\.key\.file: ".*ci\.pub" cannot be read: No such file'),
        (b"x", r'authorities\[0\]\.key\.file: "ci\.pub": 1 characters with 0 PEM blocks'),
        (b"x" * 10_000, r"authorities\[0\]\.key\.file: .* has over 8192 bytes"),
    ],
)
def test_a_key_file_that_cannot_be_used_names_the_field(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    """A missing, malformed or huge file is found when the policy loads."""
    if content is not None:
        (tmp_path / "ci.pub").write_bytes(content)

    with pytest.raises(InvalidPolicy, match=problem):
        the_rule(an_authority(key={"file": "ci.pub"}), folder=tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "authority", "problem"),
    [
        (
            "root.json",
            PEM,
            an_authority(transparencyLog="Required", trustedRoot={"file": "root.json"}),
            r'trustedRoot\.file: "root\.json": something else than a trusted root is given',
        ),
        (
            "root.json",
            AN_EMPTY_ROOT,
            an_authority(transparencyLog="Required", trustedRoot={"file": "root.json"}),
            r"trustedRoot: it has no tlogs, which are needed",
        ),
        (
            "ca.pem",
            PEM,
            {
                "name": "ci",
                "certificate": {"authorities": {"file": "ca.pem"}, "subject": "ann@example.com"},
            },
            r'certificate\.authorities\.file: "ca\.pem": 0 certificates are given',
        ),
    ],
)
def test_a_file_that_holds_something_else_is_found_at_load(
    tmp_path: Path, file: str, content: str, authority: dict[str, Any], problem: str
) -> None:
    """A wrong file does not wait for the first Pod to be noticed."""
    (tmp_path / file).write_text(content)

    with pytest.raises(InvalidPolicy, match=rf"authorities\[0\]\.{problem}"):
        the_rule(authority, folder=tmp_path)


def keyless(*identities: dict[str, str], **changes: object) -> dict[str, Any]:
    """Return an authority of identities; what begins with `unsafe` goes to where it belongs."""
    unsafe = {name: changes.pop(name) for name in list(changes) if name.startswith("unsafe")}
    return {
        "name": "ci",
        "keyless": {"identities": list(identities or (ANN,)), **unsafe},
        "trustedRoot": {"data": A_ROOT},
        **changes,
    }


@pytest.mark.parametrize(
    ("settings", "checks"),
    [
        ({}, Checks(transparency_log=True, certificate_transparency=True)),
        (
            {"transparencyLog": "Required", "timestamps": "Required"},
            Checks(transparency_log=True, certificate_transparency=True, timestamps=True),
        ),
        (
            {"unsafeIgnoreTransparencyLog": True, "timestamps": "Required"},
            Checks(certificate_transparency=True, timestamps=True),
        ),
        ({"unsafeIgnoreCertificateTransparency": True}, LOG),
    ],
)
def test_identities_need_both_logs_unless_that_is_said(
    settings: dict[str, Any], checks: Checks
) -> None:
    """What leaves a log out has a name that says so."""
    ann = Identity(Name.exactly(ANN["issuer"]), Name.exactly(ANN["subject"]))
    expected = (SigningAuthority("ci", (ann,), checks, Trust(ROOT)),)

    assert expected == the_rule(keyless(**settings)).authorities


def test_identities_are_texts_or_expressions_of_which_one_is_enough() -> None:
    """Each name is given exactly, or by an expression that is anchored."""
    matched = {"issuerRegExp": "https://.*", "subjectRegExp": r".*@example\.com"}
    mixed = {"issuer": ANN["issuer"], "subjectRegExp": "a|b"}
    issuer = Name.exactly(ANN["issuer"])

    assert (
        Identity(
            Name("^(?:https://.*)$", is_expression=True),
            Name(r"^(?:.*@example\.com)$", is_expression=True),
        ),
        Identity(issuer, Name("^(?:a|b)$", is_expression=True)),
        Identity(issuer, Name.exactly(ANN["subject"])),
    ) == the_rule(keyless(matched, mixed, ANN)).authorities[0].signers


@pytest.mark.parametrize(
    ("authority", "problem"),
    [
        (keyless({"subject": "a"}), "nothing given, exactly one of issuer and issuerRegExp"),
        (keyless({"issuer": "a"}), "nothing given, exactly one of subject and subjectRegExp"),
        (keyless({**ANN, "issuerRegExp": "a"}), "issuer and issuerRegExp given, exactly one"),
        (keyless({"issuer": "a", "subjectRegExp": "("}), "no regular expression in Go's syntax"),
        (keyless({"issuer": "", "subject": "a"}), "1 to 1024 that can be printed are wanted"),
        ({**keyless(), "keyless": {"identities": []}}, "at least 1 item"),
        (keyless(*[ANN] * 11), "at most 10 items"),
        (keyless(trustedRoot=None), "trustedRoot is missing; transparencyLog: Required needs one"),
        (
            keyless(transparencyLog="Ignored"),
            "keyless.unsafeIgnoreTransparencyLog: true wanted where that is meant",
        ),
        (
            keyless(transparencyLog="Required", unsafeIgnoreTransparencyLog=True),
            "one of them wanted",
        ),
        (
            keyless(unsafeIgnoreTransparencyLog=True),
            "neither transparencyLog nor timestamps is Required",
        ),
    ],
)
def test_identities_that_would_decide_something_else_are_refused(
    authority: dict[str, Any], problem: str
) -> None:
    """Nobody is named by half, and no log is left out by the way."""
    with pytest.raises(ValidationError, match=problem):
        CosignSignaturesSettings.model_validate({"authorities": [authority]})


def test_a_certificate_by_an_authority_of_ones_own(tmp_path: Path) -> None:
    """Whoever vouches for the subject is not asked for; a log is needed only where it is said."""
    pem = CertificateAuthority(tmp_path).certificate.read_text("utf-8")
    by_subject = {"authorities": {"data": pem}, "subject": "ann@example.com"}
    by_expression = {"authorities": {"data": pem}, "subjectRegExp": ".*"}
    logged = {"transparencyLog": "Required", "trustedRoot": {"data": A_ROOT}}
    trust = Trust(None, AuthorityCertificates.parse(pem))
    ann = (Identity(ANYBODY, Name.exactly("ann@example.com")),)
    anybody = (Identity(ANYBODY, Name("^(?:.*)$", is_expression=True)),)

    assert (
        SigningAuthority("a", ann, Checks(), trust),
        SigningAuthority("b", anybody, Checks(), trust),
        SigningAuthority("c", ann, LOG, replace(trust, root=ROOT)),
    ) == the_rule(
        {"name": "a", "certificate": by_subject},
        {"name": "b", "certificate": by_expression},
        {"name": "c", "certificate": by_subject, **logged},
    ).authorities


def test_annotations_and_the_place_of_signatures_are_settings() -> None:
    """Both are part of the question, so they are part of what is remembered."""
    settings = {"annotations": {"stage": "prod"}, "repository": "r.example.com/signatures"}
    place = ImageReference.parse("r.example.com/signatures")
    expected = SigningAuthority("ci", KEY, annotations=(("stage", "prod"),), repository=place)

    assert (expected,) == the_rule(an_authority(**settings)).authorities


def test_roots_and_certificates_can_stand_in_the_cluster() -> None:
    """They are named, and read when they are needed."""
    ref = {"namespace": "trust", "name": "sigstore", "key": "root.json"}
    rule = the_rule(
        keyless(trustedRoot={"configMapRef": ref}),
        {
            "name": "own",
            "certificate": {"authorities": {"secretRef": ref}, "subject": "ann@example.com"},
        },
    )

    assert [
        Trust(ConfigMapEntry("trust", "sigstore", "root.json")),
        Trust(None, SecretEntry("trust", "sigstore", "root.json")),
    ] == [each.trust for each in rule.authorities]


def a_use() -> ImageUse:
    text = f"registry.example.com/app@{A_DIGEST}"
    return ImageUse(ImagePlace("spec.containers[0].image", "app", text), ImageReference.parse(text))


def judged(*answers: SignatureAnswer | Undecided) -> object:
    authorities = tuple(SigningAuthority(f"a{number}", KEY) for number in range(len(answers)))
    use = a_use()
    questions = (SignatureQuestion(use.reference, each) for each in authorities)
    facts = Facts(dict(zip(questions, answers, strict=True)))
    requirement = Requirement(tuple(each.name for each in authorities))
    return CosignSignatures(authorities, requirement).judge(use, facts)


@pytest.mark.parametrize(
    ("authority", "command"),
    [(an_authority(), "cosign sign --key KEY "), (keyless(), "cosign sign ")],
)
def test_the_remedy_is_the_command_of_who_may_sign(authority: dict[str, Any], command: str) -> None:
    """Whoever signs without a key needs no flag for one."""
    rule, use = the_rule(authority), a_use()
    refused = SignatureAnswer(verified=False, detail="no signature")
    facts = Facts(dict.fromkeys(rule.needs(use), refused))

    assert f"sign it: `{command}{use.reference}`" == getattr(rule.judge(use, facts), "remedy", None)


def test_an_authority_that_is_not_known_leaves_the_image_undecided() -> None:
    """A refusal by one authority does not speak for another that could not be asked."""
    refused = SignatureAnswer(verified=False, detail="no signature")
    fault = Undecided("could not be found out", "the registry answered 503")

    expected = Undecided("signature not verified yet", "a1: the registry answered 503")
    assert expected == judged(refused, fault)


def test_semantics_16_a_retry_is_offered_while_one_authority_may_still_admit() -> None:
    """The fault of another one does not take away that asking again soon may help."""
    going_on = Undecided("not known in time", "still running", retry=True)
    fault = Undecided("could not be found out", "no cosign")

    assert Undecided("signature not verified yet", "a0: still running", retry=True) == judged(
        going_on
    )
    assert Undecided(
        "signature not verified yet", "a0: still running; a1: no cosign", retry=True
    ) == judged(going_on, fault)
    assert Undecided("signature not verified yet", "a0, a1: no cosign") == judged(fault, fault)
