"""
A cluster that Landwaiter runs in: a control plane, and one node for its Pods.

The API server is in another network than the Pods, as in many clusters, and reaches Services
through a proxy of the node. It wants leave for the system's priority classes, as some do, and shows
a client certificate to webhooks.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from realparts.control_plane import ControlPlane
from realparts.install import ensure
from realparts.kubelet import BROKEN, NODE
from realparts.processes import ChildProcess, run
from realparts.service_proxy import write_egress_configuration

TESTS = Path(__file__).resolve().parents[1]
READY_SECONDS = 30.0
OK = 200
API_SERVER = "the-api-server"
CRITICAL = ["system-cluster-critical", "system-node-critical"]


class ClusterWithNode:
    """A control plane and its node, in a folder, from `with` to its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sockets = tempfile.TemporaryDirectory(prefix="landwaiter-")  # Their paths are short.
        egress, admission = folder / "egress.json", folder / "admission-with-quota.json"
        self.control_plane = ControlPlane(
            folder / "cluster",
            webhook_client_name=API_SERVER,
            api_server_arguments=[
                f"--egress-selector-config-file={egress}",
                f"--admission-control-config-file={admission}",
            ],
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_egress_configuration(egress, self._socket)
        credentials = self.control_plane.files.admission_configuration.with_name(
            "webhook-kubeconfig.json"
        )
        admission.write_text(json.dumps(_admission(credentials), indent=2), encoding="utf-8")
        self._kubelet: ChildProcess | None = None

    @property
    def client_ca(self) -> Path:
        """Return the authority of the certificate that the API server shows to webhooks."""
        return self.control_plane.files.webhook_client_ca

    def log(self, namespace: str, pod: str) -> str:
        """Return what the container of a Pod has written."""
        return (self._pods_of(namespace) / pod / "landwaiter.log").read_text("utf-8")

    def execute(self, namespace: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Landwaiter once more in one of a namespace's containers, as `kubectl exec` does."""
        file = next(self._pods_of(namespace).glob("*/pid"))
        entries = Path(f"/proc/{file.read_text('utf-8')}/environ").read_bytes().split(b"\0")
        variables = (entry.decode().partition("=") for entry in entries if entry)
        return run(
            [sys.executable, "-m", "landwaiter", *arguments],
            environment={name: value for name, _, value in variables},
            timeout_seconds=READY_SECONDS,
            directory=file.parent,
            check=False,
        )

    def kill_pods(self, namespace: str) -> None:
        """Kill every container of a namespace, and let none be started there any more."""
        self._pods_of(namespace).mkdir(parents=True, exist_ok=True)
        (self._pods_of(namespace) / BROKEN).touch()
        for file in self._pods_of(namespace).glob("*/pid"):
            with suppress(ProcessLookupError, FileNotFoundError):
                os.kill(int(file.read_text("utf-8")), signal.SIGKILL)

    def _pods_of(self, namespace: str) -> Path:
        return self._node_folder / "pods" / namespace

    @property
    def _node_folder(self) -> Path:
        return self.folder / "node"

    @property
    def _socket(self) -> Path:
        return Path(self._sockets.name) / "services.sock"

    def __enter__(self) -> Self:
        self.control_plane.start()
        try:
            self._start_kubelet()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _start_kubelet(self) -> None:
        cluster = self.control_plane
        self._node_folder.mkdir()
        configuration = self._node_folder / "configuration.json"
        configuration.touch(mode=0o600)
        document = {
            "url": cluster.url,
            "ca": str(cluster.files.ca),
            "tokens": {key: cluster.users[key].token for key in ("admin", "node")},
            "folder": str(self._node_folder),
            "socket": str(self._socket),
            "image_path": str(ensure(["cosign3"])["cosign3"].parent),
        }
        configuration.write_text(json.dumps(document), encoding="utf-8")
        self._kubelet = ChildProcess(
            "kubelet",
            [sys.executable, "-m", "realparts.kubelet", configuration],
            log=self._node_folder / "kubelet.log",
            environment={"PYTHONPATH": str(TESTS)},
            directory=self._node_folder,
        )
        node = f"/api/v1/nodes/{NODE}"
        self._kubelet.wait_until_ready(
            lambda: cluster.request("GET", node).status == OK, within_seconds=READY_SECONDS
        )

    def _end(self) -> None:
        if self._kubelet is not None:
            self._kubelet.kill()  # Its Pods end with it.
        self.control_plane.stop()
        self._sockets.cleanup()


def _admission(webhook_credentials: Path) -> dict[str, Any]:
    critical = {"scopeName": "PriorityClass", "operator": "In", "values": CRITICAL}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "ValidatingAdmissionWebhook",
                "configuration": {
                    "apiVersion": "apiserver.config.k8s.io/v1",
                    "kind": "WebhookAdmissionConfiguration",
                    "kubeConfigFile": str(webhook_credentials),
                },
            },
            {
                "name": "ResourceQuota",
                "configuration": {
                    "apiVersion": "apiserver.config.k8s.io/v1",
                    "kind": "ResourceQuotaConfiguration",
                    "limitedResources": [{"resource": "pods", "matchScopes": [critical]}],
                },
            },
        ],
    }
