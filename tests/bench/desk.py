"""
The admission application in this process, with everything in memory that a review asks about.

Only the network is left out: requests are handed over as uvicorn would, and whatever would ask a
registry, cosign or the API server fails. It is what profiles, the watchdog of the event loop and
the gate on the work of a decision look at.
"""

import asyncio
import io
import json
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from prometheus_client import CollectorRegistry

from bench.reviews import Rollout
from bench.scene import NAMESPACES, full_policy_set
from landwaiter.admission.handler import Handler
from landwaiter.admission.http import (
    BODY_IS_WHOLE,
    CALLER_IS_API_SERVER,
    AdmissionApp,
    Gate,
    RequestLimits,
    admission_app,
)
from landwaiter.admission.telling import Told
from landwaiter.cluster.state import ClusterState
from landwaiter.cluster.view import NamespaceLabels
from landwaiter.cosign.indexes import IndexVerifier
from landwaiter.cosign.kms import KMSKeys
from landwaiter.cosign.kms_settings import NO_KMS
from landwaiter.cosign.memory import Asked
from landwaiter.cosign.outcome import SignatureFormat, Verified
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings
from landwaiter.deadline import Deadline
from landwaiter.images.configuration import ImageConfiguration
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference, ShortNames
from landwaiter.inventory.ledger import Ledger
from landwaiter.manifests.documents import Document, read_documents
from landwaiter.policy.judge import Judge
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.sources import load_policies
from landwaiter.policy.standing import StandingVerdicts
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.settings import RegistrySettings
from landwaiter.rules.cosign_signatures import CosignSignatures, SignatureQuestion
from landwaiter.rules.image_content import ConfigurationsQuestion, PlatformsQuestion
from landwaiter.rules.pull_secret_answers import PullSecretQuestion
from landwaiter.serving.listener import ASGIApplication
from landwaiter.telemetry.lines import LineWriter
from landwaiter.telemetry.logging import _decision_lines
from landwaiter.telemetry.metrics import Metrics
from landwaiter.telemetry.observers import RegistryMetrics
from landwaiter.trust.tuf_repositories import TUFRepositories
from landwaiter.wiring.facts import FactSources
from landwaiter.wiring.image_contents import ImageContents
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.pull_secrets import PullSecretStates
from landwaiter.wiring.registries import ObservedRegistry
from landwaiter.wiring.signatures import Signatures
from landwaiter.wiring.trust import AuthorityReader

HOST = "registry.example.com"
VERSION = "v3.1.3"
REPOSITORIES = 12
ROLLOUTS = 16
A_CONFIGURATION = ImageConfiguration(
    digest=f"sha256:{'c' * 64}",
    platform=Platform("linux", "amd64"),
    user="65532",
    created=None,
    labels={"team": "shop"},
    layer_sizes=(1000, 2000),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """The application, and the workloads whose reviews it can answer from memory."""

    app: AdmissionApp
    handler: Handler
    rollouts: Sequence[Rollout]

    async def answer(self, body: bytes) -> bytes:
        """Return the body of the answer to a review that the API server posts."""
        answer = await posted(self.app, body)
        await asyncio.sleep(0)  # What is done behind the answer counts as well.
        if b'"allowed":true' not in answer:
            raise RuntimeError(f"not answered from memory: {answer[:2000]!r}")
        return answer


async def posted(app: ASGIApplication, body: bytes) -> bytes:
    """Return the body of an application's answer to a review, handed over as uvicorn would."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(_scope(len(body)), receive, send)
    content: bytes = sent[1]["body"]
    return content


@dataclass(frozen=True, slots=True)
class Furnishing:
    """
    What is on a desk besides its images.

    `policies` are the documents in force, the full set where they are None; `remembered` is how
    many further images are known to be signed.
    """

    policies: tuple[Mapping[str, Any], ...] | None = None
    remembered: int = 0


FULL = Furnishing()


@asynccontextmanager
async def desk(*, stands: bool = True, furnishing: Furnishing = FULL) -> AsyncIterator[Desk]:
    """
    Give a desk for the body of the context.

    Without `stands` every review is judged anew, from the facts in memory.
    """
    with _decisions_logged():
        async with _desk(stands=stands, furnishing=furnishing) as made:
            yield made


@contextmanager
def _decisions_logged() -> Iterator[None]:
    """Write the line of each decision, as the server does, into a text that nobody reads."""
    before = _decision_lines.sink
    _decision_lines.sink = LineWriter(io.StringIO())
    try:
        yield
    finally:
        _decision_lines.sink = before


@asynccontextmanager
async def _desk(*, stands: bool, furnishing: Furnishing) -> AsyncIterator[Desk]:
    images = [f"{HOST}/shop/part-{n}@sha256:{n:064x}" for n in range(REPOSITORIES)]
    policies = _policies(furnishing.policies)
    view = ClusterState(_documents())
    reader = PullSecretReader(view)
    client = RegistryClient(RegistrySettings())
    registry = ObservedRegistry(client, RegistryMetrics(CollectorRegistry()))
    verifier: SignatureVerifier[Keychain] = SignatureVerifier(
        registry, VerifierSettings(Path("no-cosign"))
    )
    async with (
        client,
        verifier,
        TUFRepositories() as repositories,
        IndexVerifier(verifier, registry) as signatures,
        ImageContents(registry, reader) as contents,
    ):
        authorities = AuthorityReader(view, repositories, KMSKeys(verifier.program, NO_KMS))
        source = FactSources(
            {
                PlatformsQuestion: contents.platforms,
                ConfigurationsQuestion: contents.configurations,
                SignatureQuestion: Signatures(
                    signatures, reader, authorities, Ledger(), verifier.version
                ).answer,
                PullSecretQuestion: PullSecretStates(reader).answer,
            }
        )
        others = _others(furnishing.remembered)
        await _remember((*others, *images), policies, verifier, contents, authorities, view)
        namespaces = NamespaceLabels(view)
        judge = StandingVerdicts(
            Judge(policies=lambda: policies, source=source, namespaces=namespaces),
            policies=lambda: policies,
            known_labels=namespaces.known_labels if stands else lambda _: None,
            # It stands still: a verdict that ends while it is counted would be a false alarm.
            clock=lambda: 0.0,
        )
        metrics = SteadyMetrics(CollectorRegistry())
        handler = Handler(
            judge=judge, short_names=ShortNames.DOCKER_HUB, metrics=metrics, teller=NobodyListens()
        )
        gate = Gate(handler=handler, limits=RequestLimits(), metrics=metrics)
        rollouts = tuple(
            Rollout(
                f"web-{number}",
                NAMESPACES[number % len(NAMESPACES)],
                tuple(images[(number + 5 * part) % REPOSITORIES] for part in range(3)),
            )
            for number in range(ROLLOUTS)
        )
        yield Desk(admission_app(gate), handler, rollouts)


class SteadyMetrics(Metrics):
    """
    Counts as the server does, but all answers as equally fast.

    An observation looks at the buckets of its histogram one by one: how many instructions that is
    would depend on the time that the machine took.
    """

    def answered(self, *, side: str, seconds: float, left_seconds: float) -> None:
        """Observe one length for all answers."""
        super().answered(side=side, seconds=min(seconds, 0.0), left_seconds=max(left_seconds, 9.0))


class NobodyListens:
    """Is told what is worth an Event, as the server's own teller, and writes none."""

    def tell(self, told: Told) -> None:
        """Do nothing."""


def _others(count: int) -> list[str]:
    return [f"{HOST}/shop/other-{n % 1000}@sha256:{n + REPOSITORIES:064x}" for n in range(count)]


async def _remember(
    images: Sequence[str],
    policies: PolicySet,
    verifier: SignatureVerifier[Keychain],
    contents: ImageContents,
    authorities: AuthorityReader,
    view: ClusterState,
) -> None:
    """Put into memory what would have been found out about the images."""
    verifier.program._version = VERSION
    rules = [rule for policy in policies for rule in policy.rules]
    signing = [rule for rule in rules if isinstance(rule, CosignSignatures)]
    if not signing:
        return
    (rule,) = signing
    authority = await authorities.authority(rule.authorities[0], deadline=Deadline.after(5))
    secret = await view.get_secret(NAMESPACES[0], "pull", deadline=Deadline.after(5))
    reader = PullSecretReader(view)
    if secret is None:
        raise LookupError("the documents of the desk have no pull secret")
    keychain = reader._configs.keychain([secret])
    for text in images:
        image = replace(ImageReference.parse(text), tag=None)
        asked = Asked(image, authority.fingerprint(VERSION), "")
        verifier._memory.keep(asked, Verified(SignatureFormat.BUNDLE))
        contents._contents[image, keychain.fingerprint(image)] = A_CONFIGURATION


def _policies(documents: Iterable[Mapping[str, Any]] | None) -> PolicySet:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policies.yaml"
        written = full_policy_set(HOST, pem) if documents is None else documents
        file.write_text("\n---\n".join(map(json.dumps, written)))
        return load_policies(Path(folder))


def _documents() -> tuple[Document, ...]:
    login = b64encode(b"ann:password").decode()
    config = b64encode(json.dumps({"auths": {HOST: {"auth": login}}}).encode()).decode()
    objects: list[Mapping[str, Any]] = []
    for name in NAMESPACES:
        labels = {"env": "production", "team": name}
        objects.append(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        )
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/dockerconfigjson",
                "metadata": {"name": "pull", "namespace": name, "resourceVersion": "7"},
                "data": {".dockerconfigjson": config},
            }
        )
    text = "\n---\n".join(map(json.dumps, objects))
    return read_documents(text.encode(), source="the bench")


def _scope(length: int) -> MutableMapping[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/validate",
        "raw_path": b"/validate",
        "query_string": b"timeout=10s",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"user-agent", b"kube-apiserver-admission"),
            (b"accept", b"application/json, */*"),
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
        ],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8443),
        "state": {CALLER_IS_API_SERVER: True},
        BODY_IS_WHOLE: True,
    }
