"""An API server in memory: objects with resource versions, for what is written by several."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from landwaiter.cluster.objects import Requests
from landwaiter.cluster.requests import ApiAnswer, ApiRequest, PatchType
from landwaiter.errors import ClusterUnavailable


@dataclass
class FakeAPI:
    """
    Keeps objects by their paths.

    `asked` are the requests so far, as "METHOD path", and `answered` is how many have an answer.

    `down` is raised by every request, `refused` are methods that are answered with 403.
    """

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refused: frozenset[str] = frozenset()
    down: ClusterUnavailable | None = None
    version: int = 0
    answered: int = 0

    async def send(self, request: ApiRequest) -> ApiAnswer:
        self.asked.append(f"{request.method} {request.path}")
        await asyncio.sleep(0)  # Others may ask meanwhile, as on a network.
        self.answered += 1
        if self.down is not None:
            raise self.down
        if request.method in self.refused:
            return _status(403)
        body: Mapping[str, Any] = request.body or {}
        if request.verb == "list":
            return self._list(request.path)
        # Bodies are read before anything else is done, as a real one reads them from the wire.
        method = "POST" if self._is_new(request) else request.method
        return self._answer(method, request.path, json.loads(json.dumps(body)))

    def _is_new(self, request: ApiRequest) -> bool:
        """Whether what is applied has to be made, which takes the path of all objects."""
        is_applied = request.content_type == PatchType.APPLY
        return is_applied and request.path not in self.objects

    def _list(self, path: str) -> ApiAnswer:
        items = [each for at, each in self.objects.items() if at.rpartition("/")[0] == path]
        return _json({"metadata": {"resourceVersion": str(self.version)}, "items": items})

    def _answer(self, method: str, path: str, body: dict[str, Any]) -> ApiAnswer:
        if method == "POST":
            path = f"{path.removesuffix('/' + body['metadata']['name'])}/{body['metadata']['name']}"
            return _status(409) if path in self.objects else self._stored(path, body, 201)
        found = self.objects.get(path)
        if found is None:
            return _status(404)
        metadata = found["metadata"]
        match method:
            case "GET":
                return _json(found)
            case "PATCH":
                return self._stored(path, {**found, **body, "metadata": metadata})
            case "DELETE":
                wanted = body.get("preconditions", {})
                same = wanted.items() <= metadata.items()
                return _json(self.objects.pop(path)) if same else _status(409)
            case _:
                version = metadata["resourceVersion"]
                same = body["metadata"].get("resourceVersion", version) == version
                return self._stored(path, body) if same else _status(409)

    def _stored(self, path: str, body: dict[str, Any], status: int = 200) -> ApiAnswer:
        self.version += 1
        uid = body["metadata"].get("uid", f"uid-{self.version}")
        metadata = {**body["metadata"], "uid": uid, "resourceVersion": str(self.version)}
        self.objects[path] = {**body, "metadata": metadata}
        return _json(self.objects[path], status)

    def put(self, path: str, content: dict[str, Any]) -> None:
        """Write an object as somebody else."""
        self._stored(path, json.loads(json.dumps(content)))


def _json(content: object, status: int = 200) -> ApiAnswer:
    return ApiAnswer(status, json.dumps(content).encode())


def _status(code: int) -> ApiAnswer:
    return _json({"kind": "Status", "code": code}, code)


def _protocol_holds() -> Requests:
    """Let mypy say when the fake and its Protocol part ways."""
    return FakeAPI()
