"""
The question as it comes over the wire: an AdmissionReview of `admission.k8s.io/v1`.

Only what is judged or echoed has a field; everything else in a review is passed over. A Pod that is
created, which most reviews are about, is read from the bytes into what is judged of it, in one
step. Other objects stay plain JSON, for `workloads` to read, but for what is nested too deep (see
`nesting`); so do Pods in which something is not as it should be, so that a problem is told in one
way only. A review that says the same key twice counts as Go's decoder counts it: the last one
stands.
Source: k8s.io/api v0.36, admission/v1/types.go.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from landwaiter.admission.nesting import without_deep_values
from landwaiter.errors import InvalidReview
from landwaiter.workloads.podspec import Pod

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

WANTED: Final[Mapping[str, str]] = {
    "apiVersion": f'"{API_VERSION}"',
    "kind": f'"{KIND}"',
    "request": "an object",
    "request.uid": "1 to 128 letters, digits and ._:-",
    "request.kind": "an object",
    "request.kind.version": "a string",
    "request.kind.kind": "a string",
    "request.operation": "CREATE, UPDATE, DELETE or CONNECT",
}
"""What a field is to hold, where pydantic would not say it in these words."""

SEEN_LIMIT_CHARS: Final = 60
"""How much of a wrong value is quoted back."""

Uid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\z")]
"""The API server sends UUIDs; whatever else is echoed into answers and logs must be as tame."""


_TOO_DEEP: Final = "recursion limit exceeded"
"""What pydantic's JSON parser (jiter) says of values that are nested too deep for it."""


class _TooDeepError(InvalidReview):
    """A review that may be one but for values that are nested too deep."""


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
    )


class ObjectKind(_Wire):
    """The kind that the object in the review has."""

    group: str = ""
    version: str
    kind: str


class UserInfo(_Wire):
    """The requester, as the API server has authenticated them."""

    username: str = ""
    groups: Annotated[tuple[str, ...], Field(fail_fast=True)] | None = None
    """Read up to the first that is none: millions of errors take seconds to list."""


class _Request(_Wire):
    """What every request says, whatever it is about."""

    uid: Uid
    kind: ObjectKind
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: UserInfo = Field(default_factory=UserInfo)
    dry_run: bool | None = None

    def without_objects(self) -> "AdmissionRequest":
        """Return the same request, holding none of the objects."""
        return AdmissionRequest.model_construct(
            uid=self.uid,
            kind=self.kind,
            operation=self.operation,
            sub_resource=self.sub_resource,
            name=self.name,
            namespace=self.namespace,
            user_info=self.user_info,
            dry_run=self.dry_run,
        )


class AdmissionRequest(_Request):
    """What is about to happen to one object."""

    object: dict[str, Any] | None = Field(default=None, repr=False)
    old_object: dict[str, Any] | None = Field(default=None, repr=False)


class _PodKind(ObjectKind):
    group: Literal[""] = ""
    kind: Literal["Pod"]


class PodCreation(_Request):
    """A Pod that is about to be created, as far as it is judged."""

    kind: _PodKind
    operation: Literal["CREATE"]
    sub_resource: Literal[""] = ""
    object: Pod = Field(repr=False)
    old_object: None = None
    _body: bytes = PrivateAttr(b"")

    def whole_object(self) -> Mapping[str, Any] | None:
        """Return the Pod as it was written, decoded anew."""
        return _decode(self._body).object


Request: TypeAlias = AdmissionRequest | PodCreation


def attributes_of(request: Request) -> dict[str, Any]:
    """Return what conditions may ask of the request, under the names of Kubernetes."""
    user = request.user_info
    return {
        "operation": request.operation,
        "name": request.name,
        "namespace": request.namespace,
        "dryRun": request.dry_run is True,
        "subResource": request.sub_resource,
        "kind": {
            "group": request.kind.group,
            "version": request.kind.version,
            "kind": request.kind.kind,
        },
        "userInfo": {"username": user.username, "groups": list(user.groups or ())},
    }


class _AdmissionReview(_Wire):
    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: AdmissionRequest


class _PodReview(_Wire):
    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: PodCreation


_SAYS_POD: Final = b'"kind":"Pod"'
_SAYS_CREATE: Final = b'"operation":"CREATE"'


def decode(body: bytes) -> Request:
    """
    Return the request in a review.

    Raises `InvalidReview`, whose text names the field, the value seen and the value wanted.
    """
    # What the API server writes of a Pod has both texts; whether they mean it, the model tells.
    if _SAYS_POD in body and _SAYS_CREATE in body:
        try:
            creation = _PodReview.model_validate_json(body).request
        except ValidationError:
            pass
        else:
            creation._body = body  # noqa: SLF001  # Its own module.
            return creation
    try:
        return _decode(body)
    except _TooDeepError:
        return _decode(without_deep_values(body))


def _decode(body: bytes) -> AdmissionRequest:
    try:
        return _AdmissionReview.model_validate_json(body).request
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=True)[0]
        kind = _TooDeepError if _TOO_DEEP in str(problem.get("ctx")) else InvalidReview
        raise kind(_sentence(problem)) from None


def _sentence(problem: ErrorDetails) -> str:
    if problem["type"] == "json_invalid":
        reason = str(problem.get("ctx", {}).get("error", "malformed"))
        return f"the body is not one JSON document: {reason}"
    field = ".".join(str(part) for part in problem["loc"]) or "the body"
    seen = "nothing" if problem["type"] == "missing" else _seen(problem["input"])
    wanted = WANTED.get(field) or problem["msg"].removeprefix("Input should be ")
    return f"{field}: seen {seen}, wanted {wanted}"


def _seen(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case str() if len(value) > SEEN_LIMIT_CHARS:
            return json.dumps(value[:SEEN_LIMIT_CHARS] + "...")
        case _:
            return json.dumps(value)
