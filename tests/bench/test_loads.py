"""The programs that send loads count what was answered, and accept nothing else."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.creating import Order, create
from bench.loading import ECHOED, Bodies, load, specification
from bench.reviews import Rollout, reviews
from bench.scene import Scene
from realparts.certificates import Authority
from realparts.in_a_thread import InAThread

ROLLOUT = Rollout("web-0", "shop", (f"registry.example.com/shop/a@sha256:{'1' * 64}",))


def test_a_load_counts_the_answers_that_are_wanted(tmp_path: Path) -> None:
    """
    And ends with an error where an answer is another one.

    Latencies are in order, and the server has worked for them: some 50 answers, in far less time.
    """
    with Scene(tmp_path) as scene:
        echo = scene.echo()
        bodies = Bodies(scene, "few", list(reviews([ROLLOUT], 5)))
        wanted = specification(scene, echo, bodies, connections=4, count=50)
        result = load(scene, wanted)
        unwanted = specification(scene, echo, bodies, connections=1, count=1, expected="no echo")
        with pytest.raises(RuntimeError, match="the load ended with 1"):
            load(scene, unwanted)

    assert (ECHOED, 50) == (wanted.expected, result.requests)
    assert 0 < result.p50 <= result.p99 <= result.longest
    assert 0 < result.server_cpu_seconds < 60


@contextmanager
def an_api_server(folder: Path, status: int, created: list[str]) -> Iterator[Order]:
    """Give an order for a server that takes what is posted, and answers with a status."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            created.append(json.loads(body)["name"])
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    authority = Authority(folder / "authority")
    pair = authority.issue_server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    objects = folder / "objects"
    objects.write_text("\n".join(json.dumps({"name": f"pod-{n}"}) for n in range(7)), "utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with InAThread(server):
        yield Order(server.server_port, str(authority.certificate), "token", "/p", str(objects), 3)


def test_each_object_is_created_once(tmp_path: Path) -> None:
    """Over all connections together."""
    created: list[str] = []
    with an_api_server(tmp_path, 201, created) as order:
        found = create(order)

    assert 7 == found.objects
    assert [f"pod-{n}" for n in range(7)] == sorted(created)


def test_an_object_that_is_not_created_ends_the_run(tmp_path: Path) -> None:
    """A rate of refusals is no rate of Pods."""
    with (
        an_api_server(tmp_path, 403, []) as order,
        pytest.raises(RuntimeError, match="not created: 403"),
    ):
        create(order)
