"""One request to judge an object, free of the protocol it came by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from landwaiter.deadline import Deadline
from landwaiter.workloads.values import Workload


class Operation(StrEnum):
    """The operations that can bring an image in; the API server does not send us others."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"


class Side(StrEnum):
    """
    Which findings are wanted (design, semantics 18).

    ENFORCE: of policies whose action here is Deny. OBSERVE: of those that warn or audit.
    ALL: of every policy, for the offline check.
    """

    ENFORCE = "enforce"
    OBSERVE = "observe"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks the API server, as the API server has authenticated them."""

    username: str = ""
    groups: tuple[str, ...] = ()

    @property
    def is_node(self) -> bool:
        """Whether a kubelet asks; the node authorizer asks for both the name and the group."""
        return self.username.startswith("system:node:") and "system:nodes" in self.groups


class RequestObjects:
    """
    What a request brought, as it was written, for whoever needs more than the workload in it.

    It can be megabytes, so it is given away once, and not held while registries are waited for.
    """

    __slots__ = ("_values",)

    def __init__(
        self,
        request: Mapping[str, Any],
        obj: Mapping[str, Any],
        old: Mapping[str, Any] | None = None,
    ) -> None:
        self._values: Mapping[str, Any] | Callable[[], RequestObjects] | None = {
            "request": request,
            "object": obj,
            "oldObject": old,
        }

    @classmethod
    def decoded_later(cls, decode: "Callable[[], RequestObjects]") -> "RequestObjects":
        """Return objects that are decoded when somebody takes them."""
        later = cls({}, {})
        later._values = decode
        return later

    @classmethod
    def of_manifest(
        cls,
        obj: Mapping[str, Any],
        *,
        namespace: str,
        requester: Requester | None,
        old: Mapping[str, Any] | None = None,
    ) -> "RequestObjects":
        """Return what a request with this object would bring, where nobody has asked yet."""
        group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
        metadata = obj.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        by = requester or Requester()
        request = {
            "operation": (Operation.CREATE if old is None else Operation.UPDATE).value,
            "name": name or "",
            "namespace": namespace,
            "dryRun": False,
            "subResource": "",
            "kind": {"group": group, "version": version, "kind": obj.get("kind")},
            "userInfo": {"username": by.username, "groups": list(by.groups)},
        }
        return cls(request, obj, old)

    def take(self) -> Mapping[str, Any] | None:
        """Return `request`, `object` and `oldObject`, and None when they were given away before."""
        values, self._values = self._values, None
        return values().take() if callable(values) else values

    def drop(self) -> None:
        """Give them up, for nobody needs them."""
        self._values = None


@dataclass(frozen=True, slots=True)
class Case:
    """
    An object that is about to be stored, and what is known about the request.

    `old` is what stands there now, None for CREATE. `requester` is None where nobody has asked yet,
    as in an offline check. `credentials_allowed` is False when the caller is not known to be the
    API server (design, semantics 20). `objects` are None where only the workload is known. `offers`
    is False where no digest is to be looked up only to be offered in a remedy, as for what is
    running: its tag may point to something else by now.
    """

    operation: Operation
    workload: Workload
    deadline: Deadline
    old: Workload | None = None
    requester: Requester | None = None
    dry_run: bool = False
    credentials_allowed: bool = False
    objects: RequestObjects | None = field(default=None, compare=False, repr=False)
    offers: bool = True
