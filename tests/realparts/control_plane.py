"""
A whole Kubernetes control plane on loopback, without nodes: etcd, kube-apiserver and controllers.

Deployments become Pods, which stay Pending since there is no kubelet; admission needs no more. A
webhook outside is registered with `clientConfig.url` and `caBundle`. Everything is in one folder:
see `ClusterFolder`. Nothing survives `stop`, nor the end of the test runner.
"""

import itertools
import json
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from realparts.api_client import Answer, APIClient
from realparts.certificates import Authority, write_signing_keys
from realparts.cluster_arguments import (
    ClusterFolder,
    api_server_arguments,
    controller_arguments,
    etcd_arguments,
)
from realparts.cluster_files import (
    User,
    standard_rights,
    standard_users,
    write_admission_configuration,
    write_audit_policy,
    write_kubeconfig,
    write_tokens,
)
from realparts.install import ensure
from realparts.pins import read_pins
from realparts.processes import (
    ChildProcess,
    free_port,
    http_status,
    retried_on_port_clash,
    run,
    wait_until,
)

API_SERVER = "kube-apiserver"
CONTROLLERS = "kube-controller-manager"
READY_SECONDS = 60.0
"""Two seconds are usual; the rest is for machines that build something else meanwhile."""
OK = 200
CREATED = 201


class ControlPlane:
    """
    A control plane in a folder, from `with` or `start` to `stop`.

    With `webhook_client_name` the API server presents a client certificate of that name to every
    webhook; `files.webhook_client_ca` is then the file to check it with. `api_server` is the part
    to run as such. Without controllers, which there are of the newest version only, Deployments
    make no Pods and nothing goes with its owner.
    """

    def __init__(
        self,
        folder: Path,
        *,
        webhook_client_name: str | None = None,
        api_server: str = API_SERVER,
        with_controllers: bool = True,
        api_server_arguments: Sequence[str] = (),
    ) -> None:
        self.files = ClusterFolder(folder)
        self.users: Mapping[str, User] = standard_users()
        self._webhook_client_name = webhook_client_name
        self._part = api_server
        self._has_controllers = with_controllers
        self._extra_arguments = tuple(api_server_arguments)
        self._programs: Mapping[str, Path] = {}
        self._etcd: ChildProcess | None = None
        self._api_server: ChildProcess | None = None
        self._controllers: ChildProcess | None = None
        self._etcd_url = ""
        self._etcd_peer_url = ""
        self._port = 0
        self._api: APIClient | None = None
        self._numbers = itertools.count(1)

    @property
    def version(self) -> str:
        """Return which Kubernetes the API server is, such as `v1.36.3`."""
        return read_pins().parts[self._part].version

    @property
    def url(self) -> str:
        """Return the API server's address."""
        return f"https://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Bring everything up; return once Pods can be created."""
        self.files.logs.mkdir(parents=True, exist_ok=True)
        controllers = [CONTROLLERS] if self._has_controllers else []
        self._programs = ensure(["etcd", "kubectl", self._part, *controllers])
        try:
            self._write_files()
            self._etcd = retried_on_port_clash(self._launch_etcd_on_new_ports)
            self._api_server = retried_on_port_clash(self._launch_on_new_port)
            self._create_rights()
            if self._has_controllers:
                self._controllers = self._launch_controllers()
            self._provide_service_account("default")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process; the folder stays."""
        for process in (self._controllers, self._api_server, self._etcd):
            if process is not None:
                process.kill()  # Its data is thrown away anyhow.

    def stop_api_server(self) -> None:
        """Make the API server vanish, as in an outage: connections break, then are refused."""
        self._running_api_server().kill()

    def start_api_server(self) -> None:
        """Bring the API server back on its old port, with the objects it had."""
        self._api_server = self._launch_api_server()

    def stop_etcd(self) -> None:
        """Make etcd vanish, as in an outage; what it has stored stays on disk."""
        if self._etcd is not None:
            self._etcd.kill()

    def start_etcd(self) -> None:
        """Bring etcd back on its old ports, with what it had stored."""
        self._etcd = self._launch_etcd()

    @contextmanager
    def frozen_api_server(self) -> Iterator[None]:
        """Leave the API server's connections open but silent inside the block."""
        process = self._running_api_server()
        process.freeze()
        try:
            yield
        finally:
            process.thaw()

    def kubectl(
        self,
        *arguments: str | Path,
        stdin: str = "",
        user: str = "admin",
        check: bool = True,
        timeout_seconds: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as a user; with `check` a failure raises `CommandFailedError`."""
        return run(
            [self._programs["kubectl"], f"--context={user}", *arguments],
            environment=self.environment,
            timeout_seconds=timeout_seconds,
            directory=self.files.root,
            stdin=stdin,
            check=check,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return an environment in which kubectl, helm and the like find this cluster alone."""
        return {**self._base_environment, "KUBECONFIG": str(self.files.kubeconfig)}

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        user: str = "admin",
        content_type: str = "application/json",
        timeout_seconds: float = 30.0,
    ) -> Answer:
        """Send one request to the API server, from any thread; see `APIClient.request`."""
        if self._api is None:
            raise RuntimeError("the control plane has not been started")
        return self._api.request(
            method,
            path,
            body,
            user=user,
            content_type=content_type,
            timeout_seconds=timeout_seconds,
        )

    def new_namespace(
        self, *, prefix: str = "test", labels: Mapping[str, str] | None = None
    ) -> str:
        """Return the name of a fresh namespace in which Pods can be created."""
        name = f"{prefix}-{next(self._numbers)}"
        self.create_namespace(name, labels=labels)
        return name

    def create_namespace(self, name: str, *, labels: Mapping[str, str] | None = None) -> None:
        """Create a namespace and wait until Pods can be created in it."""
        metadata = {"name": name, "labels": dict(labels or {})}
        self._create(
            "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        )
        self._provide_service_account(name)

    def audit_events(
        self, wanted: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> list[dict[str, Any]]:
        """Return what the API server has logged so far, oldest first, bodies included for Pods."""
        text = self.files.audit_log.read_text(encoding="utf-8")
        finished = text[: text.rfind("\n") + 1].splitlines()
        return [event for line in finished if wanted(event := json.loads(line))]

    def wait_for_audit_event(
        self, wanted: Callable[[dict[str, Any]], bool], *, within_seconds: float = 10.0
    ) -> dict[str, Any]:
        """Return the first event that is wanted; an event is written a moment after its answer."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = self.audit_events(wanted)
            return bool(found)

        wait_until(is_there, within_seconds=within_seconds, what="an audit event")
        return found[0]

    @property
    def _base_environment(self) -> dict[str, str]:
        return {"HOME": str(self.files.home), "PATH": os.defpath}

    def _write_files(self) -> None:
        files = self.files
        files.home.mkdir(parents=True, exist_ok=True)
        Authority(files.certificates, "test cluster CA").issue_server("api-server")
        write_signing_keys(files.certificates, "service-accounts")
        write_tokens(files.tokens, list(self.users.values()))
        write_audit_policy(files.audit_policy)
        if self._webhook_client_name is not None:
            authority = Authority(files.webhook_client_ca.parent, "test webhook client CA")
            client = authority.issue_client(self._webhook_client_name)
            write_admission_configuration(files.admission_configuration, client)

    def _launch_etcd_on_new_ports(self) -> ChildProcess:
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._etcd_peer_url = f"http://127.0.0.1:{free_port()}"
        return self._launch_etcd()

    def _launch_etcd(self) -> ChildProcess:
        arguments = etcd_arguments(self.files, url=self._etcd_url, peer_url=self._etcd_peer_url)
        process = self._child("etcd", *arguments)
        health = f"{self._etcd_url}/health"
        process.wait_until_ready(lambda: http_status(health) == OK, within_seconds=READY_SECONDS)
        return process

    def _launch_on_new_port(self) -> ChildProcess:
        self._port = free_port()
        users = list(self.users.values())
        write_kubeconfig(self.files.kubeconfig, self.url, self.files.ca, users)
        context = ssl.create_default_context(cafile=str(self.files.ca))
        tokens = {key: user.token for key, user in self.users.items()}
        self._api = APIClient(url=self.url, context=context, tokens=tokens)
        return self._launch_api_server()

    def _launch_api_server(self) -> ChildProcess:
        arguments = api_server_arguments(self.files, port=self._port, etcd_url=self._etcd_url)
        if self._webhook_client_name is not None:
            file = self.files.admission_configuration
            arguments.append(f"--admission-control-config-file={file}")
        process = self._child(self._part, *arguments, *self._extra_arguments)
        context = ssl.create_default_context(cafile=str(self.files.ca))
        ready = f"{self.url}/readyz"
        process.wait_until_ready(
            lambda: http_status(ready, context=context) == OK, within_seconds=READY_SECONDS
        )
        return process

    def _launch_controllers(self) -> ChildProcess:
        kubeconfig = self.files.controllers_kubeconfig
        write_kubeconfig(kubeconfig, self.url, self.files.ca, [self.users["controllers"]])
        return self._child(CONTROLLERS, *controller_arguments(self.files))

    def _running_api_server(self) -> ChildProcess:
        if self._api_server is None:
            raise RuntimeError("the control plane has not been started")
        return self._api_server

    def _child(self, part: str, *arguments: str) -> ChildProcess:
        return ChildProcess(
            part,
            [self._programs[part], *arguments],
            log=self.files.logs / f"{part}.log",
            environment=self._base_environment,
            directory=self.files.root,
        )

    def _create_rights(self) -> None:
        group = "/apis/rbac.authorization.k8s.io/v1"
        # The role `edit` is put together by a controller, mostly from this part of it.
        role = "edit" if self._has_controllers else "system:aggregate-to-edit"
        for right in standard_rights(of_developers=role):
            self._create(f"{group}/{right['kind'].lower()}s", right)

    def _create(self, path: str, body: Mapping[str, Any]) -> None:
        answer = self.request("POST", path, body)
        if answer.status != CREATED:
            raise RuntimeError(f"{body['kind']} not created: {answer}")

    def _provide_service_account(self, namespace: str) -> None:
        """
        Return once a namespace has the account that Pods run under, which controllers make.

        The API server itself makes the first namespaces, a moment after it is ready.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}

        def is_there() -> bool:
            if self._has_controllers:
                return self.request("GET", f"{path}/default").status == OK
            return self.request("POST", path, account).status == CREATED

        wait_until(
            is_there,
            within_seconds=READY_SECONDS,
            what=f"the service account of namespace {namespace}",
        )

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
