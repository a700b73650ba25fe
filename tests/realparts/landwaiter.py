"""
Landwaiter as a process, with the rights it needs in a cluster, and its two webhook objects.

Its account may watch namespaces, service accounts and policies, read Secrets by name, write
ConfigMaps of its own namespace, keep what it has verified, and nothing else.
"""

import json
import os
import re
import ssl
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from landwaiter.cluster.version import ServerVersion
from landwaiter.webhooks.configuration import Wanted, WebhookPath, configuration
from landwaiter.webhooks.settings import TrustFile, UrlAddress, WebhookSettings
from realparts.certificates import Authority
from realparts.control_plane import ControlPlane
from realparts.install import ensure
from realparts.processes import ChildProcess, free_port, http_status

READY_SECONDS = 30.0
SCRAPE_SECONDS = 5.0
OK = 200
NAMESPACE = "landwaiter-system"
DOCUMENTS = "landwaiter.dev"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
KUBERNETES = ServerVersion(1, 37)
"""The API server that the tests run, with conditions in its webhook objects."""


class Landwaiter:
    """
    `landwaiter serve` with a folder of policies, from `with` or `start` to `stop`.

    `policies` and `registries` are the documents as text, the first None for no folder;
    `arguments` are added to the command.
    With `without_cluster` it counts as started when it is alive: it does not become ready. `rights`
    are its account and what that may do, where they are not those of most tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        policies: str | None,
        registries: str = "registries: []",
        cluster: ControlPlane | None = None,
        arguments: Sequence[str] = (),
        cosign: Path | None = None,
        environment: Mapping[str, str] | None = None,
        without_cluster: bool = False,
        rights: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._ready_path = "/livez" if without_cluster else "/readyz"
        self.folder = folder
        self._documents = {"registries.yaml": registries}
        if policies is not None:
            self._documents["policies/policies.yaml"] = policies
        self._cluster = cluster
        self._rights = account_and_rights() if rights is None else list(rights)
        self._arguments = tuple(arguments)
        self._cosign = cosign
        self._environment = dict(environment or {})
        self._process: ChildProcess | None = None
        self.port = 0
        self.metrics_port = 0
        self.authority = Authority(folder / "certificates", "landwaiter serving CA")

    @property
    def process(self) -> ChildProcess:
        """Return its process; raise `RuntimeError` before the start."""
        if self._process is None:
            raise RuntimeError("landwaiter has not been started")
        return self._process

    @property
    def url(self) -> str:
        """Return the address of its reviews."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Return the address of its health and metrics."""
        return f"http://127.0.0.1:{self.metrics_port}"

    @property
    def log(self) -> Path:
        """Return the file that its JSON lines go to."""
        return self.folder / "landwaiter.log"

    def log_lines(self) -> list[dict[str, Any]]:
        """Return what it has logged so far."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines() if line]

    def metrics(self) -> str:
        """Return the page of its metrics, as scraped just now."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.metrics_url}/metrics", timeout=SCRAPE_SECONDS) as answer:
            page: bytes = answer.read()
        return page.decode()

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels, as scraped just now."""
        lines = self.metrics().splitlines()
        samples = (match for line in lines if (match := SAMPLE.fullmatch(line)))
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        return sum(
            float(found["value"])
            for found in samples
            if found["name"] == name and wanted <= set((found["labels"] or "").split(","))
        )

    def prepare(self) -> None:
        """Write its files and choose its ports."""
        for name, text in self._documents.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        self.port, self.metrics_port = free_port(), free_port()

    def start(self) -> None:
        """Prepare and start it; return once it is ready."""
        self.prepare()
        self._launch()

    def restart(self) -> None:
        """Kill it and start it anew on the same ports, with its files as they are by now."""
        self.stop()
        self._launch()

    def _launch(self) -> None:
        self.spawn(self.command())
        self.wait_until_ready()

    def spawn(self, command: Sequence[str]) -> None:
        """Start it by a command that `command` has returned, and return at once."""
        self._process = ChildProcess(
            "landwaiter",
            command,
            log=self.log,
            environment={"HOME": str(self.folder), "PATH": os.defpath, **self._environment},
            directory=self.folder,
        )

    def wait_until_ready(self) -> None:
        """Return once it is ready."""
        self.process.wait_until_ready(
            lambda: http_status(f"{self.metrics_url}{self._ready_path}") == OK,
            within_seconds=READY_SECONDS,
        )

    def command(self) -> list[str]:
        """Return the command that starts it."""
        cosign = self._cosign or ensure(["cosign3"])["cosign3"]
        command = [sys.executable, "-m", "landwaiter", "serve", "--host=127.0.0.1"]
        command += [f"--cosign={cosign}"]
        if (folder := self.folder / "policies").exists():
            command.append(f"--policies={folder}")
        command += [f"--registries={self.folder / 'registries.yaml'}"]
        command += self.certificate_arguments()
        command += [f"--port={self.port}", f"--metrics-port={self.metrics_port}"]
        if self._cluster is not None:
            command.append(f"--kubeconfig={self._kubeconfig(self._cluster)}")
        return [*command, *self._arguments]

    def certificate_arguments(self) -> list[str]:
        """Return the options that say what it serves with."""
        pair = self.authority.issue_server("landwaiter")
        return [f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}"]

    def stop(self) -> None:
        """End it at once, without draining."""
        if self._process is not None:
            self._process.kill()

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts its certificate."""
        return ssl.create_default_context(cafile=str(self.authority.certificate))

    def webhooks(
        self,
        *,
        enforce: bool = True,
        namespace_labels: Mapping[str, str] | None = None,
        timeout_seconds: int = 10,
    ) -> dict[str, Any]:
        """
        Return the configuration object that sends reviews here, as Landwaiter would make it.

        With `namespace_labels` only namespaces that have them are judged; without, all but
        Kubernetes' own.
        """
        settings = WebhookSettings(
            name="landwaiter",
            address=UrlAddress("127.0.0.1", self.port),
            trust=TrustFile(self.authority.certificate),
            own_namespace=NAMESPACE,
            timeout_seconds=timeout_seconds,
        )
        paths = list(WebhookPath) if enforce else [WebhookPath.OBSERVE]
        bundle = self.authority.certificate.read_bytes()
        made = configuration(settings, Wanted(paths, bundle, "", KUBERNETES))
        if namespace_labels is not None:
            for webhook in made["webhooks"]:
                webhook["namespaceSelector"] = {"matchLabels": dict(namespace_labels)}
        return {**made, "metadata": {"generateName": f"landwaiter-{self.port}-"}}

    def register(
        self,
        cluster: ControlPlane,
        *,
        enforce: bool = True,
        namespace_labels: Mapping[str, str] | None = None,
        timeout_seconds: int = 10,
    ) -> str:
        """Create the webhook objects in a cluster and return their name; see `webhooks`."""
        configuration = self.webhooks(
            enforce=enforce,
            namespace_labels=namespace_labels,
            timeout_seconds=timeout_seconds,
        )
        answer = cluster.request("POST", CONFIGURATIONS, configuration)
        name: str = answer.body["metadata"]["name"]
        return name

    def _kubeconfig(self, cluster: ControlPlane) -> Path:
        """Give Landwaiter an account of its own with the rights that it needs."""
        objects = {"apiVersion": "v1", "kind": "List", "items": self._rights}
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(objects))
        (account,) = (each["metadata"] for each in self._rights if each["kind"] == "ServiceAccount")
        where = f"--namespace={account['namespace']}"
        token = cluster.kubectl("create", "token", account["name"], where).stdout
        shown = cluster.kubectl("config", "view", "--flatten", "--output=json").stdout
        configuration = json.loads(shown)
        configuration["users"] = [{"name": "landwaiter", "user": {"token": token.strip()}}]
        context = configuration["contexts"][0]["context"]
        context["user"] = "landwaiter"
        configuration["contexts"] = [{"name": "landwaiter", "context": context}]
        configuration["current-context"] = "landwaiter"
        file = self.folder / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(json.dumps(configuration), encoding="utf-8")
        return file

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def account_and_rights(*, keeps_verified_images: bool = False) -> list[Mapping[str, Any]]:
    """Return the account of most tests, and what it may do."""
    of_its_secret = [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["verified-images"],
            "verbs": ["get", "list", "watch", "update"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
    ]
    group = "rbac.authorization.k8s.io"
    watched = ["namespaces", "serviceaccounts"]
    kinds = ["clusterimagepolicies", "imagepolicies", "imagepolicyexceptions"]
    subject = {"kind": "ServiceAccount", "name": "landwaiter", "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "landwaiter", "namespace": NAMESPACE},
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "landwaiter"},
            "rules": [
                {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": watched, "verbs": ["get", "list", "watch"]},
                {"apiGroups": [DOCUMENTS], "resources": kinds, "verbs": ["get", "list", "watch"]},
                {
                    "apiGroups": [DOCUMENTS],
                    "resources": [f"{kind}/status" for kind in kinds],
                    "verbs": ["update"],
                },
                {
                    "apiGroups": [DOCUMENTS],
                    "resources": ["verifiedimages"],
                    "verbs": ["get", "list", "watch", "create", "patch", "delete"],
                },
                {
                    "apiGroups": ["events.k8s.io"],
                    "resources": ["events"],
                    "verbs": ["create", "patch"],
                },
            ],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "landwaiter"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "landwaiter"},
            "subjects": [subject],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": {"name": "landwaiter", "namespace": NAMESPACE},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["configmaps"],
                    "verbs": ["get", "create", "update"],
                },
                *(of_its_secret if keeps_verified_images else ()),
                {
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "verbs": ["get", "create", "update"],
                },
            ],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "landwaiter", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "landwaiter"},
            "subjects": [subject],
        },
    ]
