"""Keys of a KMS: asked for by the real cosign through a real plugin, and verified with."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cosign.fakes import CountingObserver
from landwaiter.cluster.state import ClusterState
from landwaiter.cosign.kms import FAULT_SECONDS, FRESH_SECONDS, KEY_SECONDS, KMSKeys
from landwaiter.cosign.kms_settings import KMSAccess, KMSSettings
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.runner import RunLimits
from landwaiter.deadline import Deadline
from landwaiter.errors import CosignUnavailable, InvalidInput
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import KMSReference, PublicKey
from landwaiter.rules.cosign_signatures import SignatureQuestion
from landwaiter.rules.protocol import FactSource
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.wiring.kms import kms_settings
from landwaiter.wiring.outside import OutsideSettings, fact_source
from realparts.images import ImageMaker
from realparts.install import ensure
from realparts.kms import FOLDER, SCHEME, LocalKMS
from realparts.registries import ReferrersRegistry
from realparts.signing import Signer
from wiring.a_cluster import an_inquiry

CI = KMSReference.parse(f"{SCHEME}://ci")


@pytest.fixture
def kms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalKMS:
    """Give a service that is reached with what stands in our environment."""
    service = LocalKMS(tmp_path / "kms")
    monkeypatch.setenv(FOLDER, str(service.folder))
    monkeypatch.setenv("LOCAL_KMS_SECRET", "another service's")
    return service


def settings_of(kms: LocalKMS) -> KMSSettings:
    """Return the settings of an install that names the service."""
    file = kms.folder / "kms.yaml"
    entry = {"scheme": SCHEME, "plugins": "plugins", "environment": [FOLDER, "HOME", "NOT_SET"]}
    file.write_text(json.dumps({"kms": [entry]}))
    return kms_settings(file)


@asynccontextmanager
async def a_source(kms: LocalKMS, registry: ReferrersRegistry) -> AsyncIterator[FactSource]:
    file = kms.folder / "registries.yaml"
    file.write_text(json.dumps({"registries": [{"host": registry.host, "plainHTTP": True}]}))
    program = str(ensure(["cosign3"])["cosign3"])
    outside = OutsideSettings(file, program, kms=settings_of(kms))
    async with fact_source(outside, policies=list, view=ClusterState()) as source:
        yield source


@pytest.mark.system
async def test_semantics_12_what_is_signed_by_a_key_of_a_kms_is_verified(
    kms: LocalKMS, tmp_path: Path
) -> None:
    """
    In both formats, also with RSA; another key's signature is a refusal and no fault.

    The service is asked for public keys alone.
    """
    with ReferrersRegistry(tmp_path / "registry") as registry:
        maker = ImageMaker(tmp_path / "images", registry)
        signer = Signer(tmp_path / "s", registry, environment=kms.environment)
        keys = {"ci": kms.create_key("ci"), "rsa": kms.create_key("rsa", is_rsa=True)}
        names = ("new", "old", "rsa", "unsigned")
        images = {name: ImageReference.parse(maker.make_image(f"a/{name}:1")) for name in names}
        signer.sign_with_cosign3(str(images["new"]), keys["ci"])
        signer.sign_with_cosign2(str(images["old"]), keys["ci"])
        signer.sign_with_cosign3(str(images["rsa"]), keys["rsa"])
        (kms.folder / "log").unlink()
        async with a_source(kms, registry) as source:
            found = [
                (
                    await source.answer(
                        SignatureQuestion(
                            images[name],
                            SigningAuthority("a", KMSReference.parse(f"{SCHEME}://{key}")),
                        ),
                        an_inquiry(),
                    )
                ).verified
                for name, key in (
                    *(("new", "ci"), ("old", "ci"), ("rsa", "rsa")),
                    *(("rsa", "ci"), ("unsigned", "ci")),
                )
            ]

    assert [True, True, True, False, False] == found
    asked = {(method, key) for method, key, *_ in kms.questions}
    assert {("publicKey", "ci"), ("publicKey", "rsa")} == asked


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def a_room(
    kms: LocalKMS, settings: KMSSettings | None = None
) -> AsyncIterator[tuple[KMSKeys, Clock]]:
    program = CosignProgram(ensure(["cosign3"])["cosign3"], RunLimits(1, 30), CountingObserver())
    clock = Clock()
    keys = KMSKeys(program, settings or settings_of(kms), clock=clock)
    try:
        yield keys, clock
    finally:
        await keys.close()


def public(kms: LocalKMS, name: str = "ci") -> PublicKey:
    return PublicKey.parse((kms.folder / f"{name}.pub").read_text())


@pytest.mark.system
async def test_a_service_sees_the_variables_that_are_named_and_no_others(kms: LocalKMS) -> None:
    """Credentials of one service are not shown to another, and cosign's own home stays its own."""
    kms.create_key("ci")
    async with a_room(kms) as (room, _):
        await room.key(CI, deadline=Deadline.after(30))
    ((_, _, *names),) = kms.questions

    folders = {"HOME", "TMPDIR", "TUF_ROOT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR"}
    wanted = {FOLDER, "PATH", "GOGC", "GOMEMLIMIT", *folders}
    assert wanted == set(names) - {"LC_CTYPE"}


@pytest.mark.system
async def test_a_key_is_remembered_and_asked_for_anew(kms: LocalKMS) -> None:
    """Whoever needs the current one gets it, but not for each image of a burst."""
    kms.create_key("ci")
    first = public(kms)
    found, calls = [], []
    async with a_room(kms) as (room, clock):
        for seconds, fresh in (
            (0.0, False),
            (KEY_SECONDS - 1, False),
            (KEY_SECONDS - 1, True),
            (KEY_SECONDS + FRESH_SECONDS - 2, True),
            (3 * KEY_SECONDS, False),
        ):
            clock.seconds = seconds
            found.append(await room.key(CI, deadline=Deadline.after(30), fresh=fresh))
            calls.append(len(kms.questions))
            if seconds == 0.0:
                kms.create_key("ci")
    second = public(kms)

    assert ([first, first, second, second, second], [1, 1, 2, 2, 3]) == (found, calls)


@pytest.mark.system
async def test_a_service_that_fails_is_a_fault_and_takes_no_key_away(kms: LocalKMS) -> None:
    """What it says is quoted without credentials; a key that is still good goes on counting."""
    async with a_room(kms) as (room, clock):
        with pytest.raises(CosignUnavailable) as fault:
            await room.key(CI, deadline=Deadline.after(30))
        with pytest.raises(CosignUnavailable):
            await room.key(CI, deadline=Deadline.after(30))
        asked = len(kms.questions)
        kms.create_key("ci")
        clock.seconds = FAULT_SECONDS + 1
        key = await room.key(CI, deadline=Deadline.after(30))
        kms.deny("ci")
        clock.seconds = 100.0
        again = await room.key(CI, deadline=Deadline.after(30), fresh=True)
        clock.seconds = 2 * KEY_SECONDS
        with pytest.raises(CosignUnavailable):
            await room.key(CI, deadline=Deadline.after(30))

    assert (1, key) == (asked, again)
    said = str(fault.value)
    assert said.startswith('the KMS "local" does not give its public key; cosign says: "')
    assert ("AccessDenied" in said, "s3cret" in said) == (True, False)


@pytest.mark.system
async def test_a_program_that_stands_for_no_service_is_a_fault(kms: LocalKMS) -> None:
    """Without the folder of plugins cosign finds none, and it is not looked for on PATH."""
    kms.create_key("ci")
    async with a_room(kms, KMSSettings({SCHEME: KMSAccess((FOLDER,))})) as (room, _):
        with pytest.raises(CosignUnavailable, match="does not give its public key"):
            await room.key(CI, deadline=Deadline.after(30))

    assert [] == kms.questions


async def test_a_service_that_the_install_does_not_name_is_never_asked(kms: LocalKMS) -> None:
    """Whatever a policy says that was loaded before."""
    kms.create_key("ci")
    async with a_room(kms, KMSSettings()) as (room, _):
        with pytest.raises(CosignUnavailable, match='"local" is no KMS of this install'):
            await room.key(CI, deadline=Deadline.after(30))

    assert [] == kms.questions


def test_the_file_names_services(tmp_path: Path) -> None:
    """Without a file there are none, and folders are taken from that of the file."""
    (tmp_path / "plugins").mkdir()
    file = tmp_path / "kms.yaml"
    file.write_text(
        "kms: [{scheme: awskms, environment: [AWS_REGION]}, {scheme: own, plugins: plugins}]"
    )
    settings = kms_settings(file)

    assert KMSSettings() == kms_settings(None)
    assert frozenset({"awskms", "own"}) == settings.schemes
    assert {
        "awskms": KMSAccess(("AWS_REGION",)),
        "own": KMSAccess((), tmp_path / "plugins"),
    } == dict(settings.services)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kms: [{scheme: env}]", '"env" given, the scheme of a KMS is wanted'),
        ("kms: [{scheme: k8s}]", '"k8s" given'),
        ("kms: [{scheme: https}]", '"https" given'),
        ("kms: [{scheme: -x}]", '"-x" given'),
        ("kms: [{scheme: a}, {scheme: a}]", 'the scheme "a" given twice'),
        ("kms: [{scheme: a, plugins: gone}]", "a folder is wanted"),
        ("kms: [{scheme: a, environment: [a=b]}]", "should match pattern"),
        ("kms: [{scheme: a, secret: x}]", "Extra inputs are not permitted"),
        ("kms: 1", "valid list"),
        ("{}\n---\n{}", "2 documents given, one is wanted"),
    ],
)
def test_a_file_that_is_wrong_stops_the_start(tmp_path: Path, text: str, problem: str) -> None:
    """The message names the file, and what is wanted."""
    file = tmp_path / "kms.yaml"
    file.write_text(text)

    with pytest.raises(InvalidInput, match=problem) as failure:
        kms_settings(file)
    assert str(file) in str(failure.value)
