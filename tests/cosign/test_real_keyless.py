"""
Identities with the real cosign: what a private Sigstore signs, in both formats.

Bundles by cosign 3 have an entry in Rekor 2 and a timestamp, old signatures by cosign 2 a
timestamp. Old signatures with an entry in a log are put together in memory, with a log of the
tests, for Rekor 2 takes none.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cosign.judging import judged, material_at, verified_at
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.outcome import NotVerified, Outcome, SignatureFormat, Verified
from landwaiter.identities import Identity, Name
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.trusted_roots import Checks, TrustedRoot
from realparts.images import ImageMaker
from realparts.registries import ReferrersRegistry
from realparts.rekor1 import ANNOTATION, LogOfRekor1
from realparts.signing import Signer, SigningKey
from realparts.sigstore import PrivateSigstore

pytestmark = pytest.mark.system

BUNDLE = SignatureFormat.BUNDLE
OLD = SignatureFormat.SIMPLE_SIGNING
LOGS = Checks(transparency_log=True, certificate_transparency=True)
STAMPED = Checks(certificate_transparency=True, timestamps=True)
ANN, EVE = "ann@example.com", "eve@example.com.evil"
SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"


@dataclass(frozen=True)
class Scene:
    """Images by what was done to them, and the Sigstore that it was done with."""

    registry: ReferrersRegistry
    sigstore: PrivateSigstore
    key: SigningKey
    images: dict[str, ImageReference]

    @property
    def root(self) -> TrustedRoot:
        return TrustedRoot.parse(self.sigstore.trusted_root.read_bytes())

    def identity(self, subject: Name | None = None, issuer: Name | None = None) -> Identity:
        return Identity(
            issuer or Name.exactly(self.sigstore.issuer.url), subject or Name.exactly(ANN)
        )

    def authority(
        self, *identities: Identity, checks: Checks = LOGS, root: TrustedRoot | None = None
    ) -> Authority:
        return Authority("ci", identities or (self.identity(),), checks, root or self.root)

    async def verified(self, name: str, authority: Authority) -> Outcome:
        return await verified_at(self.registry, self.images[name], authority)

    async def material(self, name: str) -> SignatureMaterial:
        return await material_at(self.registry, self.images[name])


@pytest.fixture(scope="module")
def scene(sigstore: PrivateSigstore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give a registry in which every kind of signature by a certificate stands."""
    folder = tmp_path_factory.mktemp("keyless")
    with ReferrersRegistry(folder / "registry") as registry:
        maker, signer = ImageMaker(folder / "images", registry), Signer(folder / "s", registry)
        key = signer.generate_key_pair()
        names = ("bundle", "old", "evil", "evil-old", "key", "both")
        made = {name: maker.make_image(f"team/{name}:1") for name in names}
        for name, email in (("bundle", ANN), ("evil", EVE), ("both", EVE)):
            signer.sign_keyless(made[name], sigstore, email=email)
        for name, email in (("old", ANN), ("evil-old", EVE), ("both", ANN)):
            signer.sign_keyless_with_cosign2(made[name], sigstore, email=email)
        signer.sign_with_cosign3(made["key"], key)
        images = {name: ImageReference.parse(each) for name, each in made.items()}
        yield Scene(registry, sigstore, key, images)


def reason(outcome: Outcome) -> str:
    return "verified" if isinstance(outcome, Verified) else outcome.reason


@pytest.mark.parametrize(
    ("name", "form", "checks"), [("bundle", BUNDLE, LOGS), ("old", OLD, STAMPED)]
)
async def test_an_identity_is_verified_by_text_and_by_expression(
    scene: Scene, name: str, form: SignatureFormat, checks: Checks
) -> None:
    """Both formats are found, with all that the trusted root is asked for."""
    matching = scene.identity(Name.matching(r"[a-z]+@example\.com"), Name.matching("http://.*"))

    assert [Verified(form)] * 2 == [
        await scene.verified(name, scene.authority(each, checks=checks))
        for each in (scene.identity(), matching)
    ]


@pytest.mark.parametrize(("name", "checks"), [("evil", LOGS), ("evil-old", STAMPED)])
async def test_attack_an_expression_does_not_match_within_a_name(
    scene: Scene, name: str, checks: Checks
) -> None:
    """An expression that plain cosign finds in `eve@example.com.evil` does not name her."""
    loose = Name.matching(r".*@example\.com")
    unanchored = replace(loose, text=r".*@example\.com")

    assert ("no valid signature", "verified") == (
        reason(await scene.verified(name, scene.authority(scene.identity(loose), checks=checks))),
        reason(
            await scene.verified(name, scene.authority(scene.identity(unanchored), checks=checks))
        ),
    )


@pytest.mark.parametrize(("name", "checks"), [("bundle", LOGS), ("old", STAMPED)])
async def test_somebody_else_is_refused(scene: Scene, name: str, checks: Checks) -> None:
    """Another subject, and the same one that another issuer vouches for, is not the one named."""
    other = [
        scene.identity(Name.exactly("bob@example.com")),
        scene.identity(issuer=Name.exactly("https://accounts.example.com")),
        scene.identity(issuer=Name.matching("https://.*")),
    ]

    assert ["no valid signature"] * 3 == [
        reason(await scene.verified(name, scene.authority(each, checks=checks))) for each in other
    ]


async def test_the_refusal_says_who_signed(scene: Scene) -> None:
    """Whoever reads it sees the name that the certificate has."""
    bob = scene.authority(scene.identity(Name.exactly("bob@example.com")))
    said = (
        "no matching attestations: failed to verify certificate identity: no matching "
        'CertificateIdentity found, last error: expected SAN value "bob@example.com", '
        'got "ann@example.com"'
    )

    assert NotVerified(
        "no valid signature",
        f"bundle: none of its signatures is by this identity; cosign says: {json.dumps(said)}",
    ) == await scene.verified("bundle", bob)


async def test_one_of_several_identities_is_enough(scene: Scene) -> None:
    """The one that has signed need not be the first."""
    others = scene.identity(Name.exactly("bob@example.com")), scene.identity()

    assert Verified(BUNDLE) == await scene.verified("bundle", scene.authority(*others))


async def test_a_strangers_bundle_hides_no_old_signature(scene: Scene) -> None:
    """Formats are judged apart for identities too."""
    assert Verified(OLD) == await scene.verified("both", scene.authority(checks=STAMPED))


async def test_keys_and_identities_do_not_speak_for_each_other(scene: Scene) -> None:
    """A signature by a key is none by an identity, and the other way round."""
    by_key = Authority("ci", (PublicKey.parse(scene.key.public.read_text()),))
    told = "it carries no cosign signature; left out: 1 x a signature by a "

    assert [
        NotVerified("no signature", f"{told}key"),
        NotVerified("no signature", f"{told}certificate"),
        NotVerified("no signature", f"{told}certificate"),
    ] == [
        await scene.verified("key", scene.authority()),
        await scene.verified("bundle", by_key),
        without_old(await scene.verified("both", by_key)),
    ]


def without_old(outcome: Outcome) -> Outcome:
    """Leave out what a key says about an old signature, which may have a certificate too."""
    assert isinstance(outcome, NotVerified)
    return NotVerified(
        "no signature",
        "it carries no cosign signature; left out:" + outcome.detail.partition("; left out:")[2],
    )


def changed(root: TrustedRoot, name: str, other: TrustedRoot) -> TrustedRoot:
    """Return a root whose list of that name is another's."""
    document = json.loads(root.content)
    document[name] = json.loads(other.content)[name]
    return TrustedRoot.parse(json.dumps(document).encode())


@pytest.fixture(scope="module")
def strange_root(tmp_path_factory: pytest.TempPathFactory) -> TrustedRoot:
    """Give the root of a Sigstore that has signed nothing."""
    with PrivateSigstore(tmp_path_factory.mktemp("strange")) as strange:
        return TrustedRoot.parse(strange.trusted_root.read_bytes())


ALL = Checks(transparency_log=True, certificate_transparency=True, timestamps=True)


@pytest.mark.parametrize(
    ("name", "checked", "strange"),
    [
        ("bundle", ALL, "tlogs"),
        ("bundle", ALL, "ctlogs"),
        ("bundle", ALL, "timestampAuthorities"),
        ("bundle", ALL, "certificateAuthorities"),
        ("old", STAMPED, "ctlogs"),
        ("old", STAMPED, "timestampAuthorities"),
        ("old", STAMPED, "certificateAuthorities"),
    ],
)
async def test_everything_is_checked_by_the_root_that_is_given(
    scene: Scene, strange_root: TrustedRoot, name: str, checked: Checks, strange: str
) -> None:
    """With the log, the timestamps or the certificates of somebody else, nothing is good."""
    root = changed(scene.root, strange, strange_root)

    assert ["verified", "no valid signature"] == [
        reason(await scene.verified(name, scene.authority(checks=checked, root=each)))
        for each in (scene.root, root)
    ]


@pytest.mark.parametrize(
    ("name", "checks", "ignored"),
    [
        ("bundle", replace(LOGS, certificate_transparency=False), "ctlogs"),
        ("old", replace(STAMPED, certificate_transparency=False), "ctlogs"),
        ("bundle", STAMPED, "tlogs"),
    ],
)
async def test_what_is_ignored_is_not_checked(
    scene: Scene, strange_root: TrustedRoot, name: str, checks: Checks, ignored: str
) -> None:
    """The log that a policy leaves out may be anybody's."""
    root = changed(scene.root, ignored, strange_root)

    assert "verified" == reason(
        await scene.verified(name, scene.authority(checks=checks, root=root))
    )


async def test_attack_an_old_signature_that_is_in_no_log_is_refused_where_one_is_required(
    scene: Scene,
) -> None:
    """Nothing is looked up in the public log, and a timestamp does not stand in for an entry."""
    assert "no valid signature" == reason(await scene.verified("old", scene.authority(checks=ALL)))


def logged(log: LogOfRekor1, signature: SimpleSignature, signer: str) -> SimpleSignature:
    """Return an old signature with an entry of the log, as one of that signer."""
    entry = log.annotation(
        signature.payload, signature.annotations[SIGNATURE], signer, at=int(time.time())
    )
    return replace(signature, annotations={**signature.annotations, ANNOTATION: entry})


def with_log(root: TrustedRoot, log: LogOfRekor1) -> TrustedRoot:
    document = json.loads(root.content)
    return TrustedRoot.parse(json.dumps({**document, "tlogs": [log.trusted()]}).encode())


async def test_an_old_signature_in_a_log_is_verified_where_one_is_required(scene: Scene) -> None:
    """The entry of the trusted log admits it, and that of another log does not."""
    material = await scene.material("old")
    (signature,) = material.simple
    log, other = LogOfRekor1(), LogOfRekor1()
    root = with_log(scene.root, log)
    certificate = signature.annotations[CERTIFICATE]

    assert ["verified", "no valid signature"] == [
        reason(
            await judged(
                replace(material, simple=(logged(each, signature, certificate),)),
                scene.authority(root=root),
            )
        )
        for each in (log, other)
    ]


async def test_attack_an_entry_of_another_signature_does_not_count(scene: Scene) -> None:
    """Whoever copies an entry from one signature to another has logged nothing."""
    log = LogOfRekor1()
    ours, theirs = await scene.material("old"), await scene.material("evil-old")
    theirs_logged = logged(log, theirs.simple[0], theirs.simple[0].annotations[CERTIFICATE])
    stolen = {ANNOTATION: theirs_logged.annotations[ANNOTATION]}
    forged = replace(ours.simple[0], annotations={**ours.simple[0].annotations, **stolen})
    authority = scene.authority(root=with_log(scene.root, log))

    assert "no valid signature" == reason(await judged(replace(ours, simple=(forged,)), authority))


async def test_an_old_signature_of_a_key_in_a_log_is_verified(scene: Scene, tmp_path: Path) -> None:
    """A key and a required log, as cosign 2 signs unless it is told otherwise."""
    maker, signer = (
        ImageMaker(tmp_path / "i", scene.registry),
        Signer(tmp_path / "s", scene.registry),
    )
    image = maker.make_image("team/logged-old:1")
    signer.sign_with_cosign2(image, scene.key)
    material = await material_at(scene.registry, ImageReference.parse(image))
    log, key = LogOfRekor1(), scene.key.public.read_text()
    authority = Authority(
        "ci",
        (PublicKey.parse(key),),
        Checks(transparency_log=True),
        with_log(scene.root, log),
    )

    assert ["verified", "no valid signature"] == [
        reason(await judged(each, authority))
        for each in (
            replace(material, simple=(logged(log, material.simple[0], key),)),
            material,
        )
    ]


async def test_hundreds_of_signatures_on_one_image_are_judged(scene: Scene) -> None:
    """The one that is wanted is found behind hundreds of others, in both formats."""
    ann, eve = await scene.material("bundle"), await scene.material("evil")
    old, eve_old = await scene.material("old"), await scene.material("evil-old")
    others = tuple(eve.bundles[0] + b" " * number for number in range(400))
    others_old = tuple(
        replace(eve_old.simple[0], payload=eve_old.simple[0].payload + b" " * number)
        for number in range(200)
    )
    outcomes = [
        await judged(replace(ann, bundles=(*others, *ann.bundles)), scene.authority()),
        await judged(
            replace(old, simple=(*others_old, *old.simple)), scene.authority(checks=STAMPED)
        ),
    ]

    assert [Verified(BUNDLE), Verified(OLD)] == outcomes


@pytest.mark.parametrize("annotation", ["dev.sigstore.cosign/rfc3161timestamp", CERTIFICATE])
async def test_attack_an_old_signature_that_was_stripped_is_refused(
    scene: Scene, annotation: str
) -> None:
    """Without its timestamp or its certificate there is nothing to judge it by."""
    material = await scene.material("old")
    (signature,) = material.simple
    kept = {name: text for name, text in signature.annotations.items() if name != annotation}
    stripped = replace(material, simple=(replace(signature, annotations=kept),))

    assert "no signature" == reason(await judged(stripped, scene.authority(checks=STAMPED)))


async def test_attack_a_certificate_of_another_signature_does_not_count(scene: Scene) -> None:
    """A stranger's signature does not become Ann's by her certificate."""
    ann, eve = await scene.material("old"), await scene.material("evil-old")
    hers = {CERTIFICATE: ann.simple[0].annotations[CERTIFICATE]}
    forged = replace(eve.simple[0], annotations={**eve.simple[0].annotations, **hers})
    outcome = await judged(replace(eve, simple=(forged,)), scene.authority(checks=STAMPED))

    assert "no valid signature" == reason(outcome)


async def test_attack_a_bundle_with_another_certificate_is_refused(scene: Scene) -> None:
    """What is not signed of a bundle is proven by what is."""
    ann, eve = await scene.material("bundle"), await scene.material("evil")
    forged = json.loads(eve.bundles[0])
    forged["verificationMaterial"]["certificate"] = json.loads(ann.bundles[0])[
        "verificationMaterial"
    ]["certificate"]
    outcome = await judged(replace(eve, bundles=(json.dumps(forged).encode(),)), scene.authority())

    assert "no valid signature" == reason(outcome)
