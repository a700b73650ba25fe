"""What the API server says that we may do."""

import json
from dataclasses import dataclass, field

import pytest

from landwaiter.cluster.access import Right, may
from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.errors import ClusterUnavailable


@dataclass
class Server:
    answer: ApiAnswer
    asked: list[ApiRequest] = field(default_factory=list)

    async def send(self, request: ApiRequest) -> ApiAnswer:
        self.asked.append(request)
        return self.answer


def says(allowed: object) -> Server:
    return Server(ApiAnswer(201, json.dumps({"status": {"allowed": allowed}}).encode()))


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_right_is_asked_for(allowed: bool) -> None:  # noqa: FBT001
    """With every attribute that a role can name, and no empty one."""
    server = says(allowed)
    right = Right("update", "coordination.k8s.io", "leases", "lw", "guard")

    assert allowed == await may(server, right)
    assert [
        {
            "verb": "update",
            "group": "coordination.k8s.io",
            "resource": "leases",
            "namespace": "lw",
            "name": "guard",
        }
    ] == [(request.body or {})["spec"]["resourceAttributes"] for request in server.asked]
    await may(server, Right("get", "", "secrets"))
    await may(server, Right("update", "", "pods/status"))
    assert [
        {"verb": "get", "resource": "secrets"},
        {"verb": "update", "resource": "pods", "subresource": "status"},
    ] == [(request.body or {})["spec"]["resourceAttributes"] for request in server.asked[1:]]


@pytest.mark.parametrize(
    "answer",
    [ApiAnswer(403, b"{}"), ApiAnswer(201, b"junk"), ApiAnswer(201, b"[]"), ApiAnswer(201, b"{}")],
)
async def test_no_answer_is_no_right_and_no_lack_of_it(answer: ApiAnswer) -> None:
    """It is unknown."""
    with pytest.raises(ClusterUnavailable, match="the right to get secrets"):
        await may(Server(answer), Right("get", "", "secrets"))


async def test_what_is_not_yes_is_no() -> None:
    """Whatever else it may be."""
    assert not await may(says("yes"), Right("get", "", "secrets"))
