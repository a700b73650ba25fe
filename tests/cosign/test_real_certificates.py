"""Certificates by an authority of one's own with the real cosign, in both formats."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from cosign.judging import verified_at
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.outcome import NotVerified, Outcome, SignatureFormat, Verified
from landwaiter.identities import ANYBODY, Identity, Name
from landwaiter.images.reference import ImageReference
from landwaiter.trusted_roots import NO_CHECKS, AuthorityCertificates, Checks, TrustedRoot
from realparts.code_signing import CodeSigningAuthority, Issued
from realparts.images import ImageMaker
from realparts.registries import CraneRegistry
from realparts.signing import Signer
from realparts.sigstore import PrivateSigstore

pytestmark = pytest.mark.system

BUNDLE = SignatureFormat.BUNDLE
OLD = SignatureFormat.SIMPLE_SIGNING
ANN = "ann@corp.example"
STAMPED = Checks(timestamps=True)


@dataclass(frozen=True)
class Scene:
    """Images by what was done to them, by a registry that has the fallback tag alone."""

    registry: CraneRegistry
    sigstore: PrivateSigstore
    ours: CodeSigningAuthority
    images: dict[str, ImageReference]

    def authority(
        self, subject: Name | None = None, *, pem: str | None = None, checks: Checks = NO_CHECKS
    ) -> Authority:
        certificates = AuthorityCertificates.parse(pem or self.ours.both)
        root = TrustedRoot.of_certificates(certificates)
        if checks != NO_CHECKS:
            public = TrustedRoot.parse(self.sigstore.trusted_root.read_bytes())
            root = public.with_authorities(certificates)
        identity = Identity(ANYBODY, subject or Name.exactly(ANN))
        return Authority("ann", (identity,), checks, root, certificate_chains=True)

    async def verified(self, name: str, authority: Authority | None = None) -> Outcome:
        return await verified_at(self.registry, self.images[name], authority or self.authority())


@pytest.fixture(scope="module")
def scene(sigstore: PrivateSigstore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give images that signers of two authorities have signed."""
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = (
        CodeSigningAuthority(folder / name, name="the same") for name in ("ours", "theirs")
    )
    ann = ours.issue(ANN, file="ann")
    serving = ExtendedKeyUsageOID.SERVER_AUTH
    old: dict[str, Issued] = {
        "old": ann,
        "stamped": ann,
        "eve-old": ours.issue("eve@corp.example", file="eve"),
        "theirs-old": theirs.issue(ANN, file="theirs"),
        "expired": ours.issue(ANN, file="expired", ends_in=-timedelta(hours=1)),
        "server": ours.issue(ANN, file="server", purpose=serving),
        "several": ours.issue(ANN, file="several", also=["bob@corp.example"]),
    }
    root = folder / "root.json"
    certificates = AuthorityCertificates.parse(ours.both + theirs.both)
    root.write_bytes(TrustedRoot.of_certificates(certificates).content)
    with CraneRegistry(folder / "registry") as registry:
        maker, signer = ImageMaker(folder / "images", registry), Signer(folder / "s", registry)
        bundles = {"chain": ann, "bare": ann, "eve": old["eve-old"], "theirs": old["theirs-old"]}
        made = {name: maker.make_image(f"team/{name}:1") for name in {**old, **bundles}}
        for name, issued in bundles.items():
            signer.sign_as_issued(made[name], issued, trusted_root=root, chain=name != "bare")
        for name, issued in old.items():
            stamped_by = sigstore if name == "stamped" else None
            # The chain would be verified by whoever signs, and a server's is not good for that.
            signer.sign_as_issued_with_cosign2(made[name], issued, chain=False, sigstore=stamped_by)
        images = {name: ImageReference.parse(each) for name, each in made.items()}
        yield Scene(registry, sigstore, ours, images)


@pytest.mark.parametrize(("name", "form"), [("chain", BUNDLE), ("bare", BUNDLE), ("old", OLD)])
async def test_a_certificate_by_ones_own_authority_is_verified(
    scene: Scene, name: str, form: SignatureFormat
) -> None:
    """Both formats are found, by the subject's text and by an expression."""
    loose = scene.authority(Name.matching(r"[^@]+@corp\.example"))

    assert [Verified(form)] * 2 == [
        await scene.verified(name),
        await scene.verified(name, loose),
    ]


@pytest.mark.parametrize(
    ("name", "expected"), [("chain", "verified"), ("bare", "refused"), ("old", "refused")]
)
async def test_what_stands_between_is_in_the_policy_or_in_a_bundle(
    scene: Scene, name: str, expected: str
) -> None:
    """With the root alone, a bundle has to bring the certificates between."""
    root_alone = scene.authority(pem=scene.ours.root.read_text("utf-8"))
    outcome = await scene.verified(name, root_alone)

    assert expected == ("verified" if isinstance(outcome, Verified) else "refused")


async def test_a_chain_in_a_bundle_is_not_followed_to_a_fulcio(scene: Scene) -> None:
    """Identities that a Fulcio vouches for bring no certificates between."""
    root_alone = scene.authority(pem=scene.ours.root.read_text("utf-8"))

    assert isinstance(
        await scene.verified("chain", replace(root_alone, certificate_chains=False)), NotVerified
    )


@pytest.mark.parametrize("name", ["eve", "eve-old", "theirs", "theirs-old"])
async def test_attack_others_are_refused(scene: Scene, name: str) -> None:
    """Neither another subject nor an authority that calls itself as ours does counts."""
    assert isinstance(await scene.verified(name), NotVerified)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("expired", "expected a signed timestamp to verify an expired certificate"),
        ("server", "leaf certificate verification failed"),
        ("several", "1 x a signature whose certificate names several"),
    ],
)
async def test_attack_a_certificate_that_is_not_good_for_this_is_refused(
    scene: Scene, name: str, told: str
) -> None:
    """It has expired, is for servers, or would count as everybody's whom it names."""
    outcome = await scene.verified(name)

    assert isinstance(outcome, NotVerified)
    assert told in outcome.detail


async def test_timestamps_are_verified_where_they_are_required(scene: Scene) -> None:
    """The root's timestamp authority is asked for, beside authorities of one's own."""
    required = scene.authority(checks=STAMPED)

    assert [
        Verified(OLD),
        NotVerified(
            "no signature",
            "it carries no cosign signature; left out: 1 x a signature without timestamp",
        ),
    ] == [await scene.verified(name, required) for name in ("stamped", "old")]


async def test_a_fulcio_beside_ones_own_authority_is_not_trusted(
    scene: Scene, sigstore: PrivateSigstore
) -> None:
    """Whoever takes timestamps from a Sigstore does not take its identities."""
    anybody = scene.authority(Name.matching(".*"), checks=STAMPED)
    public = TrustedRoot.parse(sigstore.trusted_root.read_bytes())
    name = "keyless"
    image = ImageMaker(sigstore.folder / "i", scene.registry).make_image(f"team/{name}:1")
    signer = Signer(sigstore.folder / "s", scene.registry)
    signer.sign_keyless(image, sigstore, email=ANN)
    beside = replace(scene, images={name: ImageReference.parse(image)})

    assert [NotVerified, Verified] == [
        type(await beside.verified(name, replace(anybody, trusted_root=root)))
        for root in (anybody.trusted_root, public)
    ]
