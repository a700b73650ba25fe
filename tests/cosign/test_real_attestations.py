"""
Attestations with the real cosign, in both formats, by keys and by identities.

Bundles by cosign 3 have an entry in Rekor 2 and a timestamp, old attestations by cosign 2 a
timestamp. Where something is forged, the real ones are put together otherwise in memory.
"""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cosign.fakes import FakeRegistry
from cosign.judging import a_client, attestations_at, verifying
from cosign.timestamps import a_timestamp
from landwaiter.cosign.annotations import CERTIFICATE, LOG_ENTRY, TIMESTAMP
from landwaiter.cosign.attestation_judging import Attested, judge_attestations
from landwaiter.cosign.attestations import AttestationVerifier
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.statements import Attestation
from landwaiter.deadline import Deadline
from landwaiter.identities import Identity, Name
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.trusted_roots import Checks, TrustedRoot
from realparts.images import ImageMaker
from realparts.registries import ReferrersRegistry
from realparts.rekor1 import LogOfRekor1
from realparts.signing import Signer, SigningKey
from realparts.sigstore import PrivateSigstore

pytestmark = pytest.mark.system

VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
REVIEW = "https://example.com/review/v1"
SLSA = "https://slsa.dev/provenance/v0.2"
LOGS = Checks(transparency_log=True, certificate_transparency=True)
STAMPED = Checks(certificate_transparency=True, timestamps=True)
ANN, EVE = "ann@example.com", "eve@example.com"


async def any_at_all(attestations: Sequence[Attestation]) -> bool:
    return bool(attestations)


@dataclass(frozen=True)
class Scene:
    """Images by what was done to them, when it was, and the Sigstore that it was done with."""

    registry: ReferrersRegistry
    sigstore: PrivateSigstore
    key: SigningKey
    images: dict[str, ImageReference]
    began: float
    ended: float = field(default_factory=time.time)

    @property
    def root(self) -> TrustedRoot:
        return TrustedRoot.parse(self.sigstore.trusted_root.read_bytes())

    def by(
        self, subject: str = ANN, checks: Checks = LOGS, root: TrustedRoot | None = None
    ) -> Authority:
        identity = Identity(Name.exactly(self.sigstore.issuer.url), Name.exactly(subject))
        return Authority("ci", (identity,), checks, root or self.root)

    def by_key(self, checks: Checks | None = None) -> Authority:
        key = PublicKey.parse(self.key.public.read_text())
        if checks is None:
            return Authority("ci", (key,))
        return Authority("ci", (key,), checks, self.root)

    async def found(self, name: str, authority: Authority, type_: str = VULN) -> Attested:
        """Return what is found of an image where it really stands."""
        async with (
            a_client(self.registry) as client,
            verifying(client) as signatures,
            AttestationVerifier(client, signatures.program) as verifier,
        ):
            return await verifier.verify(
                self.images[name],
                authority,
                type_,
                enough=any_at_all,
                keychain=EMPTY_KEYCHAIN,
                deadline=Deadline.after(60),
                namespace="shop",
            )

    async def material(self, name: str, type_: str = VULN) -> SignatureMaterial:
        return await attestations_at(self.registry, self.images[name], type_)


@pytest.fixture(scope="module")
def scene(sigstore: PrivateSigstore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give a registry in which every kind of attestation stands."""
    folder = tmp_path_factory.mktemp("attested")
    began = time.time()
    with ReferrersRegistry(folder / "registry") as registry:
        maker, signer = ImageMaker(folder / "images", registry), Signer(folder / "s", registry)
        key = signer.generate_key_pair()
        names = ("keyless", "elsewhere", "old", "key", "stamped", "signed")
        made = {name: maker.make_image(f"team/{name}:1") for name in names}
        report: dict[str, Any] = {"predicate_type": VULN, "predicate": {"scanner": {"result": 1}}}
        for name in ("keyless", "elsewhere"):
            signer.attest_keyless(made[name], sigstore, email=ANN, **report)
        signer.attest_keyless_with_cosign2(made["old"], sigstore, email=ANN, **report)
        signer.attest_with_cosign3(made["key"], key, **report)
        signer.attest_with_cosign2(made["key"], key, **report)
        signer.attest_with_cosign2(
            made["key"], key, predicate_type=REVIEW, predicate={"looks": "good"}
        )
        signer.attest_with_cosign2(made["stamped"], key, sigstore=sigstore, **report)
        signer.sign_with_cosign3(made["signed"], key)
        images = {name: ImageReference.parse(each) for name, each in made.items()}
        yield Scene(registry, sigstore, key, images, began)


def predicates(found: Attested) -> list[Any]:
    return [json.loads(each.statement)["predicate"] for each in found.attestations]


async def test_attestations_are_found_in_both_formats(scene: Scene) -> None:
    """By a key and by an identity, with all that the trusted root is asked for."""
    found = [
        await scene.found(*asked)
        for asked in (
            ("keyless", scene.by()),
            ("keyless", scene.by(checks=replace(LOGS, timestamps=True))),
            ("old", scene.by(checks=STAMPED)),
            ("key", scene.by_key()),
            ("key", scene.by_key(), REVIEW),
            ("stamped", scene.by_key(Checks(timestamps=True))),
        )
    ]

    assert [1, 1, 1, 2, 1, 1] == [len(each.attestations) for each in found]
    assert [("", None)] * 6 == [(each.detail, each.fault) for each in found]
    assert [{"looks": "good"}] == predicates(found[4])


async def test_when_it_was_signed_is_told_where_somebody_vouches_for_it(scene: Scene) -> None:
    """To the second by a timestamp authority, and not at all by a key alone."""
    times = [
        each.signed_at
        for asked in (
            ("keyless", scene.by()),
            ("old", scene.by(checks=STAMPED)),
            ("stamped", scene.by_key(Checks(timestamps=True))),
            ("stamped", scene.by_key()),
        )
        for each in (await scene.found(*asked)).attestations
    ]

    assert [None] == times[3:]
    assert all(each and int(scene.began) <= each <= scene.ended for each in times[:3])


@pytest.mark.parametrize(
    ("name", "checks"), [("keyless", LOGS), ("old", STAMPED)], ids=["bundle", "old"]
)
async def test_attack_an_attestation_of_the_wrong_type_is_refused(
    scene: Scene, name: str, checks: Checks
) -> None:
    """A report is no provenance, also where the registry says that it is."""
    material = await scene.material(name)

    assert "it carries no attestation of this type" == (
        (await scene.found(name, scene.by(checks=checks), SLSA)).detail
    )
    assert () == (await judged(material, scene.by(checks=checks), SLSA)).attestations


async def test_attack_a_signature_is_no_attestation(scene: Scene) -> None:
    """What cosign has signed of the image says nothing about it."""
    assert Attested((), "it carries no attestation of this type") == await scene.found(
        "signed", scene.by_key()
    )


@pytest.mark.parametrize(
    ("name", "checks"), [("keyless", LOGS), ("old", STAMPED)], ids=["bundle", "old"]
)
async def test_attack_an_attestation_by_somebody_else_is_refused(
    scene: Scene, name: str, checks: Checks
) -> None:
    """Who has attested it stands in the refusal."""
    found = await scene.found(name, scene.by(EVE, checks))

    assert () == found.attestations
    assert ANN in found.detail


async def test_attack_an_attestation_by_another_key_is_refused(scene: Scene) -> None:
    """A key says nothing about an identity, nor the other way round."""
    assert [0, 0] == [
        len((await scene.found(*asked)).attestations)
        for asked in (("keyless", scene.by_key()), ("key", scene.by()))
    ]


@pytest.mark.parametrize("name", ["keyless", "old"])
async def test_attack_an_attestation_copied_from_another_image_is_refused(
    scene: Scene, name: str
) -> None:
    """It names the digest that it is about, wherever it is attached."""
    checks = LOGS if name == "keyless" else STAMPED
    material = replace(await scene.material(name), subject=scene.images["signed"])
    found = await judged(material, scene.by(checks=checks))

    assert ((), None) == (found.attestations, found.fault)


async def judged(material: SignatureMaterial, authority: Authority, type_: str = VULN) -> Attested:
    """Judge attestations that no registry has."""
    async with verifying(FakeRegistry()) as signatures:
        return await judge_attestations(signatures.program, material, authority, type_)


def altered(bundle: bytes) -> bytes:
    """Return a bundle whose statement says something else than was signed."""
    document = json.loads(bundle)
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    statement["predicate"]["scanner"]["result"] = 0
    payload = json.dumps(statement).encode()
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    return json.dumps(document).encode()


async def test_attack_a_statement_that_was_altered_is_refused(scene: Scene) -> None:
    """Nothing of it is read before its signature is verified."""
    material = await scene.material("keyless")
    forged = replace(material, bundles=tuple(map(altered, material.bundles)))
    unsigned = json.loads(material.bundles[0])
    unsigned["dsseEnvelope"]["signatures"] = []
    bare = replace(material, bundles=(json.dumps(unsigned).encode(),))

    assert [((), None)] * 2 == [
        (found.attestations, found.fault)
        for found in [await judged(each, scene.by()) for each in (forged, bare)]
    ]


async def test_attack_a_strangers_attestations_hide_no_good_one(scene: Scene) -> None:
    """Among forged ones the good one is found, and counted once."""
    material = await scene.material("keyless")
    good = material.bundles[0]
    crowd = tuple(altered(good) + b" " * number for number in range(20))
    found = await judged(replace(material, bundles=(*crowd, good, good + b" ")), scene.by())

    assert [{"result": 1}] == [each["scanner"] for each in predicates(found)]


def restamped(bundle: bytes, *stamps: object, time_: object = None) -> bytes:
    """Return a bundle with other timestamps, and with a time in its log entry."""
    document = json.loads(bundle)
    proof = document["verificationMaterial"]
    proof["timestampVerificationData"] = {"rfc3161Timestamps": list(stamps)}
    if time_ is not None:
        proof["tlogEntries"][0]["integratedTime"] = time_
    return json.dumps(document).encode()


def stamp_of(bundle: bytes) -> object:
    proof = json.loads(bundle)["verificationMaterial"]
    return proof["timestampVerificationData"]["rfc3161Timestamps"][0]


async def test_attack_another_time_in_a_bundle_makes_nothing_newer(scene: Scene) -> None:
    """Times of other signatures, and times that nobody signed, are refused or do not count."""
    material, other = await scene.material("keyless"), await scene.material("elsewhere")
    good, theirs = material.bundles[0], stamp_of(other.bundles[0])
    (real,) = (await judged(material, scene.by())).attestations
    assert real.signed_at is not None
    far = int(real.signed_at) + 10_000_000
    invented = {"signedTimestamp": a_timestamp(far)}
    forged = [
        restamped(good),
        restamped(good, theirs),
        restamped(good, invented),
        restamped(good, stamp_of(good), time_=str(far)),
        restamped(good, stamp_of(good), theirs, invented),
        restamped(good, invented, stamp_of(good)),
    ]
    found = [await judged(replace(material, bundles=(each,)), scene.by()) for each in forged]

    assert [(), (), (), (), (real,), (real,)] == [each.attestations for each in found]
    assert [None] * 6 == [each.fault for each in found]


def logged(
    log: LogOfRekor1, envelope: SimpleSignature, at: int, **changes: object
) -> SimpleSignature:
    """Return an old attestation with an entry of the log, in which something is then changed."""
    certificate = envelope.annotations[CERTIFICATE]
    entry = json.loads(log.annotation_of_envelope(envelope.payload, certificate, at=at))
    entry["Payload"] |= changes
    kept = {name: text for name, text in envelope.annotations.items() if name != TIMESTAMP}
    return replace(envelope, annotations={**kept, LOG_ENTRY: json.dumps(entry)})


def with_log(root: TrustedRoot, log: LogOfRekor1) -> TrustedRoot:
    document = json.loads(root.content)
    return TrustedRoot.parse(json.dumps({**document, "tlogs": [log.trusted()]}).encode())


async def test_attack_another_time_beside_an_old_attestation_makes_nothing_newer(
    scene: Scene,
) -> None:
    """The log's signature holds its time; another spelling of it is not even shown to cosign."""
    log, stranger = LogOfRekor1(), LogOfRekor1()
    material = await scene.material("old")
    authority = scene.by(root=with_log(scene.root, log))
    (envelope,) = material.simple
    at = int(time.time())
    good = logged(log, envelope, at)
    forged = [
        logged(log, envelope, at, integratedTime=at + 60),
        logged(stranger, envelope, at + 60),
        logged(log, envelope, at + 10_000),
    ]
    spelled = logged(log, envelope, at, INTEGRATEDTIME=at + 60)
    times = []
    for copies in ((good,), (spelled,), *((each,) for each in forged), (*forged, spelled, good)):
        found = await judged(replace(material, simple=copies), authority)
        assert found.fault is None
        times.append([each.signed_at for each in found.attestations])

    assert [[at], [at], [], [], [], [at]] == times
