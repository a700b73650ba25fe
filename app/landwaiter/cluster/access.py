"""What the API server lets us do, as it says itself."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from landwaiter.cluster.objects import Requests
from landwaiter.cluster.requests import ApiRequest
from landwaiter.cluster.transport import refusal
from landwaiter.errors import ClusterUnavailable

_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Right:
    """
    A verb on a resource, or on its subresource behind a slash.

    Without `namespace` it is for all of them, without `name` for all objects.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        name = f' "{self.name}"' if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {resource}{name}{where}"


async def may(requests: Requests, right: Right) -> bool:
    """Return whether we have a right. Raises `ClusterUnavailable`."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    request = ApiRequest(
        "POST", _PATH, f"the right to {right}", "create", "selfsubjectaccessreviews", body=body
    )
    answer = await requests.send(request)
    if answer.status != HTTPStatus.CREATED:
        raise ClusterUnavailable(refusal(request, answer.status))
    try:
        allowed = json.loads(answer.content)["status"]["allowed"]
    except (ValueError, RecursionError, KeyError, TypeError) as cause:
        raise ClusterUnavailable(f"{request.what} cannot be understood") from cause
    return allowed is True
