"""One request to judge an object, free of the protocol it came by."""

from dataclasses import dataclass
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class Case:
    """
    An object that is about to be stored, and what is known about the request.

    `old` is what stands there now, None for CREATE. `requester` is None where nobody has asked yet,
    as in an offline check. `credentials_allowed` is False when the caller is not known to be the
    API server (design, semantics 20).
    """

    operation: Operation
    workload: Workload
    deadline: Deadline
    old: Workload | None = None
    requester: Requester | None = None
    dry_run: bool = False
    credentials_allowed: bool = False
