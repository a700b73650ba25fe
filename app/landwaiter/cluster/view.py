"""What may be asked about the cluster, whether it is a live one or described by manifests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable
from landwaiter.telemetry.steps import step


class ClusterView(Protocol):
    """
    Answers questions about single objects; None means that there is no such object.

    With `fresh` the answer was read after the call: ask so before something is refused for what
    an answer from memory said, for a person may just have mended it. Every method raises
    `ClusterUnavailable` when the answer cannot be had, and `DeadlineExceeded` when it did not
    come in time and is still being fetched.
    """

    async def get_namespace(
        self, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Namespace | None:
        """Return a namespace."""
        ...

    def known_namespace(self, name: str) -> Namespace | None:
        """Return a namespace without asking for it, None where it is not known at this moment."""
        ...

    async def get_service_account(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ServiceAccount | None:
        """Return a service account."""
        ...

    async def get_secret(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Secret | None:
        """Return a Secret with all its entries."""
        ...

    async def get_config_map(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ConfigMap | None:
        """Return a ConfigMap with all its entries of text."""
        ...


@dataclass(frozen=True, slots=True)
class NamespaceLabels:
    """The labels of namespaces, for matching policies."""

    view: ClusterView

    async def namespace_labels(self, name: str, *, deadline: Deadline) -> Mapping[str, str]:
        """
        Return the labels of a namespace.

        Raises `Unavailable`, also when there is no such namespace: one that is not there is
        never taken for one without labels (design, semantics 8).
        """
        with step("namespace"):
            namespace = await self.view.get_namespace(name, deadline=deadline)
        if namespace is None:
            raise ClusterUnavailable(
                f'namespace "{name}" does not exist, so its labels are unknown'
            )
        return namespace.labels

    def known_labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace without asking for it, None where they are not known."""
        namespace = self.view.known_namespace(name)
        return None if namespace is None else namespace.labels
