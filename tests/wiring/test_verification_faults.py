"""
Every fault of a verification ends as the table says, with images that real cosigns have signed.

Each case has a proxy of its own on a port that the images were signed for, and a judge of its own,
built as the webhook's is. The cases of one row run at the same time.
"""

import asyncio
import json
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from landwaiter.cluster.state import ClusterState
from landwaiter.cluster.view import NamespaceLabels
from landwaiter.deadline import Deadline
from landwaiter.manifests.documents import read_documents
from landwaiter.policy.case import Case, Operation, Side
from landwaiter.policy.judge import Judge
from landwaiter.policy.sources import load_policies
from landwaiter.rules.protocol import Violation
from landwaiter.rules.verdict import Verdict
from landwaiter.wiring.outside import OutsideSettings, fact_source
from landwaiter.workloads.walker import read_workload
from realparts.certificates import Authority
from realparts.images import ImageMaker
from realparts.install import ensure
from realparts.mass_signing import MassKey, MassMaker
from realparts.registries import CraneRegistry, ReferrersRegistry, Registry
from realparts.signing import Signer
from registry.fake_registry import server_context
from wiring import fault_table as table
from wiring.fault_proxy import FaultProxy, kind_of

pytestmark = pytest.mark.system

PLENTY_SECONDS = 120.0
SHORT_SECONDS = 1.5
"""The deadline of what never answers; a machine too busy to ask by then changes no outcome."""

CLUSTER = b"""
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}
"""
POLICY = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: %(name)s}
spec:
  validationActions: [Deny]
  rules:
    %(rule)s
---
"""
SIGNED = "cosignSignatures: {unpinned: Warn, authorities: [%s]}"
ATTESTED = "attestations: {unpinned: Warn, required: [{predicateType: %s, authorities: [%s]}]}"
REPORT = "https://example.com/report/v1"
BLOBS = {
    table.BUNDLE: table.BUNDLE_BLOB,
    table.FALLBACK: table.BUNDLE_BLOB,
    table.SIMPLE: table.SIG_BLOB,
    table.ATTESTED: table.BUNDLE_BLOB,
    table.ATTESTED_FALLBACK: table.BUNDLE_BLOB,
    table.ATTESTED_OLD: table.ATT_BLOB,
}
IS_ATTESTED = {table.ATTESTED, table.ATTESTED_FALLBACK, table.ATTESTED_OLD}
LISTS_REFERRERS = {table.BUNDLE, table.ATTESTED}


@dataclass(frozen=True)
class Lane:
    """A port of its own for each fault, and the image that is signed under that name."""

    listener: socket.socket
    repository: str

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    @property
    def image(self) -> str:
        return f"{self.host}/{self.repository}:1.0"


@dataclass(frozen=True)
class SignedFor:
    """A registry in which every lane's image is signed; `policies` ask for ours, and another."""

    registry: Registry
    lanes: dict[str, Lane]
    digests: dict[str, str]
    policies: Path
    blob: str

    def kind_of(self, lane: str, path: str) -> str:
        """Return the name that the table has for a request about a lane's image."""
        return kind_of(path, subject=self.digests[lane], blob=self.blob)


@dataclass(frozen=True)
class Judged:
    """What became of the image by the policy that its signer meets, and by the other."""

    ours: str
    others: str
    details: tuple[str, ...]


@pytest.fixture(scope="module")
def all_signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SignedFor]]:
    """Give, for each format, a registry with images that are signed for the names of all lanes."""
    with ExitStack() as stack:
        made = {}
        for form in table.EXPECTED:
            folder = tmp_path_factory.mktemp("faults")
            kind = ReferrersRegistry if form in LISTS_REFERRERS else CraneRegistry
            registry = stack.enter_context(kind(folder / "registry"))
            lanes = {}
            for number, name in enumerate(["truth", *table.FAULTS, *table.REGISTRY_FAULTS]):
                listener = stack.enter_context(socket.socket())
                listener.bind(("127.0.0.1", 0))
                lanes[name] = Lane(listener, f"team/app-{number}")
            make = _attested if form in IS_ATTESTED else _signed
            made[form] = make(folder, registry, lanes, form)
        yield made


@pytest.fixture
def signed(all_signed: dict[str, SignedFor], form: str) -> SignedFor:
    """Give the registry of the format that a test is parametrized with."""
    return all_signed[form]


def _signed(folder: Path, registry: Registry, lanes: dict[str, Lane], form: str) -> SignedFor:
    maker, signer = ImageMaker(folder / "images", registry), Signer(folder / "signer", registry)
    keys = {name: signer.generate_key_pair(name) for name in ("ours", "others")}
    digests = {}
    for name, lane in lanes.items():
        made = maker.make_image(f"{lane.repository}:1.0")
        digests[name] = made.partition("@")[2]
        if form == table.SIMPLE:
            identity = f"{lane.host}/{lane.repository}"
            signer.sign_with_cosign2(made, keys["ours"], identity=identity)
        else:
            signer.sign_with_cosign3(made, keys["ours"])
    public = {name: key.public.read_text() for name, key in keys.items()}
    return SignedFor(registry, lanes, digests, _policies(folder, public, SIGNED), BLOBS[form])


def _attested(folder: Path, registry: Registry, lanes: dict[str, Lane], form: str) -> SignedFor:
    maker = MassMaker(registry, lists_referrers=form in LISTS_REFERRERS)
    keys = {name: MassKey() for name in ("ours", "others")}
    is_old = form == table.ATTESTED_OLD
    attest = maker.attest_in_the_old_format if is_old else maker.attest_as_bundle
    digests = {}
    for name, lane in lanes.items():
        made = maker.make_image(lane.repository)
        digests[name] = made.partition("@")[2]
        attest(made, keys["ours"], REPORT)
    public = {name: key.public_pem for name, key in keys.items()}
    policies = _policies(folder, public, ATTESTED.replace("%s", REPORT, 1))
    return SignedFor(registry, lanes, digests, policies, BLOBS[form])


def _policies(folder: Path, keys: dict[str, str], rule: str) -> Path:
    """Write a policy for each of the keys, and return their folder."""
    policies = folder / "policies"
    policies.mkdir()
    texts = []
    for name, key in keys.items():
        (policies / f"{name}.pub").write_text(key)
        authority = f"{{name: {name}, key: {{file: {name}.pub}}}}"
        texts.append(POLICY % {"name": name, "rule": rule % authority})
    (policies / "policies.yaml").write_text("".join(texts))
    return policies


def outcome(verdict: Verdict, policy: str) -> str:
    """Return what one policy alone would make of the image."""
    outcomes = [each.outcome for each in verdict.findings if each.policy == policy]
    if not outcomes:
        return table.ADMITTED
    (found,) = outcomes
    if isinstance(found, Violation):
        return table.REFUSED
    return table.LATE if found.retry else table.UNDECIDED


def written(file: Path, text: str) -> Path:
    """Write a file in a new folder."""
    file.parent.mkdir()
    file.write_text(text)
    return file


async def judged(
    signed: SignedFor,
    lane: Lane,
    folder: Path,
    *,
    cosign: Path | None = None,
    plain: bool = True,
    seconds: float = PLENTY_SECONDS,
) -> Judged:
    """Judge a Pod with the lane's image as the webhook does."""
    entry = {"host": lane.host, "plainHTTP": plain}
    registries = written(folder / "registries.yaml", json.dumps({"registries": [entry]}))
    policies = load_policies(signed.policies)
    view = ClusterState(read_documents(CLUSTER, source="cluster"))
    program = cosign or ensure(["cosign3"])["cosign3"]
    settings = OutsideSettings(registries, str(program))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "app", "image": lane.image}]},
    }
    workload = read_workload(pod, namespace="shop")
    assert workload is not None
    async with fact_source(settings, policies=lambda: policies, view=view) as source:
        judge = Judge(policies=lambda: policies, source=source, namespaces=NamespaceLabels(view))
        case = Case(Operation.CREATE, workload, Deadline.after(seconds), credentials_allowed=True)
        verdict = await judge.judge(case, Side.ENFORCE)
    details = tuple(each.outcome.detail for each in verdict.findings)
    return Judged(outcome(verdict, "ours"), outcome(verdict, "others"), details)


async def faulted(signed: SignedFor, request: str, fault: str, folder: Path) -> Judged:
    """Judge the image while one kind of request meets a fault."""
    lane, kind = signed.lanes[fault], partial(signed.kind_of, fault)
    seconds = SHORT_SECONDS if fault == "slow" else PLENTY_SECONDS
    async with FaultProxy(
        signed.registry.url, lane.listener, fault=fault, is_hit=lambda path: kind(path) == request
    ) as proxy:
        result = await judged(signed, lane, folder, seconds=seconds)
    assert proxy.hits or fault == "slow"
    return result


def says(fault: str, result: Judged) -> bool:
    """Whether every finding tells what has happened; another key's refusal needs no fault."""
    wanted = table.FAULTS[fault].says
    if result.ours == table.ADMITTED:
        return True
    return all(any(text in detail for text in wanted) for detail in result.details)


every_format = pytest.mark.parametrize("form", list(table.EXPECTED))
ROWS = [(form, request) for form, rows in table.EXPECTED.items() for request in rows]


@every_format
async def test_without_a_fault_our_signature_admits_and_no_other(
    signed: SignedFor, form: str, tmp_path: Path
) -> None:
    """
    The proxy changes nothing: the image is admitted by its key, refused by another.

    Each request of the verification has its row in the table, and is made once for both policies.
    """
    lane = signed.lanes["truth"]
    async with FaultProxy(signed.registry.url, lane.listener) as proxy:
        result = await judged(signed, lane, tmp_path / "truth")

    asked = Counter(signed.kind_of("truth", path) for path in proxy.paths)
    assert (table.ADMITTED, table.REFUSED) == (result.ours, result.others)
    assert dict.fromkeys(table.EXPECTED[form], 1) == asked


@pytest.mark.parametrize(("form", "asked"), ROWS)
async def test_semantics_14_every_fault_of_every_request(
    form: str, signed: SignedFor, asked: str, tmp_path: Path
) -> None:
    """Each fault of a request ends as written, says what it was, and admits no other key."""
    results = await asyncio.gather(
        *(
            faulted(signed, asked, fault, tmp_path / fault.replace(" ", "-"))
            for fault in table.FAULTS
        )
    )
    found = dict(zip(table.FAULTS, results, strict=True))

    expected = table.EXPECTED[form][asked]
    assert {} == {
        name: (each.ours, expected[name])
        for name, each in found.items()
        if not table.meets(each.ours, expected[name])
    }
    assert {} == {name: each for name, each in found.items() if each.others == table.ADMITTED}
    assert {} == {name: each for name, each in found.items() if not says(name, each)}


@every_format
async def test_a_registry_that_is_not_trusted_leaves_the_image_undecided(
    signed: SignedFor, tmp_path: Path
) -> None:
    """Whoever is in the middle can present a certificate, so it says nothing of the image."""
    lane = signed.lanes["TLS"]
    unknown = server_context(Authority(tmp_path / "unknown"))
    async with FaultProxy(signed.registry.url, lane.listener, tls=unknown):
        result = await judged(signed, lane, tmp_path / "case", plain=False)

    _, expected = table.REGISTRY_FAULTS["TLS"]
    assert (expected, expected) == (result.ours, result.others)
    assert "the certificate of" in result.details[0]


@every_format
async def test_a_registry_that_is_down_leaves_the_image_undecided(
    signed: SignedFor, tmp_path: Path
) -> None:
    """An outage is neither the image's fault nor a pass."""
    result = await judged(signed, signed.lanes["down"], tmp_path / "case")

    _, expected = table.REGISTRY_FAULTS["down"]
    assert (expected, expected) == (result.ours, result.others)
    assert "failed or was cut" in result.details[0]


VERSION = '[ "$1" = version ] && { echo \'{"gitVersion":"v3.1.3"}\'; exit 0; }'
PROGRAMS = {
    "another version": 'echo \'{"gitVersion":"v2.6.5"}\'',
    "hangs at its version": "exec /bin/sleep 600",
    "hangs": f"{VERSION}; exec /bin/sleep 600",
    "prints 1 GB": f"{VERSION}; exec {sys.executable} -IS -c 'for _ in range(2**10): "
    'print("x" * 2**20)\'',
    "killed": f"{VERSION}; kill -9 $$",
    "fails at once": f"{VERSION}; exit 1",
    "says nothing": f"{VERSION}; exit 0",
}
UNDER_WAY = "still under way"
"""What is said instead where the verifier notices the deadline first."""

SAID = {
    "missing": ("cosign could not be started",),
    "not executable": ("cosign could not be started",),
    "another version": ('prints "v2.6.5", cosign 3 is wanted',),
    "hangs at its version": ("did not come in time",),
    "hangs": ("did not come in time",),
    "prints 1 GB": ("printed more than the limit",),
    "killed": ("ended by signal 9",),
    "fails at once": ("before it looked at the image",),
    "says nothing": ("do not go together", "prints no attestation"),
}


def broken_cosign(fault: str, folder: Path) -> Path:
    """Return the path of a program that has the fault."""
    folder.mkdir()
    path = folder / "cosign"
    if fault != "missing":
        path.write_text(f"#!/bin/sh\n{PROGRAMS.get(fault, 'exit 0')}\n")
        path.chmod(0o644 if fault == "not executable" else 0o755)
    return path


async def judged_by_broken(signed: SignedFor, fault: str, folder: Path) -> Judged:
    """Judge the image with a cosign that has the fault."""
    _, expected = table.COSIGN_FAULTS[fault]
    seconds = SHORT_SECONDS if expected == table.LATE else PLENTY_SECONDS
    return await judged(
        signed,
        signed.lanes["truth"],
        folder / fault.replace(" ", "-"),
        cosign=broken_cosign(fault, folder / f"program-{fault.replace(' ', '-')}"),
        seconds=seconds,
    )


@every_format
async def test_semantics_12_a_cosign_that_proves_nothing_leaves_the_image_undecided(
    signed: SignedFor, tmp_path: Path
) -> None:
    """A program that is missing, stuck, killed or babbling is no verdict about an image."""
    async with FaultProxy(signed.registry.url, signed.lanes["truth"].listener):
        results = await asyncio.gather(
            *(judged_by_broken(signed, fault, tmp_path) for fault in table.COSIGN_FAULTS)
        )
    found = dict(zip(table.COSIGN_FAULTS, results, strict=True))

    assert {name: (expected, expected) for name, (_, expected) in table.COSIGN_FAULTS.items()} == {
        name: (each.ours, each.others) for name, each in found.items()
    }
    assert {} == {
        name: each
        for name, each in found.items()
        if not all(
            any(text in detail for text in (*SAID[name], UNDER_WAY)) for detail in each.details
        )
    }
