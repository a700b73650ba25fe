"""
Each fault of what a verification asks besides the registry, one at a time.

That is the cluster (keys, roots, pull secrets), a KMS, and the programs that give credentials. The
answer is that of the run without the fault, or none at all.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cosign.fakes import a_key, a_root, fake_cosign, program
from landwaiter.cluster.values import ConfigMap, Secret
from landwaiter.cosign.kms_settings import NO_KMS, KMSAccess, KMSSettings
from landwaiter.errors import AccessDenied, ClusterUnavailable, DeadlineExceeded, Unavailable
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import KMSReference, PublicKey
from landwaiter.rules.cosign_signatures import SignatureQuestion
from landwaiter.rules.references import ConfigMapEntry, SecretEntry
from landwaiter.rules.signing_authority import SigningAuthority, Trust
from landwaiter.trusted_roots import Checks
from landwaiter.wiring.credentials import CredentialSettings
from landwaiter.wiring.outside import OutsideSettings, fact_source
from providers.a_plugin import a_config, a_plugin, an_entry
from registry.fake_registry import FakeRegistry
from wiring.a_cluster import FakeCluster, an_inquiry, docker_secret
from wiring.signed_images import signed

ANN = ("ann", "pw")
OURS, OTHERS = a_key(), a_key(2)
GOOD, REFUSED, UNKNOWN, DENIED = "good", "refused", "unknown", "denied"
IN_CLUSTER = SigningAuthority(
    "ci",
    SecretEntry("trust", "keys", "cosign.pub"),
    Checks(transparency_log=True),
    Trust(ConfigMapEntry("trust", "root", "root.json")),
)
IN_A_KMS = SigningAuthority("ci", KMSReference.parse("awskms:///alias/key"))
SECONDS = 20.0
SHORT_SECONDS = 1.0
"""How long somebody waits for what never comes."""


@dataclass
class Scene:
    """A registry that wants a password, with an image that our key has signed, and a cluster."""

    registry: FakeRegistry
    image: ImageReference
    folder: Path
    cosign: Path
    cluster: FakeCluster = field(default_factory=FakeCluster)
    kms: KMSSettings = NO_KMS
    credentials: CredentialSettings = field(default_factory=CredentialSettings)

    async def outcome(
        self, authority: SigningAuthority, *pull_secrets: str, seconds: float = SECONDS
    ) -> str:
        """Return what a new process finds out."""
        file = self.folder / "registries.yaml"
        file.write_text(
            json.dumps({"registries": [{"host": self.registry.host, "plainHTTP": True}]})
        )
        settings = OutsideSettings(
            file, str(self.cosign), kms=self.kms, credentials=self.credentials
        )
        question = SignatureQuestion(self.image, authority)
        async with fact_source(settings, policies=list, view=self.cluster) as source:
            try:
                answer = await source.answer(question, an_inquiry(*pull_secrets, seconds=seconds))
            except Unavailable:
                return UNKNOWN
            except AccessDenied:
                return DENIED
            return GOOD if answer.verified else REFUSED


@asynccontextmanager
async def a_scene(folder: Path) -> AsyncIterator[Scene]:
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        yield Scene(registry, signed(registry, OURS), folder, fake_cosign(folder))


def filled(key: PublicKey, host: str) -> FakeCluster:
    """Return a cluster that has this key, a root, and a pull secret for the host."""
    cluster = FakeCluster()
    cluster.add_secret(Secret("trust", "keys", "Opaque", {"cosign.pub": key.pem.encode()}))
    root = {"root.json": a_root().content.decode()}
    cluster.config_maps["trust/root"] = ConfigMap("trust", "root", root)
    cluster.add_secret(docker_secret("regcred", host, user=ANN[0], password=ANN[1]))
    return cluster


@pytest.mark.parametrize(("key", "outcome"), [(OURS, GOOD), (OTHERS, REFUSED)])
@pytest.mark.parametrize("fault", [ClusterUnavailable("down"), DeadlineExceeded("late")])
async def test_every_fault_of_every_question_to_the_cluster(
    tmp_path: Path, key: PublicKey, outcome: str, fault: Exception
) -> None:
    """
    Whatever cannot be read leaves it open, also where it is read anew before a refusal.

    A pull secret that the view does not give is asked for once more.
    """
    async with a_scene(tmp_path) as scene:
        scene.cluster = filled(key, scene.registry.host)
        without = await scene.outcome(IN_CLUSTER, "regcred")
        asked = scene.cluster.asked
        found = {}
        for number, question in enumerate(asked):
            scene.cluster = filled(key, scene.registry.host)
            scene.cluster.faults[number] = fault
            found[number, question] = await scene.outcome(IN_CLUSTER, "regcred")

    assert outcome == without
    assert {"secret trust/keys", "config map trust/root", "secret shop/regcred"} <= set(asked)
    heals = {"secret shop/regcred"} if isinstance(fault, ClusterUnavailable) else set()
    assert {
        (number, question): outcome if question in heals else UNKNOWN
        for number, question in enumerate(asked)
    } == found


SPOILT: Mapping[str, Callable[[FakeCluster], object]] = {
    "no key": lambda cluster: cluster.secrets.pop("trust/keys"),
    "no such entry": lambda cluster: cluster.add_secret(
        Secret("trust", "keys", "Opaque", {"other": OURS.pem.encode()})
    ),
    "half a key": lambda cluster: cluster.add_secret(
        Secret("trust", "keys", "Opaque", {"cosign.pub": OURS.pem.encode()[:60]})
    ),
    "an empty key": lambda cluster: cluster.add_secret(
        Secret("trust", "keys", "Opaque", {"cosign.pub": b""})
    ),
    "no root": lambda cluster: cluster.config_maps.pop("trust/root"),
    "half a root": lambda cluster: cluster.config_maps.update(
        {"trust/root": ConfigMap("trust", "root", {"root.json": "{"})}
    ),
    "an empty root": lambda cluster: cluster.config_maps.update(
        {"trust/root": ConfigMap("trust", "root", {"root.json": "{}"})}
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("key", [OURS, OTHERS])
async def test_trust_that_is_not_there_or_damaged_leaves_it_open(
    tmp_path: Path, key: PublicKey, spoilt: str
) -> None:
    """Nothing is trusted in its place."""
    async with a_scene(tmp_path) as scene:
        scene.cluster = filled(key, scene.registry.host)
        SPOILT[spoilt](scene.cluster)

        assert UNKNOWN == await scene.outcome(IN_CLUSTER, "regcred")


def quoted(text: str) -> str:
    return f"printf '%s' '{text}'"


KMS_FAULTS = {
    "fails": "exit 1",
    "says nothing": "exit 0",
    "fails with a key": f"{quoted(OURS.pem)}; exit 1",
    "is killed with a key": f"{quoted(OURS.pem)}; kill -9 $$",
    "gives half a key": f"{quoted(OURS.pem[:60])}; exit 0",
    "gives two keys": f"{quoted(OURS.pem + OTHERS.pem)}; exit 0",
    "gives no key": "echo hush; exit 0",
    "prints without end": f"exec {sys.executable} -IS -c 'while True: print(chr(120) * 65536)'",
    "hangs": "exec /bin/sleep 600",
}


async def with_kms(scene: Scene, name: str, does: str, *, seconds: float = SECONDS) -> str:
    """Return what is found out where cosign does this when it is asked for a key."""
    folder = scene.folder / name.replace(" ", "-")
    folder.mkdir()
    cosign = program(folder, f'[ "$1" = public-key ] && {{ {does}; }}; exec {scene.cosign} "$@"')
    cluster = filled(OURS, scene.registry.host)
    kms = KMSSettings({"awskms": KMSAccess()})
    here = replace(scene, folder=folder, cosign=cosign, cluster=cluster, kms=kms)
    return await here.outcome(IN_A_KMS, "regcred", seconds=seconds)


async def test_every_fault_of_a_kms(tmp_path: Path) -> None:
    """A key counts only where the service has given it, whole and alone."""
    async with a_scene(tmp_path) as scene:
        ours = await with_kms(scene, "ours", f"{quoted(OURS.pem)}; exit 0")
        others = await with_kms(scene, "others", f"{quoted(OTHERS.pem)}; exit 0")
        found = await asyncio.gather(
            *(
                with_kms(scene, name, does, seconds=SHORT_SECONDS if name == "hangs" else SECONDS)
                for name, does in KMS_FAULTS.items()
            )
        )

    assert (GOOD, REFUSED) == (ours, others)
    assert dict.fromkeys(KMS_FAULTS, UNKNOWN) == dict(zip(KMS_FAULTS, found, strict=True))


PLUGIN_FAULTS = {
    "fails": ("sys.exit(1)", UNKNOWN),
    "fails with an answer": ("ANSWER; sys.exit(1)", UNKNOWN),
    "is killed with an answer": ("ANSWER; sys.stdout.flush(); os.kill(os.getpid(), 9)", UNKNOWN),
    "says nothing": ("pass", UNKNOWN),
    "gives half an answer": ("print('{')", UNKNOWN),
    "prints without end": ("while True: print('x' * 65536)", UNKNOWN),
    "has no credentials": ("answer({})", DENIED),
    "has those of another registry": ("answer({'r.example.com': ('ann', 'pw')})", DENIED),
    "has a wrong password": ("answer({HOST: ('ann', 'wrong')})", DENIED),
}


async def with_plugin(scene: Scene, name: str, does: str, key: PublicKey) -> str:
    """Return what is found out where a plugin that does this has to give the credentials."""
    folder = scene.folder / f"{name.replace(' ', '-')}-{key is OURS}"
    folder.mkdir()
    host = repr(scene.registry.host)
    a_plugin(folder, does.replace("ANSWER", f"answer({{{host}: {ANN}}})").replace("HOST", host))
    config = folder / "providers.json"
    config.write_text(json.dumps(a_config(an_entry([scene.registry.host]))))
    here = replace(scene, folder=folder, credentials=CredentialSettings(config, folder))
    return await here.outcome(SigningAuthority("ci", key))


async def test_every_fault_of_a_plugin(tmp_path: Path) -> None:
    """A program that fails leaves it open; one that has nothing to give is no fault."""
    async with a_scene(tmp_path) as scene:
        without = [await with_plugin(scene, "good", "ANSWER", key) for key in (OURS, OTHERS)]
        found = await asyncio.gather(
            *(
                with_plugin(scene, name, does, key)
                for name, (does, _) in PLUGIN_FAULTS.items()
                for key in (OURS, OTHERS)
            )
        )

    expected = [outcome for _, outcome in PLUGIN_FAULTS.values() for _ in range(2)]
    assert ([GOOD, REFUSED], expected) == (without, found)
