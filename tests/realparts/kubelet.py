"""
A small kubelet, scheduler and kube-proxy for Pods of Landwaiter, as a program of its own.

It takes every Pod whose container is called `landwaiter`, puts it on the one node that there is,
makes its volumes, runs its container as a process, asks its probes, tells the API server how it
stands, and ends it as asked. Other Pods stay Pending. Where a namespace's folder has a file
`broken` no container can be started, as if its image could not be pulled.

    python -m realparts.kubelet CONFIGURATION

`node.py` writes the configuration and starts it.
"""

import json
import ssl
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from realparts.api_client import APIClient
from realparts.pod_process import PodProcess
from realparts.pod_volumes import NotThereError, PodVolumes
from realparts.service_proxy import ServiceProxy

NODE = "n1"
CONTAINER = "landwaiter"
BROKEN = "broken"
PAUSE_SECONDS = 0.1
RESTART_SECONDS = 1.0
"""A real kubelet waits longer each time, up to five minutes."""
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
HEARTBEAT_SECONDS = 5.0
"""A node that is not heard of for 40 seconds counts as lost, and its Pods as not ready."""
MERGE = "application/strategic-merge-patch+json"


class Kubelet:
    """The node; `addresses` has for each Pod's address the one of loopback that it stands for."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._api = APIClient(
            url=configuration["url"],
            context=ssl.create_default_context(cafile=configuration["ca"]),
            tokens=configuration["tokens"],
        )
        self._folder = Path(configuration["folder"])
        self._image_path = configuration["image_path"]
        self._pods: dict[str, _Pod] = {}
        self._started = 0
        self._heartbeat_due = 0.0
        self.addresses: dict[str, str] = {}
        self._proxy = ServiceProxy(Path(configuration["socket"]), self.read, self.addresses)

    def run(self) -> None:
        """Do the work of a node until killed."""
        self._proxy.start()
        self._register()
        while True:
            with suppress(OSError):  # The API server is away: everything goes on as it is.
                self._beat()
                self._sync()
            time.sleep(PAUSE_SECONDS)

    def read(self, path: str, *, user: str = "admin") -> Mapping[str, Any] | None:
        """Return the object at a path, None where there is none."""
        answer = self._api.request("GET", path, user=user)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise ConnectionError(f"{path}: {answer}")
        return answer.body

    def _register(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        self._api.request("POST", "/api/v1/nodes", node, user="node")
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        self.tell(f"/api/v1/nodes/{NODE}", {"conditions": [ready]})

    def _beat(self) -> None:
        """Let it be known from time to time that there is still a node."""
        if time.monotonic() < self._heartbeat_due:
            return
        self._heartbeat_due = time.monotonic() + HEARTBEAT_SECONDS
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": now}
        lease = {"metadata": {"name": NODE}, "spec": spec}
        answer = self._api.request(
            "PATCH",
            f"{LEASES}/{NODE}",
            lease,
            user="node",
            content_type="application/merge-patch+json",
        )
        if answer.status == HTTPStatus.NOT_FOUND:
            self._api.request("POST", LEASES, lease, user="node")

    def _sync(self) -> None:
        listed = self.read("/api/v1/pods", user="node") or {}
        there = [each for each in listed["items"] if _is_ours(each)]
        for pod in there:
            uid = pod["metadata"]["uid"]
            if uid not in self._pods:
                self._pods[uid] = self._new_pod(pod)
            self._pods[uid].sync(pod)
        for uid in self._pods.keys() - {pod["metadata"]["uid"] for pod in there}:
            self._pods.pop(uid).vanish()

    def _new_pod(self, pod: Mapping[str, Any]) -> "_Pod":
        self._started += 1
        address, own = f"10.244.0.{self._started}", f"127.0.1.{self._started}"
        self.addresses[address] = own
        path = _path_of(pod)
        if not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            binding = {"apiVersion": "v1", "kind": "Binding", "target": target}
            metadata = {"name": pod["metadata"]["name"]}
            self._api.request("POST", f"{path}/binding", {**binding, "metadata": metadata})
        namespace = self._folder / "pods" / pod["metadata"]["namespace"]
        folder = namespace / pod["metadata"]["name"]
        folder.mkdir(parents=True)
        volumes = PodVolumes(
            pod,
            folder / "volumes",
            read=lambda each: self.read(each, user="node"),
            token=lambda audience: self._token(pod, audience),
        )
        process = PodProcess(
            pod,
            volumes,
            folder,
            address=own,
            api_server=self._api.url,
            image_path=self._image_path,
        )
        return _Pod(self, path, address, volumes, process, broken=namespace / BROKEN)

    def _token(self, pod: Mapping[str, Any], audience: str) -> str:
        metadata = pod["metadata"]
        bound = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        spec = {"audiences": [audience] if audience else [], "boundObjectRef": bound}
        answer = self._api.request(
            "POST",
            f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/"
            f"{pod['spec']['serviceAccountName']}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
            user="node",
        )
        if answer.status != HTTPStatus.CREATED:
            raise NotThereError(f"a token: {answer}")
        token: str = answer.body["status"]["token"]
        return token

    def tell(self, path: str, status: Mapping[str, Any]) -> bool:
        """Write the status of an object; say whether that came about."""
        answer = self._api.request(
            "PATCH", f"{path}/status", {"status": status}, user="node", content_type=MERGE
        )
        if answer.status != HTTPStatus.OK:
            print(path, answer, flush=True)
        return answer.status == HTTPStatus.OK

    def forget(self, path: str, uid: str) -> None:
        """Delete a Pod that has ended."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        self._api.request("DELETE", path, options, user="node")


class _Pod:
    """One Pod of the node, from when it is first seen until the API server has forgotten it."""

    def __init__(
        self,
        kubelet: Kubelet,
        path: str,
        address: str,
        volumes: PodVolumes,
        process: PodProcess,
        *,
        broken: Path,
    ) -> None:
        self._kubelet = kubelet
        self._broken = broken
        self._path = path
        self._address = address
        self._volumes = volumes
        self._process = process
        self._start_due = 0.0
        self._ends_at: float | None = None
        self._told: Mapping[str, Any] = {}
        self._ready_since: tuple[bool, str] = (False, _now())

    def sync(self, pod: Mapping[str, Any]) -> None:
        """Bring the process, and what is known of it, one step on."""
        now = time.monotonic()
        if "deletionTimestamp" in pod["metadata"]:
            self._end(pod, now)
        else:
            self._keep(now)
        self._process.look(now)
        self._tell()

    def vanish(self) -> None:
        """End at once, since the API server knows the Pod no more."""
        self._process.kill()

    def _keep(self, now: float) -> None:
        with suppress(NotThereError):
            self._volumes.project()
            if self._process.is_running or self._broken.exists() or now < self._start_due:
                return
            self._process.kill()  # Reaps what has ended by itself.
            self._process.start()
            self._start_due = now + RESTART_SECONDS

    def _end(self, pod: Mapping[str, Any], now: float) -> None:
        if self._ends_at is None:
            self._ends_at = now + pod["metadata"]["deletionGracePeriodSeconds"]
            self._process.ask_to_end()
        if now >= self._ends_at:
            self._process.kill()
        if not self._process.is_running:
            self._process.kill()
            self._kubelet.forget(self._path, pod["metadata"]["uid"])

    def _tell(self) -> None:
        status = self._status()
        if status != self._told and self._kubelet.tell(self._path, status):
            self._told = status

    def _status(self) -> dict[str, Any]:
        is_ready = self._process.is_ready
        if is_ready != self._ready_since[0]:
            self._ready_since = (is_ready, _now())
        ready = {"status": str(is_ready), "lastTransitionTime": self._ready_since[1]}
        state: dict[str, Any] = {"running": {}} if self._process.is_running else {"waiting": {}}
        return {
            "phase": "Running" if self._process.starts else "Pending",
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "conditions": [{"type": kind, **ready} for kind in ("Ready", "ContainersReady")],
            "containerStatuses": [
                {
                    "name": CONTAINER,
                    "ready": is_ready,
                    "state": state,
                    "restartCount": max(0, self._process.starts - 1),
                    "image": "",
                    "imageID": "",
                }
            ],
        }


def _is_ours(pod: Mapping[str, Any]) -> bool:
    names = [each["name"] for each in pod["spec"]["containers"]]
    return names == [CONTAINER] and pod["spec"].get("nodeName", NODE) == NODE


def _path_of(pod: Mapping[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    Kubelet(json.loads(Path(sys.argv[1]).read_text("utf-8"))).run()
