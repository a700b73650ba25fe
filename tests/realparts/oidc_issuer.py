"""
An OpenID Connect issuer on loopback that vouches for whatever identity a test asks for.

It serves a discovery document and its keys, which is all that Fulcio reads of an issuer.

Source: OpenID Connect Discovery 1.0.
"""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from realparts.in_a_thread import InAThread
from realparts.web_tokens import TokenKey

AUDIENCE = "sigstore"
TOKEN_SECONDS = 600


class OIDCIssuer(InAThread):
    """An issuer, from `with` or `start` to `stop`; it runs in a thread of the test's process."""

    def __init__(self) -> None:
        self._key = TokenKey()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.documents = self._documents()
        super().__init__(self._server)

    @property
    def url(self) -> str:
        """Return the issuer's name, which is its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def token(self, email: str, **claims: object) -> str:
        """Return a signed statement that its bearer has an e-mail address."""
        now = int(time.time())
        payload = {
            "iss": self.url,
            "sub": email,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "email": email,
            "email_verified": True,
            **claims,
        }
        return self._key.signed(payload)

    def _documents(self) -> dict[str, dict[str, Any]]:
        discovery = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return {"/.well-known/openid-configuration": discovery, "/keys": self._key.key_set()}


class _Server(ThreadingHTTPServer):
    documents: dict[str, dict[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        document = self.server.documents.get(self.path)
        if document is None:
            self.send_error(404)
            return
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write no lines: faults show in what asked."""
