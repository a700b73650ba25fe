"""What becomes of every answer an API server can give, on a real connection."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.configuration import Configuration
from kubernetes.config import ConfigException

from landwaiter import __version__
from landwaiter.cluster import transport as transport_module
from landwaiter.cluster.keys import ObjectKey, Resource
from landwaiter.cluster.transport import ANSWER_MAX_BYTES, THREADS, AccessRefused, ApiTransport
from landwaiter.errors import ClusterUnavailable
from realparts.in_a_thread import InAThread

A_SECRET = ObjectKey(Resource.SECRETS, "shop", "acr")
THE_SECRET = 'secret "acr" in namespace "shop"'


class _Server(ThreadingHTTPServer):
    """An API server that gives one answer; `seen` are the requests' path and credentials."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.body = body
        self.seen: list[tuple[str, str | None]] = []
        self.agents: list[str | None] = []
        self.ahead_seconds = 0.0
        self.release = threading.Event()
        self.mode = "whole"


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        server.seen.append((self.path, self.headers["Authorization"]))
        server.agents.append(self.headers["User-Agent"])
        if server.mode == "hang":
            server.release.wait(30)
            self.close_connection = True
            return
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        if server.mode == "cut":
            self.wfile.write(server.body[:3])
            self.close_connection = True
            return
        if server.mode == "trickle":
            for byte in server.body:
                if server.release.wait(0.02):
                    return
                self.wfile.write(bytes([byte]))
            return
        self.wfile.write(server.body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        moment = time.time() + self.server.ahead_seconds
        return super().date_time_string(int(moment if timestamp is None else timestamp))

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


@contextmanager
def api_server(status: int = 200, body: bytes = b"{}", mode: str = "whole") -> Iterator[_Server]:
    server = _Server(status, body)
    server.mode = mode
    with InAThread(server):
        try:
            yield server
        finally:
            server.release.set()


def kubeconfig(folder: Path, url: str) -> Path:
    file = folder / "kubeconfig"
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "hunter2"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file.write_text(json.dumps(document))
    return file


@contextmanager
def connected(folder: Path, url: str) -> Iterator[ApiTransport]:
    transport = ApiTransport.connect(kubeconfig(folder, url))
    try:
        yield transport
    finally:
        transport.close()


def url_of(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


async def fault_of(folder: Path, server: _Server) -> str:
    with connected(folder, url_of(server)) as api, pytest.raises(ClusterUnavailable) as fault:
        await api.get(A_SECRET)
    return str(fault.value)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (ObjectKey(Resource.NAMESPACES, "", "shop"), "/api/v1/namespaces/shop"),
        (
            ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "web"),
            "/api/v1/namespaces/shop/serviceaccounts/web",
        ),
        (A_SECRET, "/api/v1/namespaces/shop/secrets/acr"),
    ],
)
async def test_an_object_is_asked_for_with_the_kubeconfig_s_token(
    tmp_path: Path, key: ObjectKey, path: str
) -> None:
    """The right path is asked, with the credentials, and the bytes come back."""
    with api_server(body=b'{"kind":"x"}') as server, connected(tmp_path, url_of(server)) as api:
        content = await api.get(key)

    assert (b'{"kind":"x"}', [(path, "Bearer hunter2")]) == (content, server.seen)


async def test_a_missing_object_is_none(tmp_path: Path) -> None:
    """404 is an answer and no fault."""
    with api_server(status=404) as server, connected(tmp_path, url_of(server)) as api:
        assert await api.get(A_SECRET) is None


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (
            403,
            (
                f"Landwaiter may not read {THE_SECRET}: "
                'its ServiceAccount needs the verb "get" on "secrets"'
            ),
        ),
        (
            401,
            f"{THE_SECRET} could not be read: the Kubernetes API does not accept our credentials",
        ),
        (429, f"{THE_SECRET} could not be read: the Kubernetes API answered 429"),
        (500, f"{THE_SECRET} could not be read: the Kubernetes API answered 500"),
        (503, f"{THE_SECRET} could not be read: the Kubernetes API answered 503"),
        (302, f"{THE_SECRET} could not be read: the Kubernetes API answered 302"),
        (204, f"{THE_SECRET} could not be read: the Kubernetes API answered 204"),
    ],
)
async def test_other_answers_are_faults_that_say_what_to_do(
    tmp_path: Path, status: int, problem: str
) -> None:
    """A missing right names the verb and the resource; a redirect is never followed."""
    with api_server(status=status, body=b"" if status == 204 else b"{}") as server:
        fault = await fault_of(tmp_path, server)

    assert problem == fault
    assert {"/api/v1/namespaces/shop/secrets/acr"} == {path for path, _ in server.seen}


@pytest.mark.parametrize(
    ("status", "refused"), [(401, True), (403, True), (429, False), (500, False)]
)
async def test_a_missing_right_is_told_from_a_fault_that_may_pass(
    tmp_path: Path,
    status: int,
    refused: bool,  # noqa: FBT001
) -> None:
    """Only where asking again changes nothing."""
    with (
        api_server(status=status) as server,
        connected(tmp_path, url_of(server)) as api,
        pytest.raises(ClusterUnavailable) as fault,
    ):
        await api.get(A_SECRET)

    assert refused == isinstance(fault.value, AccessRefused)


async def test_an_answer_cut_in_the_middle_is_a_fault(tmp_path: Path) -> None:
    """Half an object is not an object."""
    with api_server(body=b'{"kind":"Secret"}', mode="cut") as server:
        fault = await fault_of(tmp_path, server)

    assert (
        f"{THE_SECRET} could not be read: the Kubernetes API did not answer (ProtocolError)"
        == fault
    )


async def test_an_answer_that_is_too_large_is_a_fault(tmp_path: Path) -> None:
    """No more is read than an object can have."""
    with api_server(body=bytes(ANSWER_MAX_BYTES + 1)) as server:
        fault = await fault_of(tmp_path, server)

    assert f"{THE_SECRET} has over {ANSWER_MAX_BYTES} bytes" == fault


async def test_no_account_can_be_made_too_large_to_read(tmp_path: Path) -> None:
    """The largest object that etcd takes is read, also where JSON writes each byte as six."""
    name = "\\u003c" * (3 * 1024 * 1024 // 2)
    body = f'{{"secrets":[{{"name":"{name}"}}]}}'.encode()
    with api_server(body=body) as server, connected(tmp_path, url_of(server)) as api:
        found = await api.get(A_SECRET)

    assert len(body) == len(found or b"")


async def test_an_answer_that_trickles_in_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single bytes within the read timeout do not keep a thread for ever."""
    monkeypatch.setattr(transport_module, "TOTAL_SECONDS", 0.2)
    with api_server(body=bytes(5_000), mode="trickle") as server:
        fault = await fault_of(tmp_path, server)

    assert f"{THE_SECRET} took over 0.2 s to read" == fault


async def test_a_server_that_never_answers_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read timeout ends the wait of the thread."""
    monkeypatch.setattr(transport_module, "READ_SECONDS", 0.1)
    with api_server(mode="hang") as server:
        fault = await fault_of(tmp_path, server)

    assert (
        f"{THE_SECRET} could not be read: the Kubernetes API did not answer (ReadTimeoutError)"
        == fault
    )


async def test_a_server_that_is_down_is_a_fault(tmp_path: Path) -> None:
    """A refused connection names what happened and no address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with connected(tmp_path, url) as api, pytest.raises(ClusterUnavailable) as fault:
            await api.get(A_SECRET)

    assert (
        f"{THE_SECRET} could not be read: the Kubernetes API did not answer (NewConnectionError)"
        == str(fault.value)
    )


async def test_hanging_questions_leave_the_loop_s_own_threads_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every thread of the transport stuck, other work in threads goes on."""
    monkeypatch.setattr(transport_module, "READ_SECONDS", 2.0)
    with api_server(mode="hang") as server, connected(tmp_path, url_of(server)) as api:
        stuck = [asyncio.create_task(api.get(A_SECRET)) for _ in range(THREADS * 2)]
        done = await asyncio.gather(*(asyncio.to_thread(lambda: 1) for _ in range(50)))
        server.release.set()
        await asyncio.gather(*stuck, return_exceptions=True)

    assert [1] * 50 == done


@pytest.mark.parametrize("text", ["", "{}", "[]", "clusters: [", "clusters: 1\ncontexts: 2", "\0"])
def test_a_kubeconfig_that_does_not_load_says_so(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(ClusterUnavailable) as fault:
        ApiTransport.connect(file)

    assert str(fault.value).startswith(
        f"no usable configuration for the Kubernetes API in {file}: "
    )


def test_outside_a_cluster_a_kubeconfig_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without kubeconfig the Pod's own account is used, which is not there."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterUnavailable) as fault:
        ApiTransport.connect()

    assert (
        "no usable configuration for the Kubernetes API in this Pod: "
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set" == str(fault.value)
    )


@pytest.mark.parametrize(
    ("ahead_seconds", "expected"), [(0.0, 0.0), (3.0, 0.0), (-86400.0, -86400.0), (7200.0, 7200.0)]
)
async def test_the_time_is_the_api_servers(
    tmp_path: Path, ahead_seconds: float, expected: float
) -> None:
    """It checks certificates by its own clock; some seconds are no difference."""
    with api_server() as server, connected(tmp_path, url_of(server)) as api:
        server.ahead_seconds = ahead_seconds
        before = api.server_time() - time.time()
        await api.get(A_SECRET)
        after = api.server_time() - time.time()

    assert abs(before) < 1
    assert abs(after - expected) < 3


async def test_a_clock_that_leaps_does_not_change_the_api_servers_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates made by a time that never was would be trusted by nobody."""
    year = timedelta(days=365).total_seconds()
    with api_server() as server, connected(tmp_path, url_of(server)) as api:
        await api.get(A_SECRET)
        truth = time.time()
        monkeypatch.setattr(time, "time", lambda: truth + year)
        leapt = api.server_time()

    assert abs(leapt - truth) < 3


async def test_requests_say_who_asks(tmp_path: Path) -> None:
    """The API server writes it down beside each field that was written."""
    with api_server() as server, connected(tmp_path, url_of(server)) as api:
        await api.get(A_SECRET)

    assert [f"landwaiter/{__version__}"] == server.agents


class Counted:
    """Remembers what it is told of requests."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def request_finished(self, verb: str, resource: str, outcome: str, *, seconds: float) -> None:
        assert 0 <= seconds < 10
        self.told.append((verb, resource, outcome))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "done"),
        (404, "missing"),
        (403, "refused"),
        (409, "conflict"),
        (429, "throttled"),
        (500, "failed"),
    ],
)
async def test_each_request_is_told_of(tmp_path: Path, status: int, outcome: str) -> None:
    """With what a Role would name, what came of it and how long it took."""
    counted = Counted()
    with api_server(status) as server:
        path = kubeconfig(tmp_path, url_of(server))
        transport = ApiTransport.connect(path, observer=counted)
        with suppress(ClusterUnavailable):
            await transport.get(A_SECRET)
        transport.close()

    assert [("get", "secrets", outcome)] == counted.told


async def test_a_request_without_answer_is_told_of_too(tmp_path: Path) -> None:
    """Nobody listens on the port of a server that has been stopped."""
    counted = Counted()
    with api_server() as server:
        path = kubeconfig(tmp_path, url_of(server))
    transport = ApiTransport.connect(path, observer=counted)
    with pytest.raises(ClusterUnavailable):
        await transport.get(A_SECRET)
    transport.close()

    assert [("get", "secrets", "unanswered")] == counted.told


async def test_a_kubeconfig_whose_credentials_end_is_a_fault_that_names_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The official client renews them, and raises what is its own where it cannot."""

    def refuse(*_: object, **__: object) -> str:
        raise ConfigException("hunter2")

    monkeypatch.setattr(Configuration, "get_api_key_with_prefix", refuse)
    with api_server() as server:
        fault = await fault_of(tmp_path, server)

    assert (
        f"{THE_SECRET} could not be read: the Kubernetes API did not answer (NoCredentials)"
        == fault
    )
