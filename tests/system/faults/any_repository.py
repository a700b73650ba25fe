"""
A registry in which every repository is there: of a name only its last part counts.

`new-17/signed` is the image that was pushed as `faults/signed`. A bundle binds a digest alone, so
each name is another signed image to Landwaiter, which has it verified anew, without the cost of
signing it.
"""

import http.client
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from realparts.in_a_thread import InAThread

REPOSITORY = re.compile(r"/v2/(?:[^/]+/)*(?P<last>[^/]+)/(?=(?:manifests|blobs|referrers)/)")
UPSTREAM_SECONDS = 10.0
PASSED_ON = ("Content-Type", "Docker-Content-Digest", "OCI-Filters-Applied")


class AnyRepository(InAThread):
    """The registry, from `with` to its end; `upstream` is `host:port` of the real one."""

    def __init__(self, upstream: str, folder: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            # One connection a request, so that the name of the host matters each time.
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                path = REPOSITORY.sub(rf"/v2/{folder}/\g<last>/", self.path)
                accept = {"Accept": self.headers.get("Accept", "*/*")}
                connection = http.client.HTTPConnection(upstream, timeout=UPSTREAM_SECONDS)
                try:
                    connection.request("GET", path, headers=accept)
                    answer = connection.getresponse()
                    content = answer.read()
                finally:
                    connection.close()
                self.send_response(answer.status)
                for name in PASSED_ON:
                    if (value := answer.headers.get(name)) is not None:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        super().__init__(self._server)

    @property
    def port(self) -> int:
        """Return its port of loopback."""
        return int(self._server.server_address[1])
