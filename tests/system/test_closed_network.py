"""The whole of Landwaiter where only the registry can be reached, and all else is counted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cosign.closed_network import isolated
from realparts.images import ImageMaker
from realparts.install import ensure
from realparts.registries import DistributionRegistry
from realparts.signing import Signer, SigningKey
from realparts.sigstore import PrivateSigstore
from system.installation import documents
from system.objects import a_pod

PROBE = Path(__file__).with_name("closed_network_probe.py")
PROBE_SECONDS = 120.0
ANN = "ann@example.com"
BOB = "bob@example.com"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
SOMETHING_REFUSED = 1


class Kept(DistributionRegistry):
    """A registry that can be served again, elsewhere, on the port that it had."""

    def command(self) -> list[str]:
        """Return what serves its images."""
        return self._command(self.host, None)


def policies(key: SigningKey, sigstore: PrivateSigstore) -> str:
    """Return a policy for each kind of trust that needs nothing of the network."""
    root = {"data": sigstore.trusted_root.read_text()}
    keyless = {
        "identities": [{"issuer": sigstore.issuer.url, "subject": ANN}],
        "unsafeIgnoreCertificateTransparency": True,
    }
    ci: dict[str, Any] = {"name": "ci", "key": {"data": key.public.read_text()}}
    ann = {"name": "ann", "keyless": keyless, "trustedRoot": root}
    rules: dict[str, dict[str, Any]] = {
        "key": {"cosignSignatures": {"authorities": [ci]}},
        "logged": {
            "cosignSignatures": {
                "authorities": [{**ci, "transparencyLog": "Required", "trustedRoot": root}]
            }
        },
        "keyless": {"cosignSignatures": {"authorities": [ann]}},
        "attested": {"attestations": {"required": [{"predicateType": VULN, "authorities": [ann]}]}},
    }
    return documents(
        *(
            {
                "apiVersion": "landwaiter.dev/v1alpha1",
                "kind": "ClusterImagePolicy",
                "metadata": {"name": name},
                "spec": {
                    "validationActions": ["Deny"],
                    "match": {"objectSelector": {"matchLabels": {"policy": name}}},
                    "rules": each,
                },
            }
            for name, each in rules.items()
        )
    )


def signed_images(
    folder: Path, registry: Kept, key: SigningKey, signer: Signer, sigstore: PrivateSigstore
) -> dict[tuple[str, str], str]:
    """Push an image for each policy and case, and return them by digest."""
    maker, stranger = ImageMaker(folder / "images", registry), signer.generate_key_pair("stranger")
    cases = ["key bundle", "key old", "key stranger", "key nobody", "logged unlogged"]
    cases += ["keyless ann", "keyless bob", "attested ann", "attested bob"]
    made = {}
    for case in cases:
        policy, _, by = case.partition(" ")
        made[policy, by] = maker.make_image(f"{policy}/{by}:1")
    signer.sign_with_cosign3(made["key", "bundle"], key)
    signer.sign_with_cosign2(made["key", "old"], key)
    signer.sign_with_cosign3(made["key", "stranger"], stranger)
    signer.sign_with_cosign3(made["logged", "unlogged"], key)
    for by, email in (("ann", ANN), ("bob", BOB)):
        signer.sign_keyless(made["keyless", by], sigstore, email=email)
        report = {"predicate_type": VULN, "predicate": {"scanner": {}}}
        signer.attest_keyless(made["attested", by], sigstore, email=email, **report)  # type: ignore[arg-type]  # Each by its name.
    return made


def test_semantics_12_only_the_registry_is_asked(tmp_path: Path, sigstore: PrivateSigstore) -> None:
    """
    By keys and with trusted roots no connection is opened but ours to the registry.

    The one other is that of cosign to our own process; no name is looked up.
    """
    within = isolated()
    with Kept(tmp_path / "registry") as registry:
        signer = Signer(tmp_path / "signer", registry)
        key = signer.generate_key_pair()
        images = signed_images(tmp_path, registry, key, signer, sigstore)
        serve = registry.command()
    host, _, port = registry.host.partition(":")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.yaml").write_text(policies(key, sigstore))
    named = {"registries": [{"host": registry.host, "plainHTTP": True}]}
    (tmp_path / "registries.yaml").write_text(json.dumps(named))
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    account["metadata"] = {"name": "default", "namespace": "shop"}  # type: ignore[assignment]
    (tmp_path / "cluster.yaml").write_text(json.dumps(account))
    pods = []
    for (policy, by), image in images.items():
        pod = a_pod(image, name=f"{policy}-{by}")
        pod["metadata"] |= {"labels": {"policy": policy}, "namespace": "shop"}
        pods.append(pod)
    (tmp_path / "pods.yaml").write_text(documents(*pods))
    check = [sys.executable, "-m", "landwaiter", "check", "--output=json"]
    check += [f"--policies={tmp_path / 'policies'}", f"--cosign={ensure(['cosign3'])['cosign3']}"]
    check += [f"--registries={tmp_path / 'registries.yaml'}"]
    check += [f"--cluster-state={tmp_path / 'cluster.yaml'}", str(tmp_path / "pods.yaml")]
    given = {"check": check, "registry": serve, "port": int(port)}
    (tmp_path / "given.json").write_text(json.dumps(given))

    probed = subprocess.run(
        [*within, sys.executable, PROBE, tmp_path / "given.json"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PROBE_SECONDS,
    )

    told = json.loads(probed.stdout)
    decisions = {each["name"]: each["decision"] for each in json.loads(told["printed"])}
    hosts = {address for address, _ in told["destinations"]}
    ports = {port for _, port in told["destinations"]}
    assert (
        SOMETHING_REFUSED,
        "",
        {
            "key-bundle": "allow",
            "key-old": "allow",
            "key-stranger": "deny",
            "key-nobody": "deny",
            "logged-unlogged": "deny",
            "keyless-ann": "allow",
            "keyless-bob": "deny",
            "attested-ann": "allow",
            "attested-bob": "deny",
        },
    ) == (told["exit"], told["problems"], decisions)
    assert ({host}, 2, True) == (hosts, len(ports), int(port) in ports)
