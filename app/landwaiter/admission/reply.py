"""
The answer as it goes over the wire; its constructors are the vocabulary of all answers.

Every answer is HTTP 200 with the apiVersion and the uid of the review. What differs is in
`response`, and the code in it is that of the user's operation (design, semantics 16):

    allowed    200
    refused    403 Forbidden            kubectl shows the message and fails at once
    try_again  503 with a delay         kubectl and client-go wait and ask again by themselves
    undecided  503 without one          kubectl shows the message and fails at once

Source: k8s.io/api v0.36, admission/v1/types.go; k8s.io/apiserver v0.36,
pkg/admission/plugin/webhook/errors/statuserror.go and endpoints/handlers/responsewriters.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from landwaiter.admission.review import API_VERSION, KIND

SOON_SECONDS: Final = 1
"""The delay while something is being found out: a verification takes tenths of a second."""

LATER_SECONDS: Final = 5
"""The delay when this process is so busy that it did not even get to say what is missing."""


_TO_ASCII: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False)


@dataclass(frozen=True, slots=True)
class Remarks:
    """
    What an answer says besides its decision.

    kubectl prints each warning on a line of its own; the audit log keeps the annotations.
    """

    warnings: tuple[str, ...] = ()
    audit_annotations: Mapping[str, str] = field(default_factory=dict)


NO_REMARKS: Final = Remarks()

_ALLOWED_BEGIN: Final = (
    f'{{"apiVersion":"{API_VERSION}","kind":"{KIND}","response":{{"uid":"'.encode("ascii")
)
_ALLOWED_END: Final = b'","allowed":true}}'


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; made by the functions of this module only."""

    uid: str
    code: HTTPStatus
    message: str = ""
    retry_after_seconds: int | None = None
    remarks: Remarks = NO_REMARKS

    @property
    def is_allowed(self) -> bool:
        """Whether the object may be stored."""
        return self.code is HTTPStatus.OK

    def to_json(self) -> bytes:
        """Return the body of the HTTP answer, in ASCII, so that no text can break it."""
        if self.is_allowed and self.remarks is NO_REMARKS:
            # The uid is one that was decoded: letters, digits and ._:- need no escapes.
            return _ALLOWED_BEGIN + self.uid.encode("ascii") + _ALLOWED_END
        response: dict[str, Any] = {"uid": self.uid, "allowed": self.is_allowed}
        if not self.is_allowed:
            response["status"] = self._status()
        if self.remarks.warnings:
            response["warnings"] = list(self.remarks.warnings)
        if self.remarks.audit_annotations:
            response["auditAnnotations"] = dict(self.remarks.audit_annotations)
        review = {"apiVersion": API_VERSION, "kind": KIND, "response": response}
        return _TO_ASCII.encode(review).encode("ascii")

    def _status(self) -> dict[str, Any]:
        forbidden = self.code is HTTPStatus.FORBIDDEN
        status: dict[str, Any] = {
            "status": "Failure",
            "message": self.message,
            "reason": "Forbidden" if forbidden else "ServiceUnavailable",
            "code": int(self.code),
        }
        if self.retry_after_seconds is not None:
            status["details"] = {"retryAfterSeconds": self.retry_after_seconds}
        return status


def call_refused(code: HTTPStatus, message: str) -> bytes:
    """
    Return the body of an answer to a call that is no review, or comes at a bad moment.

    It is a Kubernetes Status, in ASCII: of any other body the API server tells the person nothing
    but "for an unknown reason" (k8s.io/client-go v0.36, rest/request.go, transformResponse).
    """
    status = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure"}
    return _TO_ASCII.encode({**status, "message": message, "code": int(code)}).encode("ascii")


def allowed(uid: str, remarks: Remarks = NO_REMARKS) -> Reply:
    """Let the object be stored."""
    return Reply(uid, HTTPStatus.OK, remarks=remarks)


def refused(uid: str, message: str, remarks: Remarks = NO_REMARKS) -> Reply:
    """Refuse the object: asking again with the same object brings the same answer."""
    return Reply(uid, HTTPStatus.FORBIDDEN, message, remarks=remarks)


def try_again(
    uid: str, message: str, remarks: Remarks = NO_REMARKS, *, after_seconds: int = SOON_SECONDS
) -> Reply:
    """Refuse the object for now: the work goes on, and clients ask again by themselves."""
    return Reply(uid, HTTPStatus.SERVICE_UNAVAILABLE, message, after_seconds, remarks)


def undecided(uid: str, message: str, remarks: Remarks = NO_REMARKS) -> Reply:
    """Refuse the object for a fault that asking again will not mend by itself."""
    return Reply(uid, HTTPStatus.SERVICE_UNAVAILABLE, message, remarks=remarks)
