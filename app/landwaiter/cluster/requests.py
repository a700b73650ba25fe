"""
What is asked of the Kubernetes API: resources, requests and answers, without how they travel.

Names come from objects and from policies, so no part of a path is taken as it is: each segment is
quoted, and an empty one is refused, for it would turn a question about one object into one about
all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import quote

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class PatchType(StrEnum):
    """How the body of a PATCH is understood."""

    MERGE = "application/merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A kind of object under its plural name; `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """
        Return the path of one object, or without `name` that of all of them.

        Without `namespace` the objects of a namespaced resource are those of all namespaces.
        Raises `ValueError` for one object of a namespaced resource without its namespace, for a
        namespace where the resource has none, and for a name that no path can hold.
        """
        if namespace and not self.namespaced:
            raise ValueError(f"{self.plural} are in no namespace, {namespace!r} given")
        if name and self.namespaced and not namespace:
            raise ValueError(f"{self.plural} {name!r} given without its namespace")
        root = f"apis/{self.group}" if self.group else "api"
        segments = [root, self.version]
        if namespace:
            segments += ["namespaces", _segment(namespace)]
        segments.append(self.plural)
        if name:
            segments += [_segment(name), *([subresource] if subresource else [])]
        return "/" + "/".join(segments)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _segment(text: str) -> str:
    if text in {".", ".."}:
        raise ValueError(f"{text!r} is no name of an object")
    return quote(text, safe="")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """
    One request; `what` is how messages call it, as in "secret "acr" could not be read".

    `verb` and `resource` are what a Role has to name when the request is forbidden.
    """

    method: Method
    path: str
    what: str
    verb: str
    resource: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The status and the body that the API server gave."""

    status: int
    content: bytes
