"""Really attested images in real registries, judged by the real cosign for the real API server."""

from typing import Any

import pytest

from system.installation import Installation
from system.objects import a_pod, refusal_of
from system.policies import REVIEW
from system.workshop import Bench, Workshop

REPORT: dict[str, Any] = {
    "predicate_type": "vuln",
    "predicate": {"invocation": {}, "scanner": {}, "metadata": {}},
}
LOOKED_AT: dict[str, Any] = {"predicate_type": REVIEW, "predicate": {"by": "ann"}}


@pytest.mark.parametrize("bench", ["referrers", "plain"])
def test_an_image_is_admitted_with_all_that_is_asked_for(
    installation: Installation, workshop: Workshop, bench: str
) -> None:
    """Of two attestations each is needed, by its own signer; the formats may be different ones."""
    at: Bench = getattr(workshop, bench)
    lacking, good = (at.images.make_image(f"attested/{name}:1") for name in ("lacking", "good"))
    for image, scanner in ((lacking, workshop.stranger), (good, workshop.ci)):
        at.signer.attest_with_cosign3(image, workshop.stranger, **LOOKED_AT)
        at.signer.attest_with_cosign2(image, scanner, **REPORT)
    namespace = installation.namespace("attested")
    refused = installation.create(namespace, a_pod(lacking))
    said = str(refused.body["message"])

    assert (403, [("spec.containers[0].image", "attestations")]) == refusal_of(refused)
    assert "scanner: envelope: none of its attestations is by this key" in said
    assert "reviewer" not in said
    assert (201, []) == refusal_of(installation.create(namespace, a_pod(good)))
