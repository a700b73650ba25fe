"""
Single requests to a Kubernetes API server, with what kubectl hides: status, body and warnings.

Each request has its own connection, so that it may be made from any thread.
"""

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

WARNING = re.compile(r'^299 \S+ "((?:[^"\\]|\\.)*)"')
"""A `Warning` header as Kubernetes writes it (RFC 7234, section 5.5)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said; `body` is empty where it sent no JSON object."""

    status: int
    body: dict[str, Any]
    warnings: tuple[str, ...]
    retry_after_seconds: int | None


@dataclass(frozen=True, slots=True)
class APIClient:
    """Asks one API server, as one of its users."""

    url: str
    context: ssl.SSLContext
    tokens: Mapping[str, str]

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
        """Return the answer, whatever its status; raise `OSError` where there is no answer."""
        address = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, timeout=timeout_seconds, context=self.context
        )
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self.tokens[user]}",
            "Content-Type": content_type,
        }
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return _answer(response, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()


def _answer(response: http.client.HTTPResponse, content: bytes) -> Answer:
    is_json = response.headers.get_content_type() == "application/json"
    retry_after = response.headers.get("Retry-After")
    return Answer(
        status=response.status,
        body=json.loads(content) if is_json else {},
        warnings=tuple(
            re.sub(r"\\(.)", r"\1", found[1])
            for header in response.headers.get_all("Warning", [])
            if (found := WARNING.match(header))
        ),
        retry_after_seconds=None if retry_after is None else int(retry_after),
    )
