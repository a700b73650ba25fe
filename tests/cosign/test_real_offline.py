"""The real cosign where every connection but the one to our endpoint is refused and counted."""

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cosign.closed_network import isolated
from cosign.judging import attestations_at, material_at
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.identities import Identity, Name
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.trusted_roots import Checks, TrustedRoot
from realparts.images import ImageMaker
from realparts.install import ensure
from realparts.registries import ReferrersRegistry
from realparts.signing import Signer
from realparts.sigstore import PrivateSigstore

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
ALL = Checks(transparency_log=True, certificate_transparency=True, timestamps=True)
ANN = "ann@example.com"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"


Case = tuple[SignatureMaterial, Authority, str | None]


def probed(folder: Path, cases: Sequence[Case]) -> dict[str, Any]:
    """Return what becomes of the cases where there is no network."""
    within = isolated()
    (folder / "cases").write_bytes(pickle.dumps(list(cases)))
    probe: list[str | Path] = [sys.executable, HERE / "offline_probe.py"]
    probe.append(ensure(["cosign3"])["cosign3"])
    result = subprocess.run(
        [*within, *probe, folder / "cases"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


async def test_semantics_12_nothing_is_asked_of_the_network(
    sigstore: PrivateSigstore, tmp_path: Path
) -> None:
    """
    No TUF, no log, no registry and no name is asked for, by keys and by identities.

    Signatures and attestations of both formats are judged, what is good and what is not: one that
    is in no log, and one by somebody else, are where cosign left alone would look further.
    """
    with ReferrersRegistry(tmp_path / "registry") as registry:
        maker, signer = ImageMaker(tmp_path / "i", registry), Signer(tmp_path / "s", registry)
        key = signer.generate_key_pair()
        images = [maker.make_image(f"team/{name}:1") for name in ("key", "keyless")]
        signer.sign_with_cosign3(images[0], key)
        signer.sign_with_cosign2(images[0], key)
        signer.sign_keyless(images[1], sigstore, email=ANN)
        signer.sign_keyless_with_cosign2(images[1], sigstore, email=ANN)
        report: dict[str, Any] = {"predicate_type": VULN, "predicate": {"scanner": {}}}
        signer.attest_keyless(images[1], sigstore, email=ANN, **report)
        signer.attest_keyless_with_cosign2(images[1], sigstore, email=ANN, **report)
        by_key, keyless = [
            await material_at(registry, ImageReference.parse(image)) for image in images
        ]
        reports = await attestations_at(registry, keyless.subject, VULN)
    root = TrustedRoot.parse(sigstore.trusted_root.read_bytes())
    public = PublicKey.parse(key.public.read_text())
    alone = Authority("ci", (public,))
    logged = Authority("ci", (public,), Checks(transparency_log=True), root)
    ann, bob = (
        Authority("ci", (Identity(Name.matching("http://.*"), Name.exactly(each)),), ALL, root)
        for each in (ANN, "bob@example.com")
    )
    stamped = replace(ann, checks=replace(ALL, transparency_log=False))
    bundles, old = replace(keyless, simple=()), replace(keyless, bundles=())

    answer = probed(
        tmp_path,
        [
            (replace(by_key, simple=()), alone, None),
            (replace(by_key, bundles=()), alone, None),
            (by_key, logged, None),
            (bundles, ann, None),
            (bundles, bob, None),
            (old, stamped, None),
            (old, ann, None),
            (replace(reports, simple=()), ann, VULN),
            (replace(reports, bundles=()), stamped, VULN),
            (reports, bob, VULN),
            (reports, alone, VULN),
        ],
    )

    told = [each.partition(";")[0] for each in answer["outcomes"]]
    assert (
        [
            "bundle",
            "simple signing",
            "bundle: none of its signatures is by this key",
            "bundle",
            "bundle: none of its signatures is by this identity",
            "simple signing",
            "simple signing: none of its signatures is by this identity",
            "1 attested",
            "1 attested",
            "bundle of an attestation: none of its attestations is by this identity",
            "envelope: none of its attestations is by this key",
        ],
        [],
        [True, True],
    ) == (told, answer["elsewhere"], answer["counted"])
