"""
The metrics port: `/livez`, `/readyz` and `/metrics`, over plain HTTP.

`/livez` is answered by the event loop that answers reviews: when that hangs, so does this.
`/readyz` asks named checks each time and says which one fails; it is not a memory of how things
once were. Nothing here names an object, a person or a secret.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

Check = Callable[[], str | None]
"""Returns what is not ready, in a few words, or None; returns at once."""


class ReadinessObserver(Protocol):
    """Whatever counts readiness."""

    def ready(self, *, is_ready: bool) -> None:
        """Note what was found."""
        ...


class Readiness:
    """Whether this process should be sent reviews."""

    def __init__(self, checks: Mapping[str, Check], observer: ReadinessObserver) -> None:
        self._checks = dict(checks)
        self._observer = observer
        self._is_leaving = False

    def add(self, name: str, check: Check) -> None:
        """Ask one more check from now on."""
        self._checks[name] = check

    def leave(self) -> None:
        """Be unready from now on, since the process is about to end."""
        self._is_leaving = True
        self._observer.ready(is_ready=False)

    def problems(self) -> dict[str, str]:
        """Return what is not ready, by the name of the check; empty when all is well."""
        found = {name: problem for name, check in self._checks.items() if (problem := check())}
        if self._is_leaving:
            found["shutdown"] = "this process is about to end"
        self._observer.ready(is_ready=not found)
        return found

    def report(self) -> tuple[HTTPStatus, str]:
        """Return the status and the text of `/readyz`."""
        problems = self.problems()
        lines = [f"[+] {name}: ok" for name in self._checks if name not in problems]
        lines += [f"[-] {name}: {problem}" for name, problem in problems.items()]
        if problems:
            return HTTPStatus.SERVICE_UNAVAILABLE, "\n".join([*lines, "not ready", ""])
        return HTTPStatus.OK, "\n".join([*lines, "ready", ""])


def health_app(readiness: Readiness, registry: CollectorRegistry) -> FastAPI:
    """Return the application of the metrics port."""

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_request: Request) -> Response:
        status, text = readiness.report()
        return PlainTextResponse(text, status)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.router.add_route("/livez", livez, methods=["GET"])
    app.router.add_route("/readyz", readyz, methods=["GET"])
    app.router.add_route("/metrics", metrics, methods=["GET"])
    return app
