"""
How the API server is reached: its address, connections to it, and what they show.

What a Pod is given for that is read here, and is two variables and two files. A kubeconfig is read
by `kubeconfig`, with the official client.

Source: kubernetes.io/docs/tasks/run-application/access-api-from-pod, "Directly accessing the REST
API" (read 2026-11-25).
"""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import urllib3

from landwaiter.errors import ClusterUnavailable

ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"

_TOKEN: Final = re.compile(r"[!-~]+")
"""What can be in a header. Whatever else is sent would be quoted in an error."""


class NoCredentials(OSError):
    """What shows who asks is not to be had; the text names its file, and never its content."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """
    An API server; `authorization` gives the header that shows who asks, None where none does.

    It reads what is current, in the calling thread, and raises `OSError`.
    """

    url: str
    connections: urllib3.PoolManager
    authorization: Callable[[], str | None] = field(repr=False)


def own_api_server(
    environment: Mapping[str, str] = os.environ,
    folder: Path = ACCOUNT_FOLDER,
    *,
    connections: int,
) -> ApiServer:
    """
    Return the API server of the Pod that we are in, asked as its service account.

    It is asked directly, whatever proxy the environment names: a proxy is for what is outside.
    Raises `ClusterUnavailable` where a Pod's variables or files are not there.
    """
    authority, token = folder / "ca.crt", folder / "token"
    try:
        url = _url(environment)
        ssl.create_default_context(cafile=authority)
        _bearer(token)
    except OSError as cause:
        raise ClusterUnavailable(
            f"no usable configuration for the Kubernetes API in this Pod: {cause}"
        ) from cause
    pool = urllib3.PoolManager(
        maxsize=connections, cert_reqs=ssl.CERT_REQUIRED, ca_certs=str(authority)
    )
    return ApiServer(url, pool, partial(_bearer, token))


def _url(environment: Mapping[str, str]) -> str:
    host, port = environment.get(HOST), environment.get(PORT)
    if not host or not port:
        raise NoCredentials(f"{HOST} and {PORT} are not set")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _bearer(file: Path) -> str:
    """Return the header with the token that is in a file now: the kubelet replaces it hourly."""
    token = file.read_text("ascii", errors="replace").strip()
    if not _TOKEN.fullmatch(token):
        raise NoCredentials(f"{file} holds no token")
    return f"Bearer {token}"
