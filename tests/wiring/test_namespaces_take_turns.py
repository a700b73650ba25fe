"""What is found out for a namespace waits in its turn, whatever it is."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from cosign.fakes import a_key
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.places import ImagePlaces
from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.rules.attestations import AttestationQuestion
from landwaiter.rules.cosign_signatures import SignatureQuestion
from landwaiter.rules.image_content import PlatformsQuestion
from landwaiter.rules.protocol import CurrentDigest, Question
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.rules.statement_conditions import Conditions
from wiring.a_cluster import an_inquiry
from wiring.an_outside import outside
from wiring.signed_images import index_of, signed

CI = SigningAuthority("ci", a_key())
KIND = "https://slsa.dev/provenance/v1"
QUESTIONS: dict[str, tuple[Callable[[ImageReference], Question[Any]], int]] = {
    "tag": (CurrentDigest, 0),
    "signature": (lambda image: SignatureQuestion(image, CI), 1),
    "signatures of an index": (lambda image: SignatureQuestion(image, CI, "Platforms"), 1),
    "attestation": (
        lambda image: AttestationQuestion(image, CI, KIND, Conditions(None, ()), 1),
        1,
    ),
    "content": (PlatformsQuestion, 0),
}
"""Each question about an index of one image, and how many places it takes."""


@pytest.mark.parametrize("name", QUESTIONS)
async def test_each_question_is_one_of_its_namespace(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work and places are counted for the namespace of whoever asked."""
    begun: list[str | None] = []
    taken: list[str] = []
    join, of = Flights.join, ImagePlaces.of

    async def joined(
        self: Flights[Any, Any],
        key: object,
        work: Callable[[], Coroutine[Any, Any, Any]],
        *,
        deadline: Deadline,
        namespace: str | None = None,
    ) -> object:
        begun.append(namespace)
        return await join(self, key, work, deadline=deadline, namespace=namespace)

    def held(self: ImagePlaces, registry: str, namespace: str, image: object) -> object:
        taken.append(namespace)
        return of(self, registry, namespace, image)

    monkeypatch.setattr(Flights, "join", joined)
    monkeypatch.setattr(ImagePlaces, "of", held)
    question, places = QUESTIONS[name]
    async with outside(tmp_path) as world:
        image = index_of(world.registry, signed(world.registry, a_key()))
        await world.source.answer(question(image), an_inquiry(namespace="billing"))

    assert ({"billing"}, ["billing"] * places) == ({each for each in begun if each}, taken)
