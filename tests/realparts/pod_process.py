"""
A container of Landwaiter as a process: started with what the Pod says, and nothing else.

What a container would have to itself is given to it in other ways. Its network: an address of
loopback, as `LANDWAITER_HOST`. Its root file system: every path below a mount is that of the
volume's folder, in arguments and variables. The place of its service account, which is fixed: a
kubeconfig, as `LANDWAITER_KUBECONFIG`, with the token and the authority of that very volume.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realparts.pod_probes import Probe
from realparts.pod_volumes import PodVolumes
from realparts.processes import ChildProcess

ACCOUNT_PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"


class PodProcess:
    """The container of a Pod, at an `address` of loopback; `image_path` is that of its image."""

    def __init__(
        self,
        pod: Mapping[str, Any],
        volumes: PodVolumes,
        folder: Path,
        *,
        address: str,
        api_server: str,
        image_path: str,
    ) -> None:
        (self._container,) = pod["spec"]["containers"]
        self._folder = folder
        self._address = address
        self._api_server = api_server
        self._image_path = image_path
        self._places = {
            mount["mountPath"]: volumes.place(mount["name"])
            for mount in self._container["volumeMounts"]
        }
        mounts = "|".join(re.escape(each) for each in sorted(self._places, key=len, reverse=True))
        self._path = re.compile(rf"(^|[=:,])({mounts})(?=/|$)")
        self._process: ChildProcess | None = None
        self._startup = self._liveness = self._readiness = self._probe("startupProbe", good=False)
        self.starts = 0

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.is_running

    @property
    def is_ready(self) -> bool:
        """Whether it may be sent requests."""
        return self.is_running and self._startup.is_good and self._readiness.is_good

    def start(self) -> None:
        """Start it, or start it again."""
        self._write_kubeconfig()
        self._process = ChildProcess(
            "landwaiter",
            [sys.executable, "-m", "landwaiter", *map(self._mapped, self._container["args"])],
            log=self._folder / "landwaiter.log",
            environment=self._environment(),
            directory=self._folder,
        )
        self.starts += 1
        self._startup = self._probe("startupProbe", good=False)
        self._liveness = self._probe("livenessProbe", good=True)
        self._readiness = self._probe("readinessProbe", good=False)
        (self._folder / "pid").write_text(str(self._process.pid), encoding="utf-8")

    def look(self, now: float) -> None:
        """Ask its probes, and kill it where they want that."""
        if not self.is_running:
            return
        if not self._startup.is_good:
            self._startup.look(now)
        else:
            self._liveness.look(now)
            self._readiness.look(now)
        if self._startup.has_failed or not self._liveness.is_good:
            self.kill()

    def ask_to_end(self) -> None:
        """Send what a container gets first when its Pod is deleted."""
        if self._process is not None and self._process.is_running:
            os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once and reap it; its number may be another's from now on."""
        (self._folder / "pid").unlink(missing_ok=True)
        if self._process is not None:
            self._process.kill()

    def _probe(self, name: str, *, good: bool) -> Probe:
        return Probe(self._container[name], self._url, good=good)

    def _url(self, get: Mapping[str, Any]) -> str:
        ports = {each["name"]: each["containerPort"] for each in self._container["ports"]}
        return f"http://{self._address}:{ports[get['port']]}{get['path']}"

    def _mapped(self, text: str) -> str:
        return self._path.sub(lambda found: f"{found[1]}{self._places[found[2]]}", text)

    def _environment(self) -> dict[str, str]:
        given = {each["name"]: self._mapped(each["value"]) for each in self._container["env"]}
        return {
            "PATH": f"{self._image_path}:{os.defpath}",
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
            "KUBERNETES_SERVICE_PORT": "443",
            "LANDWAITER_HOST": self._address,
            "LANDWAITER_KUBECONFIG": str(self._kubeconfig),
            **given,
        }

    @property
    def _kubeconfig(self) -> Path:
        return self._folder / "kubeconfig"

    def _write_kubeconfig(self) -> None:
        account = self._places[ACCOUNT_PLACE]
        cluster = {"server": self._api_server, "certificate-authority": str(account / "ca.crt")}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "own", "cluster": cluster}],
            "users": [{"name": "own", "user": {"tokenFile": str(account / "token")}}],
            "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
            "current-context": "own",
        }
        self._kubeconfig.write_text(json.dumps(document), encoding="utf-8")
