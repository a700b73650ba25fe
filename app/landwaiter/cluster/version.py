"""Which Kubernetes the API server is."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from landwaiter.cluster.objects import Requests
from landwaiter.cluster.requests import ApiRequest
from landwaiter.cluster.transport import refusal
from landwaiter.errors import ClusterUnavailable

_NUMBER: Final = re.compile(r"(\d{1,4})")
"""Some providers write the minor version as `28+`."""


@dataclass(frozen=True, slots=True, order=True)
class ServerVersion:
    """Such as 1.36."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


async def server_version(requests: Requests) -> ServerVersion:
    """Return the version of the API server. Raises `ClusterUnavailable`."""
    request = ApiRequest("GET", "/version", "the API server's version", "get", "/version")
    answer = await requests.send(request)
    if answer.status != HTTPStatus.OK:
        raise ClusterUnavailable(refusal(request, answer.status))
    try:
        content = json.loads(answer.content)
        major, minor = (_NUMBER.match(str(content[key])) for key in ("major", "minor"))
    except (ValueError, RecursionError, KeyError, TypeError) as cause:
        raise ClusterUnavailable("the API server's version cannot be understood") from cause
    if major is None or minor is None:
        raise ClusterUnavailable("the API server's version cannot be understood")
    return ServerVersion(int(major[1]), int(minor[1]))
