"""A collector of traces on loopback, as OpenTelemetry's own takes them by HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from realparts.in_a_thread import InAThread


class Collector(ThreadingHTTPServer):
    """A collector of OTLP over HTTP; while `stuck` it reads and does not answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []
        self.stuck = threading.Event()
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.stuck.is_set():
            self.server.ended.wait(30)
            return
        if self.headers["Content-Encoding"] == "gzip":
            raise ValueError("not asked for")
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


@contextmanager
def a_collector() -> Iterator[Collector]:
    collector = Collector()
    with InAThread(collector):
        try:
            yield collector
        finally:
            collector.ended.set()
