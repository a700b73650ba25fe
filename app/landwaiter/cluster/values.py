"""What the cluster says, as plain values; whatever is not needed has been left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its labels, with the `kubernetes.io/metadata.name` that all of them have."""

    name: str
    labels: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account and the names in its `imagePullSecrets`, in order."""

    namespace: str
    name: str
    pull_secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap with its entries of text."""

    namespace: str
    name: str
    data: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class Secret:
    """
    A Secret with its decoded entries, which no representation shows.

    `type` is what Kubernetes calls it, such as `kubernetes.io/dockerconfigjson`;
    `resource_version` changes with the content and is empty where it is not known.
    """

    namespace: str
    name: str
    type: str
    data: Mapping[str, bytes] = field(repr=False, hash=False)
    resource_version: str = ""
