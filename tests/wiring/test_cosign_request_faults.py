"""
Each fault of each request that cosign itself makes of our endpoint, one at a time.

A proxy stands before the endpoint, which takes it for cosign: to the endpoint all was delivered.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from cosign.judging import a_client
from landwaiter.cosign.attestations import AttestationVerifier
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.outcome import Verified
from landwaiter.cosign.statements import Attestation
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings
from landwaiter.deadline import Deadline
from landwaiter.errors import Unavailable
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from realparts.install import ensure
from realparts.mass_signing import MassKey, MassMaker
from realparts.registries import ReferrersRegistry
from wiring import fault_table as table
from wiring.fault_proxy import FaultProxy

pytestmark = pytest.mark.system

REPORT = "https://example.com/report/v1"
SIGNATURES = {"bundle", "simple signing"}
RUN_SECONDS = 30.0
SLOW_SECONDS = 1.0
"""How long a run may take that will never be answered."""

AT_ONCE = 8


@dataclass(frozen=True)
class Scene:
    """A registry with an image of each form, which our key has signed, and no other."""

    registry: ReferrersRegistry
    images: dict[str, ImageReference]
    ours: Authority
    others: Authority


@dataclass
class Trial:
    """One verification, of whose requests to our endpoint one meets a fault."""

    scene: Scene
    form: str
    fault: str | None = None
    number: int = 0

    async def outcomes(self) -> tuple[str, str, int]:
        """Return what becomes of the image by our key and by another, and how much was asked."""
        asked = 0
        found = []
        for authority in (self.scene.ours, self.scene.others):
            outcome, asked = await self._outcome(authority)
            found.append(outcome)
        return found[0], found[1], asked

    async def _outcome(self, authority: Authority) -> tuple[str, int]:
        seconds = SLOW_SECONDS if self.fault == "slow" else RUN_SECONDS
        settings = VerifierSettings(ensure(["cosign3"])["cosign3"], run_seconds=seconds)
        numbers = count()
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(a_client(self.scene.registry))
            verifier = await stack.enter_async_context(SignatureVerifier(client, settings))
            verifier.program._version = (
                "v3.1.3"  # Asking each time would take as long as the trial.
            )
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            endpoint = verifier.program.endpoint
            proxy = await stack.enter_async_context(
                FaultProxy(
                    f"http://127.0.0.1:{endpoint._port}",
                    listener,
                    fault=self.fault,
                    is_hit=lambda _: next(numbers) == self.number,
                )
            )
            endpoint._port = listener.getsockname()[1]
            try:
                is_good = await self._is_good(client, verifier, authority)
            except Unavailable:
                return table.UNDECIDED, len(proxy.paths)
            return table.ADMITTED if is_good else table.REFUSED, len(proxy.paths)

    async def _is_good(
        self, client: RegistryClient, verifier: SignatureVerifier[Keychain], authority: Authority
    ) -> bool:
        image, deadline = self.scene.images[self.form], Deadline.after(60)
        if self.form in SIGNATURES:
            outcome = await verifier.verify(
                image, authority, keychain=EMPTY_KEYCHAIN, deadline=deadline
            )
            return isinstance(outcome, Verified)
        async with AttestationVerifier(client, verifier.program) as attestations:
            found = await attestations.verify(
                image,
                authority,
                REPORT,
                enough=_any_at_all,
                keychain=EMPTY_KEYCHAIN,
                deadline=deadline,
                namespace="shop",
            )
            return bool(found.attestations)


async def _any_at_all(attestations: Sequence[Attestation]) -> bool:
    return bool(attestations)


def by(key: MassKey) -> Authority:
    return Authority("ci", (PublicKey.parse(key.public_pem),))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("requests")
    with ReferrersRegistry(folder) as registry:
        maker, ours, others = MassMaker(registry), MassKey(), MassKey()
        made = {
            form: maker.make_image(f"team/{form.replace(' ', '-')}")
            for form in table.COSIGN_REQUESTS
        }
        maker.sign_as_bundle(made["bundle"], ours)
        maker.sign_in_the_old_format(made["simple signing"], ours)
        maker.attest_as_bundle(made["bundle of an attestation"], ours, REPORT)
        maker.attest_in_the_old_format(made["envelope"], ours, REPORT)
        images = {form: ImageReference.parse(image) for form, image in made.items()}
        yield Scene(registry, images, by(ours), by(others))


every_form = pytest.mark.parametrize("form", list(table.COSIGN_REQUESTS))


@every_form
async def test_without_a_fault_each_request_of_cosign_has_its_row(scene: Scene, form: str) -> None:
    """The proxy changes nothing, and the table knows how much cosign asks."""
    assert (
        table.ADMITTED,
        table.REFUSED,
        len(table.COSIGN_REQUESTS[form]),
    ) == await Trial(scene, form).outcomes()


@every_form
async def test_semantics_12_every_fault_of_every_request_of_cosign(scene: Scene, form: str) -> None:
    """Each ends as written, and none admits what another key has signed."""
    places = asyncio.Semaphore(AT_ONCE)
    rows = table.COSIGN_REQUESTS[form]
    trials = [
        (request, Trial(scene, form, fault, number))
        for number, (request, outcomes) in enumerate(rows.items())
        for fault in outcomes
    ]

    async def tried(trial: Trial) -> tuple[str, str, int]:
        async with places:
            return await trial.outcomes()

    found = await asyncio.gather(*(tried(trial) for _, trial in trials))
    told = [
        (request, trial.fault, ours)
        for (request, trial), (ours, _, _) in zip(trials, found, strict=True)
    ]
    wrong = [
        trial
        for (_, trial), (_, others, _) in zip(trials, found, strict=True)
        if others == table.ADMITTED
    ]

    assert [(r, f, outcome) for r, row in rows.items() for f, outcome in row.items()] == told
    assert [] == wrong
