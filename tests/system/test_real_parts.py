"""The control plane does what the other system tests rely on, and leaves nothing behind."""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from realparts.certificates import Authority
from realparts.control_plane import ControlPlane
from realparts.in_a_thread import InAThread
from realparts.processes import wait_until

TESTS = Path(__file__).resolve().parents[1]
AN_IMAGE = "registry.example.com/team/app:1.0"
RUNNER = """
import sys
from pathlib import Path

from realparts.control_plane import ControlPlane

ControlPlane(Path(sys.argv[1])).start()
print("up", flush=True)
sys.stdin.read()
"""


def a_pod(name: str, **spec: object) -> dict[str, Any]:
    containers = [{"name": "main", "image": AN_IMAGE}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }


def pods_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def creates_pod(event: dict[str, Any], namespace: str) -> bool:
    what = event.get("objectRef", {})
    seen = (event["verb"], what.get("resource"), what.get("namespace"))
    return seen == ("create", "pods", namespace)


class RecordingServer(ThreadingHTTPServer):
    """Serves a webhook that admits everything and keeps its clients' names."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), RecordingHandler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.callers: set[object] = set()


class RecordingHandler(BaseHTTPRequestHandler):
    """Answers one connection of a `RecordingServer`."""

    def do_POST(self) -> None:
        assert isinstance(self.server, RecordingServer)
        assert isinstance(self.connection, ssl.SSLSocket)
        certificate = self.connection.getpeercert() or {}
        self.server.callers.add(certificate["subject"])
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {"uid": review["request"]["uid"], "allowed": True}
        answer = json.dumps({**review, "request": None, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write no line for a request that went well."""


@pytest.fixture(scope="module")
def identified_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give this module a control plane that shows webhooks a client certificate."""
    folder = tmp_path_factory.mktemp("identified-control-plane")
    with ControlPlane(folder, webhook_client_name="the-api-server") as control_plane:
        yield control_plane


def test_a_deployment_becomes_pods(control_plane: ControlPlane, namespace: str) -> None:
    """The controllers make the Pods of what a developer applies, under their own names."""
    control_plane.kubectl(
        *("create", "deployment", "web", f"--image={AN_IMAGE}", f"--namespace={namespace}"),
        user="developer",
    )

    made = control_plane.wait_for_audit_event(lambda event: creates_pod(event, namespace))
    assert "system:serviceaccount:kube-system:replicaset-controller" == made["user"]["username"]


def test_image_volumes_are_accepted(control_plane: ControlPlane, namespace: str) -> None:
    """This Kubernetes keeps image volumes, without any feature gate."""
    volume = {"reference": "registry.example.com/team/files:1", "pullPolicy": "Always"}
    pod = a_pod("with-volume", volumes=[{"name": "files", "image": volume}])

    answer = control_plane.request("POST", pods_of(namespace), pod)

    assert volume == answer.body["spec"]["volumes"][0]["image"]


def test_a_developer_debugs_a_pod(control_plane: ControlPlane, namespace: str) -> None:
    """A developer adds an ephemeral container."""
    control_plane.request("POST", pods_of(namespace), a_pod("broken"))

    control_plane.kubectl(
        *("debug", "broken", f"--image={AN_IMAGE}", "--container=shell", "--profile=general"),
        f"--namespace={namespace}",
        user="developer",
    )

    spec = control_plane.request("GET", f"{pods_of(namespace)}/broken").body["spec"]
    assert [("shell", AN_IMAGE)] == [(c["name"], c["image"]) for c in spec["ephemeralContainers"]]


def test_a_node_creates_a_mirror_pod(control_plane: ControlPlane, namespace: str) -> None:
    """The kubelet's user may create the Pod that stands for a static one."""
    pod = a_pod("static-n1", nodeName="n1")
    pod["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "0123456789abcdef"}

    answer = control_plane.request("POST", pods_of(namespace), pod, user="node")

    assert 201 == answer.status


def test_a_developer_is_no_administrator(control_plane: ControlPlane) -> None:
    """A developer may not list the nodes."""
    assert 403 == control_plane.request("GET", "/api/v1/nodes", user="developer").status


def test_warnings_are_read(control_plane: ControlPlane, namespace: str) -> None:
    """What the API server warns about reaches the test, quotes and all."""
    pod = a_pod("warned", nodeSelector={"beta.kubernetes.io/os": "linux"})

    answer = control_plane.request("POST", pods_of(namespace), pod)

    text = 'deprecated since v1.14; use "kubernetes.io/os" instead'
    assert (f"spec.nodeSelector[beta.kubernetes.io/os]: {text}",) == answer.warnings


def test_the_audit_log_holds_the_bodies_of_pods(
    control_plane: ControlPlane, namespace: str
) -> None:
    """The audit event of a Pod has what was asked for."""
    control_plane.request("POST", pods_of(namespace), a_pod("audited"), user="developer")

    event = control_plane.wait_for_audit_event(lambda event: creates_pod(event, namespace))
    image = event["requestObject"]["spec"]["containers"][0]["image"]
    assert ("test-developer", AN_IMAGE) == (event["user"]["username"], image)


def test_the_api_server_names_itself_to_webhooks(
    identified_control_plane: ControlPlane, authority: Authority
) -> None:
    """Where it is asked to, the API server presents its client certificate."""
    serving = authority.issue_server("recording-webhook")
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(identified_control_plane.files.webhook_client_ca)
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(serving.certificate, serving.key)
    namespace = identified_control_plane.new_namespace()

    server = RecordingServer(context)
    with InAThread(server):
        register(identified_control_plane, server.server_port, authority.certificate)
        wait_until(
            lambda: dry_run(identified_control_plane, namespace) and bool(server.callers),
            within_seconds=20,
            what="a call of the webhook",
        )

    assert {((("commonName", "the-api-server"),),)} == server.callers


def register(control_plane: ControlPlane, port: int, ca: Path) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    webhook = {
        "name": "recording.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": as_base64(ca)},
        "rules": [{**rule, "resources": ["pods"]}],
    }
    document = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "recording"},
        "webhooks": [webhook],
    }
    control_plane.kubectl("apply", "--filename=-", stdin=json.dumps(document))


def as_base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def dry_run(control_plane: ControlPlane, namespace: str) -> bool:
    path = f"{pods_of(namespace)}?dryRun=All"
    return control_plane.request("POST", path, a_pod("nobody")).status == 201


def test_the_api_server_goes_and_comes_back(identified_control_plane: ControlPlane) -> None:
    """After an outage the API server has its old address and objects."""
    namespace = identified_control_plane.new_namespace()
    identified_control_plane.stop_api_server()
    with pytest.raises(OSError, match="refused"):
        identified_control_plane.request("GET", "/version")

    identified_control_plane.start_api_server()

    path = f"/api/v1/namespaces/{namespace}"
    assert 200 == identified_control_plane.request("GET", path).status


def test_a_frozen_api_server_is_silent(identified_control_plane: ControlPlane) -> None:
    """A frozen API server takes connections and answers nothing, then goes on."""
    with (
        identified_control_plane.frozen_api_server(),
        pytest.raises(TimeoutError),
    ):
        identified_control_plane.request("GET", "/version", timeout_seconds=0.5)

    assert 200 == identified_control_plane.request("GET", "/version").status


def test_nothing_outlives_a_killed_runner(tmp_path: Path) -> None:
    """A whole control plane ends with the process that started it, however that ends."""
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with runner:
        assert runner.stdout is not None
        up = runner.stdout.readline()
        running = processes_naming(tmp_path) - {runner.pid}
        os.kill(runner.pid, signal.SIGKILL)

    assert (b"up\n", 3) == (up, len(running))
    wait_until(
        lambda: not processes_naming(tmp_path), within_seconds=10, what="the end of the children"
    )


def processes_naming(folder: Path) -> set[int]:
    """Return the processes whose command line names a folder."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:  # It has ended.
            continue
        if os.fsencode(folder) in command:
            found.add(int(process.name))
    return found
