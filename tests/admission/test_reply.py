"""The answer as the API server reads it."""

import json
from typing import Any

import pytest

from landwaiter.admission.reply import (
    Remarks,
    Reply,
    allowed,
    refused,
    try_again,
    undecided,
)

REMARKS = Remarks(("look out",), {"violations": "{}"})


def an_answer(**response: object) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u", **response},
    }


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (allowed("u"), an_answer(allowed=True)),
        (
            allowed("u", REMARKS),
            an_answer(allowed=True, warnings=["look out"], auditAnnotations={"violations": "{}"}),
        ),
        (
            refused("u", "\nno"),
            an_answer(
                allowed=False,
                status={
                    "status": "Failure",
                    "message": "\nno",
                    "reason": "Forbidden",
                    "code": 403,
                },
            ),
        ),
        (
            refused("u", "\nno", REMARKS),
            an_answer(
                allowed=False,
                status={
                    "status": "Failure",
                    "message": "\nno",
                    "reason": "Forbidden",
                    "code": 403,
                },
                warnings=["look out"],
                auditAnnotations={"violations": "{}"},
            ),
        ),
        (
            try_again("u", "\nsoon"),
            an_answer(
                allowed=False,
                status={
                    "status": "Failure",
                    "message": "\nsoon",
                    "reason": "ServiceUnavailable",
                    "code": 503,
                    "details": {"retryAfterSeconds": 1},
                },
            ),
        ),
        (
            try_again("u", "\nlater", after_seconds=5),
            an_answer(
                allowed=False,
                status={
                    "status": "Failure",
                    "message": "\nlater",
                    "reason": "ServiceUnavailable",
                    "code": 503,
                    "details": {"retryAfterSeconds": 5},
                },
            ),
        ),
        (
            undecided("u", "\nfault"),
            an_answer(
                allowed=False,
                status={
                    "status": "Failure",
                    "message": "\nfault",
                    "reason": "ServiceUnavailable",
                    "code": 503,
                },
            ),
        ),
    ],
)
def test_semantics_16_each_kind_of_answer_has_its_code(
    reply: Reply, answer: dict[str, Any]
) -> None:
    """Refused is 403; 503 has a delay only where asking again helps."""

    assert answer == json.loads(reply.to_json())


def test_any_text_can_be_sent() -> None:
    """Also text that is not valid Unicode, which a request may contain."""

    assert b'"message":"\\ud800\\u2717"' in refused("u", "\ud800✗").to_json()
