"""Which Kubernetes it is, however its provider writes it."""

from dataclasses import dataclass

import pytest

from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.cluster.version import ServerVersion, server_version
from landwaiter.errors import ClusterUnavailable


@dataclass
class Server:
    status: int
    content: bytes

    async def send(self, request: ApiRequest) -> ApiAnswer:
        assert ("GET", "/version") == (request.method, request.path)
        return ApiAnswer(self.status, self.content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"major":"1","minor":"36","gitVersion":"v1.36.3"}', ServerVersion(1, 36)),
        (b'{"major":"1","minor":"28+"}', ServerVersion(1, 28)),
    ],
)
async def test_the_version_is_read(content: bytes, expected: ServerVersion) -> None:
    """Major and minor; some providers add a sign."""
    assert expected == await server_version(Server(200, content))


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (403, b"{}"),
        (200, b"junk"),
        (200, b"[]"),
        (200, b'{"major":"1"}'),
        (200, b'{"major":"x","minor":"y"}'),
    ],
)
async def test_what_is_no_version_is_unknown(status: int, content: bytes) -> None:
    """It is not guessed."""
    with pytest.raises(ClusterUnavailable, match="the API server's version"):
        await server_version(Server(status, content))


def test_versions_are_compared_as_numbers() -> None:
    """1.9 is before 1.28."""
    assert ServerVersion(1, 9) < ServerVersion(1, 28) < ServerVersion(2, 0)
    assert "1.28" == str(ServerVersion(1, 28))
