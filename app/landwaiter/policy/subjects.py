"""
Who asks the API server, and who can never be exempt from a policy.

Subjects are those of RBAC: users and groups by their whole names, and service accounts, which are
users with a name of a fixed form (k8s.io/apiserver 1.36, pkg/authentication/serviceaccount).

Controllers act for whoever writes what they work on: the Pods of a Deployment are asked for by a
controller, the Pods of static manifests by a node. To exempt one of them would exempt everybody,
so no document may, and a request of theirs is never exempt (design, semantics 7).
"""

from dataclasses import dataclass
from typing import Final

from landwaiter.policy.case import Requester

SERVICE_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
CONTROLLERS_NAMESPACE: Final = "kube-system"

_CONTROLLER_USERS: Final = frozenset(
    {
        "system:apiserver",
        "system:cloud-controller-manager",
        "system:kube-controller-manager",
        "system:kube-scheduler",
    }
)
_CONTROLLER_USER_PREFIXES: Final = (
    f"{SERVICE_ACCOUNT_PREFIX}{CONTROLLERS_NAMESPACE}:",
    "system:node:",
)
_CONTROLLER_GROUPS: Final = frozenset(
    {"system:nodes", f"system:serviceaccounts:{CONTROLLERS_NAMESPACE}"}
)
_GROUPS_WITH_CONTROLLERS: Final = _CONTROLLER_GROUPS | {
    "system:authenticated",
    "system:serviceaccounts",
}


def service_account_user(namespace: str, name: str) -> str:
    """Return the user name under which a service account asks."""
    return f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


def is_controller_user(username: str) -> bool:
    """Whether a user name is one of Kubernetes' own controllers or nodes."""
    return username in _CONTROLLER_USERS or username.startswith(_CONTROLLER_USER_PREFIXES)


def has_controllers(group: str) -> bool:
    """Whether Kubernetes' own controllers or nodes are among the members of a group."""
    return group in _GROUPS_WITH_CONTROLLERS


def _is_controller(requester: Requester) -> bool:
    return is_controller_user(requester.username) or not _CONTROLLER_GROUPS.isdisjoint(
        requester.groups
    )


@dataclass(frozen=True, slots=True)
class Subjects:
    """Users and groups; service accounts are among the users."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def include(self, requester: Requester) -> bool:
        """Whether the requester is one of the users, or in one of the groups."""
        return requester.username in self.users or not self.groups.isdisjoint(requester.groups)

    def exempt(self, requester: Requester) -> bool:
        """Whether the requester is among them and may be exempt from a policy."""
        return self.include(requester) and not _is_controller(requester)


NOBODY: Final = Subjects()
