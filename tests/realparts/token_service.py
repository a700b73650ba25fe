"""
The token service of a registry, on a host of its own, as Docker Hub, GitLab and ACR have one.

It gives its users tokens for what they may do: to pull and push everything, but for those in
`visitors`, who have no rights anywhere. Registries verify the tokens by its key. `asked` keeps the
`Authorization` headers that came, empty where there was none.

Source: distribution.github.io/distribution/spec/auth/token and spec/auth/jwt (read November 2026).
"""

import base64
import json
import ssl
import time
import uuid
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from realparts.certificates import Authority
from realparts.in_a_thread import InAThread
from realparts.registries import Login
from realparts.web_tokens import TokenKey

SERVICE = ISSUER = "test"
TOKEN_SECONDS = 300


class TokenService(InAThread):
    """A token service over TLS, from `with` on; it runs in a thread of the test's process."""

    def __init__(
        self, authority: Authority, *, logins: Sequence[Login], visitors: Sequence[Login] = ()
    ) -> None:
        self.logins = tuple(logins)
        self.asked: list[str] = []
        self._visitors = tuple(visitors)
        self._key = TokenKey()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        pair = authority.issue_server(f"tokens-{self._server.server_port}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        super().__init__(self._server)

    @property
    def host(self) -> str:
        """Return its host and port, by name: crane takes no realm at a loopback address."""
        return f"localhost:{self._server.server_port}"

    def configuration(self) -> dict[str, Any]:
        """Return what a registry has to know of it, but for the file of its key."""
        return {"realm": f"https://{self.host}/token", "service": SERVICE, "issuer": ISSUER}

    def key_set(self) -> dict[str, Any]:
        """Return the document that its tokens are verified with."""
        return self._key.key_set()

    def answer(self, authorization: str, scopes: Sequence[str]) -> dict[str, Any] | None:
        """Return the token for whoever asks, None where a password is wrong or there is none."""
        self.asked.append(authorization)
        if _is_one_of(authorization, self.logins):
            access = [_access(scope) for scope in scopes if scope.count(":") > 1]
        elif _is_one_of(authorization, self._visitors):
            access = []
        else:
            return None
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "somebody",
            "aud": SERVICE,
            "iat": now,
            "nbf": now - 60,
            "exp": now + TOKEN_SECONDS,
            "jti": str(uuid.uuid4()),
            "access": access,
        }
        return {"token": self._key.signed(claims), "expires_in": TOKEN_SECONDS}


class _Server(ThreadingHTTPServer):
    service: TokenService
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        query = parse_qs(urlsplit(self.path).query)
        scopes = [scope for each in query.get("scope", ()) for scope in each.split()]
        found = self.server.service.answer(self.headers.get("Authorization", ""), scopes)
        body = json.dumps(found or {}).encode()
        self.send_response(401 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write no lines: faults show in what asked."""


def _is_one_of(authorization: str, logins: Sequence[Login]) -> bool:
    pairs = (f"{login.user}:{login.password}".encode() for login in logins)
    return any(authorization == f"Basic {base64.b64encode(pair).decode()}" for pair in pairs)


def _access(scope: str) -> dict[str, Any]:
    resource, _, actions = scope.rpartition(":")
    kind, _, name = resource.partition(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}
