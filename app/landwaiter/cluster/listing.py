"""
Reading a list page by page: which page to ask for next, and what is in an answer.

Pages are halved where so many objects are too large for one answer: whoever may create objects
can make each of them 1.5 MiB large, and must not keep everybody from reading the list.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from landwaiter.cluster.requests import ApiAnswer, ApiRequest, ApiResource
from landwaiter.cluster.transport import refusal
from landwaiter.errors import ClusterUnavailable

PAGE_OBJECTS: Final = 500
"""What kubectl asks for at once."""

Content: TypeAlias = Mapping[str, Any]


class ListExpired(ClusterUnavailable):
    """A list took so long to read that the rest is gone; it has to be begun anew."""


class Listing:
    """
    Where the reading of one list stands: ask for `request`, `take` the answer, until `is_done`.

    `selector` and `fields` are selectors of labels and of fields as kubectl writes them.
    `resource_version` is that of the whole list, empty until the first answer.
    """

    def __init__(
        self, resource: ApiResource, *, namespace: str = "", selector: str = "", fields: str = ""
    ) -> None:
        self._resource = resource
        self._path = resource.path(namespace)
        self._selectors = (("labelSelector", selector), ("fieldSelector", fields))
        self._limit = PAGE_OBJECTS
        self._more = ""
        self.resource_version = ""
        self.is_done = False

    @property
    def request(self) -> ApiRequest:
        """Return the request for the next page."""
        query = [("limit", str(self._limit))]
        query += [(kind, selector) for kind, selector in self._selectors if selector]
        if self._more:
            query.append(("continue", self._more))
        what = f"the list of {self._resource}"
        return ApiRequest("GET", self._path, what, "list", str(self._resource), tuple(query))

    def halve(self) -> bool:
        """Ask for half as many from now on; return whether that is possible."""
        if self._limit == 1:
            return False
        self._limit //= 2
        return True

    def take(self, answer: ApiAnswer) -> tuple[Content, ...]:
        """Return the objects in an answer. Raises `ClusterUnavailable`, `ListExpired` for 410."""
        what = self.request.what
        if answer.status == HTTPStatus.GONE:
            raise ListExpired(f"{what} took too long to read, it has to be begun anew")
        if answer.status != HTTPStatus.OK:
            raise ClusterUnavailable(refusal(self.request, answer.status))
        try:
            content = json.loads(answer.content)
            items, metadata = content["items"] or (), content["metadata"]
            self.resource_version = str(metadata["resourceVersion"])
            self._more = str(metadata.get("continue") or "")
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as cause:
            raise ClusterUnavailable(f"{what} cannot be understood: it is no list") from cause
        self.is_done = not self._more
        return tuple(each for each in items if isinstance(each, dict))
