"""
The whole room with cosign 3, on images that cosign 3 and cosign 2 have signed.

Images stand in two real registries, one with the referrers API and one with the fallback tag
alone, and are read by the production registry client. What a registry would not take (tampered
content) is put beside them in memory.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cosign.fakes import CountingObserver
from cosign.judging import a_client, judged, material_at, verified_at, verifying
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.outcome import NotVerified, Outcome, SignatureFormat, Verified
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMissing, CosignUnavailable, RegistryUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.registry.settings import HostSettings, RegistrySettings
from landwaiter.trusted_roots import MEDIA_TYPE, Checks, TrustedRoot
from realparts.images import ImageMaker
from realparts.mass_signing import MassKey, MassMaker
from realparts.registries import CraneRegistry, ReferrersRegistry, Registry
from realparts.signing import Signer, SigningKey
from realparts.sigstore import PrivateSigstore

pytestmark = pytest.mark.system

BUNDLE = SignatureFormat.BUNDLE
OLD = SignatureFormat.SIMPLE_SIGNING
NO_MATCHING_SIGNATURE = 12
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"


@dataclass(frozen=True)
class Signed:
    """A registry with images in it, by what was done to them."""

    registry: Registry
    signer: Signer
    ours: SigningKey
    images: dict[str, ImageReference]

    @property
    def authority(self) -> Authority:
        return authority_of(self.ours)


def authority_of(key: SigningKey, root: bytes | None = None) -> Authority:
    public = PublicKey.parse(key.public.read_text())
    if root is None:
        return Authority("ci", (public,))
    return Authority("ci", (public,), Checks(transparency_log=True), TrustedRoot.parse(root))


@pytest.fixture(scope="module", params=[ReferrersRegistry, CraneRegistry])
def signed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Signed]:
    """Give a registry in which every kind of signed and unsigned image stands."""
    folder = tmp_path_factory.mktemp("signed")
    with request.param(folder / "registry") as registry:
        yield _signed(folder, registry)


def _signed(folder: Path, registry: Registry) -> Signed:
    maker, signer = ImageMaker(folder / "images", registry), Signer(folder / "signer", registry)
    ours, others = signer.generate_key_pair("ours"), signer.generate_key_pair("others")
    made = {
        name: maker.make_image(f"team/{name}:1")
        for name in ("bundle", "old", "both", "unsigned", "foreign", "hidden", "attested", "named")
    }
    made["index"] = maker.make_index("team/index:1", [made["bundle"], made["old"]])
    for name in ("bundle", "both", "index"):
        signer.sign_with_cosign3(made[name], ours)
    for name in ("old", "both", "hidden", "index"):
        signer.sign_with_cosign2(made[name], ours)
    signer.sign_with_cosign3(made["foreign"], others)
    signer.sign_with_cosign2(made["foreign"], others)
    signer.sign_with_cosign3(made["hidden"], others)
    signer.sign_with_cosign2(made["named"], ours, identity="registry.example.com/team/other")
    for attest in (signer.attest_with_cosign3, signer.attest_with_cosign2):
        attest(made["attested"], ours, predicate_type="vuln", predicate={})
    images = {name: ImageReference.parse(reference) for name, reference in made.items()}
    return Signed(registry, signer, ours, images)


async def verified(signed: Signed, name: str, authority: Authority | None = None) -> Outcome:
    """Verify one of the images, as it stands in its real registry."""
    return await verified_at(signed.registry, signed.images[name], authority or signed.authority)


async def material_of(signed: Signed, name: str) -> SignatureMaterial:
    """Return the real signatures of an image."""
    return await material_at(signed.registry, signed.images[name])


@pytest.mark.parametrize(
    ("name", "signature_format"),
    [("bundle", BUNDLE), ("old", OLD), ("both", BUNDLE), ("index", BUNDLE)],
)
async def test_signed_images_are_verified(
    signed: Signed, name: str, signature_format: SignatureFormat
) -> None:
    """Signatures of cosign 3 and cosign 2 are found in both kinds of registries."""
    assert Verified(signature_format) == await verified(signed, name)


async def test_an_unsigned_image_is_refused(signed: Signed) -> None:
    """Nothing there is told as nothing there."""
    assert NotVerified("no signature", "it carries no cosign signature") == await verified(
        signed, "unsigned"
    )


async def test_a_signature_by_another_key_is_refused(signed: Signed) -> None:
    """Wrong keys, which exit 1 and 12, are the same refusal in both formats."""
    image = signed.images["foreign"]
    outcome = await verified(signed, "foreign")

    assert ("no valid signature", True, True, False) == (
        getattr(outcome, "reason", None),
        "bundle: none of its signatures is by this key; cosign says: " in str(outcome),
        "simple signing: none of its signatures is by this key; cosign says: " in str(outcome),
        "127.0.0.1:" in str(outcome).replace(image.registry, ""),
    )


async def test_semantics_13_an_attestation_alone_is_refused(signed: Signed) -> None:
    """`cosign verify` passes this image."""
    said = signed.signer.verify(str(signed.images["attested"]), signed.ours, check=False)
    outcome = await verified(signed, "attested")

    assert (0, "no signature", True) == (
        said.returncode,
        getattr(outcome, "reason", None),
        f'an attestation ("{VULNERABILITIES}")' in str(outcome),
    )


async def test_semantics_13_the_type_is_checked_after_cosign(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were an attestation given to cosign, it would verify, and still not count."""
    monkeypatch.setattr("landwaiter.cosign.fetching.check_referrer", lambda _: None)
    monkeypatch.setattr("landwaiter.cosign.fetching.check_bundle", lambda *_: None)
    outcome = await verified(signed, "attested")

    assert (
        NotVerified(
            "signed for something else",
            f'bundle: the key has signed a "{VULNERABILITIES}", '
            'a "https://sigstore.dev/cosign/sign/v1" is wanted',
        )
        == outcome
    )


async def test_semantics_13_a_strangers_bundle_does_not_hide_an_old_signature(
    signed: Signed,
) -> None:
    """`cosign verify` does not find the old signature of this image any more."""
    said = signed.signer.verify(str(signed.images["hidden"]), signed.ours, check=False)

    assert (1, Verified(OLD)) == (said.returncode, await verified(signed, "hidden"))


async def test_semantics_13_an_old_signature_for_another_name_is_refused(signed: Signed) -> None:
    """`cosign verify` accepts a signature whose docker-reference is another repository."""
    image = signed.images["named"]
    said = signed.signer.verify(str(image), signed.ours, form="old", check=False)

    assert (
        0,
        NotVerified(
            "signed for something else",
            'simple signing: the key has signed this digest for "registry.example.com/team/other", '
            f'"{image.name}" is wanted',
        ),
    ) == (said.returncode, await verified(signed, "named"))


async def test_semantics_13_a_bundle_binds_a_digest_only(signed: Signed) -> None:
    """A bundle copied with its image to another repository still verifies, which the docs say."""
    material = await material_of(signed, "bundle")
    elsewhere = replace(material.subject, registry="registry.example.com", repository="other")

    assert Verified(BUNDLE) == await judged(replace(material, subject=elsewhere), signed.authority)


async def test_a_missing_image_is_refused(signed: Signed) -> None:
    """An image that is not there is told as that."""
    gone = replace(signed, images={"gone": replace(signed.images["bundle"], repository="gone")})
    with pytest.raises(ContentMissing):
        await verified(gone, "gone")


async def test_a_registry_that_is_down_is_undecided(signed: Signed) -> None:
    """Nothing is refused because a registry cannot be reached."""
    down = replace(signed.images["bundle"], registry="127.0.0.1:1")
    hosts = {"127.0.0.1:1": HostSettings(plain_http=True)}
    async with RegistryClient(RegistrySettings(hosts)) as client, verifying(client) as verifier:
        with pytest.raises(RegistryUnavailable):
            await verifier.verify(
                down, signed.authority, keychain=EMPTY_KEYCHAIN, deadline=Deadline.after(60)
            )


# Tampered content.


def with_statement(bundle: bytes, **changes: object) -> bytes:
    """Change what a bundle says, and keep its signature."""
    value = json.loads(bundle)
    statement = json.loads(base64.b64decode(value["dsseEnvelope"]["payload"]))
    payload = json.dumps({**statement, **changes}).encode()
    value["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    return json.dumps(value).encode()


async def test_a_bundle_moved_to_another_digest_is_refused(signed: Signed) -> None:
    """Writing another digest into a signed statement breaks its signature."""
    material = await material_of(signed, "bundle")
    victim = signed.images["unsigned"]
    subject = [{"digest": {"sha256": str(victim.digest).removeprefix("sha256:")}}]
    forged = with_statement(material.bundles[0], subject=subject)
    outcome = await judged(SignatureMaterial(victim, bundles=(forged,)), signed.authority)

    assert "no valid signature" == getattr(outcome, "reason", None)


async def test_policy_controller_1971_a_bundle_with_another_signature_in_it_is_refused(
    signed: Signed,
) -> None:
    """A broken signature does not verify, and does not hide a good one beside it."""
    material = await material_of(signed, "bundle")
    value = json.loads(material.bundles[0])
    value["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(b"forged" * 12).decode()
    broken = json.dumps(value).encode()
    alone = await judged(replace(material, bundles=(broken,)), signed.authority)
    beside = await judged(
        replace(material, bundles=(broken, material.bundles[0])), signed.authority
    )

    assert ("no valid signature", Verified(BUNDLE)) == (getattr(alone, "reason", None), beside)


async def test_an_old_payload_that_was_changed_is_refused(signed: Signed) -> None:
    """Writing another digest into a signed payload breaks its signature."""
    material = await material_of(signed, "old")
    victim = signed.images["unsigned"]
    payload = material.simple[0].payload.replace(
        str(material.subject.digest).encode(), str(victim.digest).encode()
    )
    forged = SimpleSignature(payload, material.simple[0].annotations)
    outcome = await judged(SignatureMaterial(victim, simple=(forged,)), signed.authority)

    assert "no valid signature" == getattr(outcome, "reason", None)


async def test_an_old_signature_of_another_image_is_refused(signed: Signed) -> None:
    """An untouched signature that was copied beside another image does not verify there."""
    material = await material_of(signed, "old")
    victim = SignatureMaterial(signed.images["unsigned"], simple=material.simple)
    outcome = await judged(victim, signed.authority)

    assert "no valid signature" == getattr(outcome, "reason", None)


@pytest.mark.parametrize("junk", [b"", b"{}", b"\x1f\x8b\x08", b'{"mediaType": "x"}'])
async def test_junk_beside_a_good_signature_does_not_hide_it(signed: Signed, junk: bytes) -> None:
    """Whatever whoever may push puts beside a signature, it is still found."""
    material = await material_of(signed, "both")
    annotations = {"dev.cosignproject.cosign/signature": "c3R1ZmY="}
    junked = replace(
        material,
        bundles=(junk, *material.bundles),
        simple=(SimpleSignature(junk, annotations), *material.simple),
    )
    old_only = replace(junked, bundles=())

    assert (Verified(BUNDLE), Verified(OLD)) == (
        await judged(junked, signed.authority),
        await judged(old_only, signed.authority),
    )


# Several at once, and the log.


async def test_company_does_not_change_a_verdict(signed: Signed) -> None:
    """Good and bad images that share runs of the real cosign get the verdicts they get alone."""
    expected = {
        "bundle": True,
        "foreign": False,
        "both": True,
        "hidden": True,
        "index": True,
        "old": True,
        "attested": False,
        "named": False,
    }
    observer = CountingObserver()
    async with a_client(signed.registry) as client, verifying(client, observer) as verifier:
        outcomes = await asyncio.gather(
            *(
                verifier.verify(
                    signed.images[name],
                    signed.authority,
                    keychain=EMPTY_KEYCHAIN,
                    deadline=Deadline.after(60),
                )
                for name in expected
            )
        )

    assert (list(expected.values()), True) == (
        [isinstance(outcome, Verified) for outcome in outcomes],
        max(images for _, _, images in observer.runs) > 1,
    )


@pytest.mark.parametrize(("name", "format_"), [("bundle", BUNDLE), ("old", OLD)])
async def test_a_signature_that_is_in_no_log_is_refused_where_one_is_required(
    signed: Signed, sigstore: PrivateSigstore, name: str, format_: SignatureFormat
) -> None:
    """The same signature is admitted where the log is ignored; nothing is looked up online."""
    required = authority_of(signed.ours, sigstore.trusted_root.read_bytes())
    outcome = await verified(signed, name, required)

    assert ("no valid signature", Verified(format_)) == (
        getattr(outcome, "reason", None),
        await verified(signed, name),
    )


async def test_a_signature_that_is_in_the_log_is_verified_where_one_is_required(
    signed: Signed, sigstore: PrivateSigstore, tmp_path: Path
) -> None:
    """A bundle with an entry of the trusted log is admitted, without asking the log."""
    image = ImageMaker(tmp_path / "images", signed.registry).make_image("team/logged:1")
    signer = Signer(tmp_path / "signer", signed.registry)
    signer._signing_config = sigstore.signing_config
    signer._trusted_root = sigstore.trusted_root
    signer.sign_with_cosign3(image, signed.ours)
    logged = replace(signed, images={"logged": ImageReference.parse(image)})
    required = authority_of(signed.ours, sigstore.trusted_root.read_bytes())

    assert Verified(BUNDLE) == await verified(logged, "logged", required)


async def test_a_trusted_root_that_is_none_is_undecided(signed: Signed) -> None:
    """A broken root is the admin's, and says nothing about an image."""
    broken = json.dumps({"mediaType": MEDIA_TYPE, "tlogs": [{"baseUrl": 1}]}).encode()
    said = []
    for name in ("bundle", "old"):
        with pytest.raises(CosignUnavailable) as fault:
            await verified(signed, name, authority_of(signed.ours, broken))
        said.append(str(fault.value).partition(";")[0])

    assert ["cosign ended with exit code 1 before it looked at the image"] * 2 == said


async def test_semantics_14_bundles_that_are_none_to_cosign_are_a_refusal(
    signed: Signed,
) -> None:
    """What passes for a bundle here and is none to cosign does not make an image undecided."""
    value = json.loads((await material_of(signed, "bundle")).bundles[0])
    del value["verificationMaterial"]
    image = signed.images["bundle"]
    broken = SignatureMaterial(image, bundles=(json.dumps(value).encode(),))
    outcome = await judged(broken, signed.authority)

    assert "no valid signature" == getattr(outcome, "reason", None)


@pytest.mark.parametrize(("form", "format_"), [("bundle", BUNDLE), ("old", OLD)])
async def test_annotations_are_those_that_were_signed(
    signed: Signed, tmp_path: Path, form: str, format_: SignatureFormat
) -> None:
    """What `cosign sign -a` has signed counts, and neither another value nor one more does."""
    image = ImageMaker(tmp_path / "i", signed.registry).make_image(f"team/noted-{form}:1")
    sign = signed.signer.sign_with_cosign3 if form == "bundle" else signed.signer.sign_with_cosign2
    sign(image, signed.ours, annotations={"stage": "prod", "team": "shop"})
    noted = replace(signed, images={"noted": ImageReference.parse(image)})
    wanted = [(("stage", "prod"),), (("stage", "dev"),), (("stage", "prod"), ("by", "ann"))]
    said = "the key has signed this digest with the annotation"

    assert [
        Verified(format_),
        NotVerified(
            "signed for something else", f'{format_}: {said} "stage" "prod", "dev" is wanted'
        ),
        NotVerified("signed for something else", f'{format_}: {said} "by", "ann" is wanted'),
    ] == [
        await verified(noted, "noted", replace(signed.authority, annotations=each))
        for each in wanted
    ]


@pytest.mark.parametrize(("form", "format_"), [("bundle", BUNDLE), ("old", OLD)])
async def test_signatures_in_another_repository_are_found_there(
    signed: Signed, tmp_path: Path, form: str, format_: SignatureFormat
) -> None:
    """Where `COSIGN_REPOSITORY` has both versions put them, and in no other place."""
    maker = ImageMaker(tmp_path / "i", signed.registry)
    image = maker.make_image(f"team/elsewhere-{form}:1")
    place = f"{signed.registry.host}/signatures/{form}"
    sign = signed.signer.sign_with_cosign3 if form == "bundle" else signed.signer.sign_with_cosign2
    if form == "bundle":
        # cosign 3 asks its registry for the subject where it stores the bundle.
        maker.copy(image, f"signatures/{form}:1")
    sign(image, signed.ours, repository=place)
    moved = replace(signed, images={"moved": ImageReference.parse(image)})
    there = replace(signed.authority, repository=ImageReference.parse(place))

    assert [NotVerified("no signature", "it carries no cosign signature"), Verified(format_)] == [
        await verified(moved, "moved", each) for each in (signed.authority, there)
    ]


PRIVATE_KEYS: dict[str, Callable[[], PrivateKeyTypes]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA 4096": lambda: rsa.generate_private_key(65537, 4096),
}


@pytest.mark.parametrize("kind", list(PRIVATE_KEYS))
async def test_every_kind_of_key_that_is_accepted_verifies(
    signed: Signed, tmp_path: Path, kind: str
) -> None:
    """
    A key that a policy may hold is one that cosign verifies with, in both formats.

    Ed25519 is not here: cosign 3.1.3 and 2.6.5 sign images with such a key in a way that they do
    not verify themselves. The next two tests have it.
    """
    pem = tmp_path / "plain.pem"
    pem.write_bytes(
        PRIVATE_KEYS[kind]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    maker = ImageMaker(tmp_path / "images", signed.registry)
    signer = Signer(tmp_path / "signer", signed.registry)
    signer._cosign3("import-key-pair", f"--key={pem}", f"--output-key-prefix={tmp_path / 'kind'}")
    key = SigningKey(private=tmp_path / "kind.key", public=tmp_path / "kind.pub")
    images = [maker.make_image(f"team/{tmp_path.name}-{number}:1".lower()) for number in range(2)]
    signer.sign_with_cosign3(images[0], key)
    signer.sign_with_cosign2(images[1], key)
    named = {str(n): ImageReference.parse(image) for n, image in enumerate(images)}
    kinds = replace(signed, images=named)

    assert (Verified(BUNDLE), Verified(OLD)) == (
        await verified(kinds, "0", authority_of(key)),
        await verified(kinds, "1", authority_of(key)),
    )


async def test_what_cosign_signs_with_ed25519_is_verified_by_no_cosign(tmp_path: Path) -> None:
    """
    Neither by 2.6.5 nor by 3.1.3, whatever flag is given; so it is refused here.

    Both sign so in the old format; of a bundle 3.1.3 sees itself that it is no good. Such a
    signature is Ed25519ph (RFC 8032, section 5.1), and both verify pure Ed25519. Where this fails a
    cosign has come that does, and `public_keys.py` and ADR 1 have to say so.
    """
    pem = tmp_path / "plain.pem"
    private = ed25519.Ed25519PrivateKey.generate()
    pem.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with ReferrersRegistry(tmp_path / "registry") as registry:
        signer = Signer(tmp_path / "signer", registry)
        key = signer.import_key_pair(pem, "ed25519")
        maker = ImageMaker(tmp_path / "images", registry)
        images = [maker.make_image(f"team/{name}:1") for name in ("two", "three", "bundle")]
        sign = ("sign", "--yes", f"--key={key.private}", "--tlog-upload=false")
        old = ("--new-bundle-format=false",)
        signer.sign_with_cosign2(images[0], key)
        signer._run("cosign3", (*sign, *old, "--use-signing-config=false", images[1]), check=True)
        bundle = signer._run(
            "cosign3", ("sign", *signer._offline_bundle(key), images[2]), check=False
        )
        verify = ("verify", f"--key={key.public}", "--insecure-ignore-tlog=true")
        codes = {
            signer._run(part, (*verify, *options, *flags, image), check=False).returncode
            for image in images[:2]
            for part, options in (("cosign2", ()), ("cosign3", old))
            for flags in ((), ("--signature-digest-algorithm=sha512",))
        }
        outcomes = [
            await verified_at(registry, ImageReference.parse(image), authority_of(key))
            for image in images
        ]

    assert ({NO_MATCHING_SIGNATURE}, 1) == (codes, bundle.returncode)
    assert [NotVerified] * 3 == [type(each) for each in outcomes]


async def test_an_ed25519_key_verifies_what_signs_the_payload_itself(tmp_path: Path) -> None:
    """Signatures as other programs make them verify in both formats, by this key alone."""
    with ReferrersRegistry(tmp_path) as registry:
        maker = MassMaker(registry)
        key, other = (MassKey(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))
        made = [maker.make_image(f"team/{name}") for name in ("bundle", "old")]
        maker.sign_as_bundle(made[0], key)
        maker.sign_in_the_old_format(made[1], key)
        images = [ImageReference.parse(each) for each in made]
        outcomes = [
            await verified_at(registry, image, Authority("ci", (PublicKey.parse(by.public_pem),)))
            for by in (key, other)
            for image in images
        ]

    good: list[object] = [Verified(BUNDLE), Verified(OLD)]
    assert [*good, NotVerified, NotVerified] == [*outcomes[:2], *map(type, outcomes[2:])]


async def test_attack_a_symlinked_docker_config_is_not_followed(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No program is run that somebody's configuration names, wherever links lead to it."""
    ran, programs, config = tmp_path / "ran", tmp_path / "bin", tmp_path / "config"
    for folder in (programs, config):
        folder.mkdir()
    helper = programs / "docker-credential-evil"
    helper.write_text(f"#!/bin/sh\necho ran >>{ran}\n")
    helper.chmod(0o755)
    (config / "config.json").write_text('{"credsStore": "evil"}')
    (tmp_path / "linked").symlink_to(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "linked"))
    monkeypatch.setenv("PATH", str(programs), prepend=":")

    assert [Verified(BUNDLE), Verified(OLD)] == [
        await verified(signed, name) for name in ("bundle", "old")
    ]
    assert not ran.exists()
