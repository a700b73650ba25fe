"""What `cosignSignatures` accepts as settings, and what it leaves undecided."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from landwaiter.errors import InvalidPolicy
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.rules.cosign_signatures import (
    CosignSignatures,
    CosignSignaturesSettings,
    SecretKey,
    SignatureAnswer,
    SignatureQuestion,
    SigningAuthority,
)
from landwaiter.rules.protocol import Facts, Undecided
from landwaiter.workloads.values import ImagePlace, ImageUse

A_DIGEST = "sha256:" + "a" * 64
PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
KEY = PublicKey.parse(PEM)
A_ROOT = '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'


def an_authority(**changes: object) -> dict[str, Any]:
    return {"name": "ci", "key": {"data": PEM}, **changes}


def the_rule(
    *authorities: dict[str, Any], folder: Path = Path(), **settings: object
) -> CosignSignatures:
    document = {"authorities": list(authorities), **settings}
    return CosignSignaturesSettings.model_validate(document).rule(folder)


def test_the_design_example_loads_with_its_defaults() -> None:
    """A name and a key are enough: the log is not needed, and a digest is."""
    expected = CosignSignatures((SigningAuthority("ci", KEY, "Ignored", None),), "Deny")

    assert expected == the_rule(an_authority())


def test_a_key_can_stand_in_a_file_beside_the_policy(tmp_path: Path) -> None:
    """A relative file name is taken from the policy's folder."""
    (tmp_path / "ci.pub").write_text(PEM)

    rule = the_rule(an_authority(key={"file": "ci.pub"}), folder=tmp_path)

    assert KEY == rule.authorities[0].key


def test_a_key_can_stand_in_a_secret() -> None:
    """A Secret is named and read when it is needed; the entry has a default."""
    ref = {"namespace": "keys", "name": "signing"}

    rule = the_rule(an_authority(key={"secretRef": ref}))

    assert SecretKey("keys", "signing", "cosign.pub") == rule.authorities[0].key


def test_the_entry_of_a_secret_can_be_named() -> None:
    """`secretRef.key` names another entry than `cosign.pub`."""
    ref = {"namespace": "keys", "name": "signing", "key": "old.pub"}

    rule = the_rule(an_authority(key={"secretRef": ref}))

    assert SecretKey("keys", "signing", "old.pub") == rule.authorities[0].key


def test_a_required_log_brings_its_trusted_root(tmp_path: Path) -> None:
    """`transparencyLog: Required` with a trusted root from a file, and inline."""
    (tmp_path / "root.json").write_text(A_ROOT)
    by_file = an_authority(transparencyLog="Required", trustedRoot={"file": "root.json"})
    inline = an_authority(transparencyLog="Required", trustedRoot={"data": A_ROOT})

    expected = (SigningAuthority("ci", KEY, "Required", A_ROOT.encode()),)
    assert expected == the_rule(by_file, folder=tmp_path).authorities
    assert expected == the_rule(inline).authorities


@pytest.mark.parametrize(
    ("authorities", "problem"),
    [
        ([], "at least 1 item"),
        ([an_authority(), an_authority()], "'ci' is given twice"),
        ([an_authority(key={})], "nothing given, exactly one of data, file and secretRef wanted"),
        ([an_authority(key={"data": PEM, "file": "x"})], "data and file given, exactly one"),
        ([an_authority(key={"data": "x"})], "one block that begins with"),
        ([an_authority(key={"data": PEM.replace("PUBLIC", "PRIVATE")})], "a private key is given"),
        ([an_authority(transparencyLog="Required")], "trustedRoot is missing"),
        ([an_authority(trustedRoot={"data": A_ROOT})], "transparencyLog: Ignored reads none"),
        ([an_authority(transparencyLog="Required", trustedRoot={"data": "{}"})], "no trusted root"),
        ([an_authority(transparencyLog="Required", trustedRoot={"data": "["})], "no trusted root"),
        (
            [an_authority(transparencyLog="Required", trustedRoot={})],
            "exactly one of data and file",
        ),
        ([an_authority(transparencyLog="sometimes")], "Input should be 'Ignored' or 'Required'"),
        ([an_authority(name="Not a name")], "String should match pattern"),
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


def test_a_file_that_is_no_trusted_root_is_found_at_load(tmp_path: Path) -> None:
    """A wrong file does not wait for the first Pod to be noticed."""
    (tmp_path / "root.json").write_text(PEM)
    authority = an_authority(transparencyLog="Required", trustedRoot={"file": "root.json"})

    with pytest.raises(InvalidPolicy, match=r'trustedRoot\.file: "root\.json" is no trusted root'):
        the_rule(authority, folder=tmp_path)


def a_use() -> ImageUse:
    text = f"registry.example.com/app@{A_DIGEST}"
    return ImageUse(ImagePlace("spec.containers[0].image", "app", text), ImageReference.parse(text))


def judged(*answers: SignatureAnswer | Undecided) -> object:
    authorities = tuple(
        SigningAuthority(f"a{number}", KEY, "Ignored", None) for number in range(len(answers))
    )
    use = a_use()
    questions = (SignatureQuestion(use.reference, each) for each in authorities)
    facts = Facts(dict(zip(questions, answers, strict=True)))
    return CosignSignatures(authorities).judge(use, facts)


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
