"""What can be asked about a cluster, one object at a time."""

from dataclasses import dataclass
from enum import Enum


class Resource(Enum):
    """What can be asked for, each with its path."""

    NAMESPACES = "/api/v1/namespaces/{name}"
    SERVICE_ACCOUNTS = "/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
    CONFIG_MAPS = "/api/v1/namespaces/{namespace}/configmaps/{name}"
    SECRETS = "/api/v1/namespaces/{namespace}/secrets/{name}"

    @property
    def plural(self) -> str:
        """What RBAC calls the resource."""
        return self.name.lower().replace("_", "")


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """One object; `namespace` is empty for a namespace."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = self.resource.name.lower().replace("_", " ").removesuffix("s")
        where = f' in namespace "{self.namespace}"' if self.namespace else ""
        return f'{kind} "{self.name}"{where}'
