"""
Objects of a cluster as mappings: read, listed page by page, and written.

What Landwaiter keeps in the cluster it shares with its other replicas and with people, so nothing
is overwritten unseen: `replace` writes one version over the one it was made from, and who comes
second is told so by `ClusterConflict` and reads again. What an answer says against a request is
shown to people, and may quote what they wrote, so it is left out where a Secret was written.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, Protocol

from landwaiter.cluster.listing import Content, Listing
from landwaiter.cluster.requests import ApiAnswer, ApiRequest, ApiResource, Method, PatchType
from landwaiter.cluster.transport import AnswerTooLarge, refusal
from landwaiter.errors import ClusterConflict, ClusterUnavailable

REASON_MAX_CHARACTERS: Final = 500

FIELD_MANAGER: Final = "landwaiter"


class Requests(Protocol):
    """Whatever sends requests to the Kubernetes API."""

    async def send(self, request: ApiRequest) -> ApiAnswer:
        """Return the answer. Raises `ClusterUnavailable` when there was none."""
        ...


class ClusterObjects:
    """
    Reads and writes objects. Every method raises `ClusterUnavailable` when it cannot be done.

    A write that raises it may have been done all the same: look before trying again.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def get(self, resource: ApiResource, name: str, *, namespace: str = "") -> Content | None:
        """Return an object, None where there is none."""
        request = _Target(resource, name, namespace).request("GET", "get")
        answer = await self._requests.send(request)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return _content(request, answer)

    async def create(self, resource: ApiResource, content: Content) -> Content:
        """Create an object and return it. Raises `ClusterConflict` where it exists already."""
        name, namespace = _named(content)
        request = _Target(resource, name, namespace).request("POST", "create", content)
        return _content(request, await self._requests.send(request))

    async def replace(
        self, resource: ApiResource, content: Content, *, subresource: str = ""
    ) -> Content:
        """
        Write an object, its `metadata.resourceVersion` included, and return it.

        Raises `ClusterConflict` where another version stands there by now.
        """
        name, namespace = _named(content)
        target = _Target(resource, name, namespace, subresource)
        request = target.request("PUT", "update", content)
        return _content(request, await self._requests.send(request))

    async def merge(
        self,
        resource: ApiResource,
        name: str,
        change: Content,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> Content | None:
        """Merge a change into an object and return it (RFC 7396), None where there is none."""
        target = _Target(resource, name, namespace, subresource)
        request = target.request("PATCH", "patch", change, content_type=PatchType.MERGE)
        answer = await self._requests.send(request)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return _content(request, answer)

    async def apply(
        self, resource: ApiResource, content: Content, *, subresource: str = ""
    ) -> Content:
        """
        Apply an object as the field manager `landwaiter`, and return it.

        Fields that somebody else manages are taken over: what is applied is Landwaiter's to say.
        """
        name, namespace = _named(content)
        query = (("fieldManager", FIELD_MANAGER), ("force", "true"))
        target = _Target(resource, name, namespace, subresource)
        request = target.request("PATCH", "patch", content, content_type=PatchType.APPLY)
        request = replace(request, query=query)
        return _content(request, await self._requests.send(request))

    async def delete(
        self,
        resource: ApiResource,
        name: str,
        *,
        namespace: str = "",
        uid: str | None = None,
        version: str | None = None,
    ) -> bool:
        """
        Delete an object and return whether it was there.

        With `uid` only that very object is deleted, with `version` only that version of it. Raises
        `ClusterConflict` for another one.
        """
        given = {"uid": uid, "resourceVersion": version}
        wanted = {key: value for key, value in given.items() if value is not None}
        body = {"preconditions": wanted} if wanted else None
        request = _Target(resource, name, namespace).request("DELETE", "delete", body)
        answer = await self._requests.send(request)
        if answer.status == HTTPStatus.NOT_FOUND:
            return False
        _content(request, answer)
        return True

    async def pages(
        self, resource: ApiResource, *, namespace: str = "", selector: str = ""
    ) -> AsyncIterator[tuple[Content, ...]]:
        """
        Yield all objects of a resource, page by page, as they were at one time.

        `selector` is a label selector as kubectl writes it. Raises `ListExpired` where reading
        took so long that the rest is gone (minutes).
        """
        listing = Listing(resource, namespace=namespace, selector=selector)
        while not listing.is_done:
            try:
                answer = await self._requests.send(listing.request)
            except AnswerTooLarge:
                if not listing.halve():
                    raise
            else:
                yield listing.take(answer)


@dataclass(frozen=True, slots=True)
class _Target:
    """The object that a request is about."""

    resource: ApiResource
    name: str
    namespace: str
    subresource: str = ""

    def request(
        self,
        method: Method,
        verb: str,
        body: Content | None = None,
        *,
        content_type: str = "application/json",
    ) -> ApiRequest:
        """Return a request about the object, which does not exist yet for a POST."""
        resource, subresource = self.resource, self.subresource
        where = f' in namespace "{self.namespace}"' if self.namespace else ""
        return ApiRequest(
            method,
            resource.path(self.namespace, "" if method == "POST" else self.name, subresource),
            f'{resource} "{self.name}"{where}',
            verb,
            f"{resource}/{subresource}" if subresource else str(resource),
            body=body,
            content_type=content_type,
        )


def _named(content: Content) -> tuple[str, str]:
    metadata = content["metadata"]
    return metadata["name"], metadata.get("namespace", "")


def _content(request: ApiRequest, answer: ApiAnswer) -> Content:
    if answer.status == HTTPStatus.CONFLICT:
        raise ClusterConflict(f"{request.what} was written by somebody else meanwhile")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
        reason = "" if request.resource == "secrets" else _reason(answer)
        raise ClusterUnavailable(f"{refusal(request, answer.status)}{reason}")
    try:
        content = json.loads(answer.content)
    except (ValueError, RecursionError) as cause:
        raise ClusterUnavailable(f"{request.what} cannot be understood: no JSON") from cause
    if not isinstance(content, dict):
        raise ClusterUnavailable(f"{request.what} cannot be understood: no object")
    return content


def _reason(answer: ApiAnswer) -> str:
    """Return what the API server says against a request that has the wrong form."""
    if answer.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return ""
    try:
        message = json.loads(answer.content)["message"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return f": {str(message)[:REASON_MAX_CHARACTERS]}"
