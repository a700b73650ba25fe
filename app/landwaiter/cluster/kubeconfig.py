"""
Reads a kubeconfig with the official client, which knows all that can be in one.

Nothing else needs that client, and nobody but who gives a kubeconfig: with it come OAuth, a second
HTTP client and more, which together take the memory of a library. So only `transport` imports this
module, and only where there is a kubeconfig.
"""

from pathlib import Path

import yaml
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config import ConfigException, load_kube_config

from landwaiter.cluster.api_servers import ApiServer, NoCredentials
from landwaiter.errors import ClusterUnavailable

_NOT_USABLE = (ConfigException, OSError, yaml.YAMLError, ValueError, TypeError, AttributeError)
"""What loading a configuration raises; the client's loader checks no types."""


def api_server_of(file: Path, context: str | None, *, connections: int) -> ApiServer:
    """
    Return the API server of a kubeconfig.

    `context` is one of the kubeconfig, None for the current one. Raises `ClusterUnavailable` when
    it cannot be used.
    """
    configuration = Configuration()
    try:
        load_kube_config(  # type: ignore[no-untyped-call]  # It has no types.
            str(file),
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except _NOT_USABLE as cause:
        why = str(cause) if isinstance(cause, ConfigException) else type(cause).__name__
        raise ClusterUnavailable(
            f"no usable configuration for the Kubernetes API in {file}: {why}"
        ) from cause
    configuration.connection_pool_maxsize = connections

    def authorization() -> str | None:
        try:
            shown: str | None = configuration.get_api_key_with_prefix(
                "BearerToken", alias="authorization"
            )
        except ConfigException as cause:
            raise NoCredentials(f"{file} gives none any more") from cause
        return shown

    pool = ApiClient(configuration).rest_client.pool_manager
    return ApiServer(configuration.host, pool, authorization)
