"""Really attested images in real registries, judged by the real cosign for the real API server."""

from typing import Any

import pytest

from system.installation import Installation
from system.objects import a_pod, refusal_of
from system.policies import REVIEW
from system.workshop import Bench, Workshop

LOOKED_AT: dict[str, Any] = {"predicate_type": REVIEW, "predicate": {"by": "ann"}}


def a_report(*findings: str) -> dict[str, Any]:
    result = {"invocation": {}, "scanner": {"result": findings}, "metadata": {}}
    return {"predicate_type": "vuln", "predicate": result}


@pytest.mark.parametrize("bench", ["referrers", "plain"])
def test_an_image_is_admitted_with_all_that_is_asked_for(
    installation: Installation, workshop: Workshop, bench: str
) -> None:
    """
    Of two attestations each is needed, by its own signer, and has to say what is wanted.

    The formats may be different ones.
    """
    at: Bench = getattr(workshop, bench)
    names = ("lacking", "bad", "good")
    lacking, bad, good = (at.images.make_image(f"attested/{name}:1") for name in names)
    for image, scanner, findings in (
        (lacking, workshop.stranger, ()),
        (bad, workshop.ci, ("CVE-2026-1",)),
        (good, workshop.ci, ()),
    ):
        at.signer.attest_with_cosign3(image, workshop.stranger, **LOOKED_AT)
        at.signer.attest_with_cosign2(image, scanner, **a_report(*findings))
    namespace = installation.namespace("attested")
    answers = [installation.create(namespace, a_pod(image)) for image in (lacking, bad, good)]
    said = [str(answer.body.get("message", "")) for answer in answers]

    refused = (403, [("spec.containers[0].image", "attestations")])
    assert [refused, refused, (201, [])] == [refusal_of(answer) for answer in answers]
    assert "scanner: envelope: none of its attestations is by this key" in said[0]
    assert 'scanner: it does not meet "good"' in said[1]
    assert [False] * 3 == ["reviewer" in text for text in said]
