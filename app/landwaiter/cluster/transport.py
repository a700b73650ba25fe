"""
Single objects from the Kubernetes API, by a blocking client in threads of its own.

Only the client's lowest layer is used: its models of all kinds take 20 MiB of memory and decode
what nobody asked for. The event loop's default threads are never used, so that a hanging API
server cannot stop name resolution; every wait in a thread ends by itself.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, Self

import urllib3
import yaml
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import OpenApiException
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from landwaiter.cluster.keys import ObjectKey
from landwaiter.errors import ClusterUnavailable

THREADS = 8
"""Questions under way at once; a hundredth of what an API server serves at once by default."""

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
"""Each is spent twice at most: the API server may have closed a connection that was kept."""

TOTAL_SECONDS = 8.0
"""How long one answer may take however it trickles in: within what a webhook may take (10 s)."""

ANSWER_MAX_BYTES = 12 * 1024 * 1024
"""
More than any object can have: etcd takes none of over 1.5 MiB, and JSON writes some characters as
six. Whoever may write a ServiceAccount could otherwise make it unreadable, which is undecided, and
under failurePolicy Ignore an admission.
"""

_CHUNK_BYTES = 65_536
_NOT_USABLE = (ConfigException, OSError, yaml.YAMLError, ValueError, TypeError, AttributeError)
"""What loading a configuration raises; the client's loader checks no types."""


class Transport(Protocol):
    """Whatever fetches single objects."""

    async def get(self, key: ObjectKey) -> bytes | None:
        """
        Return the object as JSON, None where there is none.

        Takes a bounded time. Raises `ClusterUnavailable`.
        """
        ...

    def close(self) -> None:
        """Let go of threads and connections."""
        ...


class ApiTransport:
    """Asks a Kubernetes API server."""

    def __init__(self, configuration: Configuration) -> None:
        configuration.connection_pool_maxsize = THREADS
        configuration.retries = urllib3.Retry(total=1, redirect=0, raise_on_redirect=False)
        self._client = ApiClient(configuration)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kubernetes")

    @classmethod
    def connect(cls, kubeconfig: Path | None = None) -> Self:
        """
        Return a transport to the cluster of a kubeconfig, or without one to our own.

        Raises `ClusterUnavailable` when the configuration cannot be used.
        """
        configuration = Configuration()
        try:
            if kubeconfig is None:
                load_incluster_config(  # type: ignore[no-untyped-call]  # It has no types.
                    client_configuration=configuration
                )
            else:
                load_kube_config(  # type: ignore[no-untyped-call]  # It has no types.
                    str(kubeconfig), client_configuration=configuration, persist_config=False
                )
        except _NOT_USABLE as cause:
            where = "in this Pod" if kubeconfig is None else f"in {kubeconfig}"
            why = str(cause) if isinstance(cause, ConfigException) else type(cause).__name__
            raise ClusterUnavailable(
                f"no usable configuration for the Kubernetes API {where}: {why}"
            ) from cause
        return cls(configuration)

    async def get(self, key: ObjectKey) -> bytes | None:
        """Return the object as JSON, None where there is none. Raises `ClusterUnavailable`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._fetch, key)

    def close(self) -> None:
        """Let go of the threads, which end by themselves, and of the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.rest_client.close()

    def _fetch(self, key: ObjectKey) -> bytes | None:
        try:
            status, content = self._exchange(key)
        except (OpenApiException, urllib3.exceptions.HTTPError, ConfigException, OSError) as cause:
            reason = getattr(cause, "reason", None)
            fault = type(reason if isinstance(reason, Exception) else cause).__name__
            raise ClusterUnavailable(
                f"{key} could not be read: the Kubernetes API did not answer ({fault})"
            ) from cause
        if status == HTTPStatus.OK:
            return content
        if status == HTTPStatus.NOT_FOUND:
            return None
        raise ClusterUnavailable(_refusal(key, status))

    def _exchange(self, key: ObjectKey) -> tuple[int, bytes]:
        ends_at = time.monotonic() + TOTAL_SECONDS
        request = self._client.param_serialize(
            method="GET",
            resource_path=key.resource.value,
            path_params={"namespace": key.namespace, "name": key.name},
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        response = self._client.call_api(*request, _request_timeout=timeout).response
        try:
            content = _body(response, key, ends_at)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return response.status, content


def _body(response: urllib3.HTTPResponse, key: ObjectKey, ends_at: float) -> bytes:
    content = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        content += chunk
        if len(content) > ANSWER_MAX_BYTES:
            raise ClusterUnavailable(f"{key} has over {ANSWER_MAX_BYTES} bytes")
        if time.monotonic() > ends_at:
            raise ClusterUnavailable(f"{key} took over {TOTAL_SECONDS:g} s to read")
    return bytes(content)


def _refusal(key: ObjectKey, status: int) -> str:
    if status == HTTPStatus.FORBIDDEN:
        return (
            f"Landwaiter may not read {key}: "
            f'its ServiceAccount needs the verb "get" on "{key.resource.plural}"'
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return f"{key} could not be read: the Kubernetes API does not accept our credentials"
    return f"{key} could not be read: the Kubernetes API answered {status}"
