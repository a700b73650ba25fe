"""The cluster of a server that was not told of any: everything about it is unknown."""

from typing import NoReturn

from landwaiter.cluster.values import Namespace, Secret, ServiceAccount
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable


class AbsentCluster:
    """
    A `ClusterView` that knows nothing.

    Rules that need the cluster are undecided, and say what is wanted.
    """

    async def get_namespace(
        self,
        name: str,
        *,
        deadline: Deadline,  # noqa: ARG002  # Nothing is waited for here.
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> Namespace | None:
        """Raise `ClusterUnavailable`."""
        self._unknown(f'namespace "{name}"')

    async def get_service_account(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,  # noqa: ARG002  # Nothing is waited for here.
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> ServiceAccount | None:
        """Raise `ClusterUnavailable`."""
        self._unknown(f'ServiceAccount "{namespace}/{name}"')

    async def get_secret(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,  # noqa: ARG002  # Nothing is waited for here.
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> Secret | None:
        """Raise `ClusterUnavailable`."""
        self._unknown(f'Secret "{namespace}/{name}"')

    def _unknown(self, what: str) -> NoReturn:
        raise ClusterUnavailable(f"{what} is unknown: landwaiter runs without --kubeconfig")
