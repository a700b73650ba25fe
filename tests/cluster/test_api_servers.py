"""A Pod's own API server, reached with what a Pod is given, on a real TLS connection."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from landwaiter.cluster.api_servers import own_api_server
from landwaiter.cluster.keys import ObjectKey, Resource
from landwaiter.cluster.transport import ApiTransport
from landwaiter.errors import ClusterUnavailable
from realparts.certificates import Authority
from realparts.in_a_thread import InAThread

A_NAMESPACE = ObjectKey(Resource.NAMESPACES, "", "shop")
PROXY = "http://127.0.0.1:9"


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.shown.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


class _Server(ThreadingHTTPServer):
    """An API server that answers everything; `shown` is who has asked."""

    daemon_threads = True

    def __init__(self, authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.shown: list[str | None] = []
        pair = authority.issue_server("api")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a Pod is told of it."""
        return {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.server_port),
        }


@pytest.fixture(name="authority", scope="module")
def authority_fixture(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(name="account")
def account_fixture(tmp_path: Path, authority: Authority) -> Path:
    """Return the folder of a service account, as it is mounted."""
    (tmp_path / "ca.crt").write_bytes(authority.certificate.read_bytes())
    (tmp_path / "token").write_text("first\n")
    return tmp_path


@contextmanager
def serving(authority: Authority) -> Iterator[_Server]:
    server = _Server(authority)
    with InAThread(server):
        yield server


@contextmanager
def connected(server: _Server, account: Path) -> Iterator[ApiTransport]:
    transport = ApiTransport(own_api_server(server.environment, account, connections=2))
    try:
        yield transport
    finally:
        transport.close()


async def test_it_is_asked_as_the_service_account(authority: Authority, account: Path) -> None:
    """The token is the one that is in the file when something is asked: it is replaced hourly."""
    with serving(authority) as server, connected(server, account) as api:
        first = await api.get(A_NAMESPACE)
        (account / "token").write_text("second")
        second = await api.get(A_NAMESPACE)

    assert (b"{}", b"{}", ["Bearer first", "Bearer second"]) == (first, second, server.shown)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "FileNotFoundError"),
        (b"", "NoCredentials"),
        (b"hunter\xff", "NoCredentials"),
        (b"hunter\nTransfer-Encoding: chunked", "NoCredentials"),
    ],
)
async def test_a_token_that_is_spoilt_is_a_fault(
    authority: Authority, account: Path, content: bytes | None, why: str
) -> None:
    """Asking without it would be asking as anybody; and no error quotes it."""
    with serving(authority) as server, connected(server, account) as api:
        (account / "token").unlink()
        if content is not None:
            (account / "token").write_bytes(content)
        with pytest.raises(ClusterUnavailable) as fault:
            await api.get(A_NAMESPACE)

    assert [] == server.shown
    assert f'namespace "shop" could not be read: the Kubernetes API did not answer ({why})' == str(
        fault.value
    )


async def test_a_server_by_another_authority_is_not_asked(
    authority: Authority, account: Path, tmp_path: Path
) -> None:
    """Whoever sits between would get the token."""
    other = Authority(tmp_path / "other", "another CA")
    with (
        serving(other) as server,
        connected(server, account) as api,
        pytest.raises(ClusterUnavailable) as fault,
    ):
        await api.get(A_NAMESPACE)

    assert [] == server.shown
    assert (
        'namespace "shop" could not be read: the Kubernetes API did not answer (SSLError)'
        == str(fault.value)
    )


async def test_no_proxy_is_between(
    authority: Authority, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that a cluster sets for what is outside would lock the Pod out of its cluster."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, PROXY)
    with serving(authority) as server, connected(server, account) as api:
        found = await api.get(A_NAMESPACE)

    assert b"{}" == found


def test_an_address_of_the_sixth_version_is_put_in_brackets(account: Path) -> None:
    """Its colons would be taken for that of the port."""
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    assert "https://[fd00::1]:443" == own_api_server(environment, account, connections=1).url


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("token", None, "[Errno 2] No such file or directory: '{folder}/token'"),
        ("token", b" \n", "{folder}/token holds no token"),
        ("token", b"hunter\xff", "{folder}/token holds no token"),
        ("ca.crt", None, "[Errno 2] No such file or directory"),
        ("ca.crt", b"", "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found"),
    ],
)
def test_an_account_that_is_not_whole_says_so(
    account: Path, file: str, content: bytes | None, why: str
) -> None:
    """Before anything is asked, by file or by kind, and without a word of the token."""
    if content is None:
        (account / file).unlink()
    else:
        (account / file).write_bytes(content)
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    with pytest.raises(ClusterUnavailable) as fault:
        own_api_server(environment, account, connections=1)

    said = f"no usable configuration for the Kubernetes API in this Pod: {why}"
    assert str(fault.value).startswith(said.format(folder=account))


def test_what_is_shown_is_in_no_representation(account: Path) -> None:
    """A token that is logged by accident is everybody's."""
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    server = own_api_server(environment, account, connections=1)

    assert "Bearer first" == server.authorization()
    assert "first" not in repr(server)
