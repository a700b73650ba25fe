"""
An OCI registry in memory, on loopback, that answers truthfully until it is told not to.

    async with FakeRegistry(users={"ann": "pw"}) as registry:
        digest = registry.add_image("team/app", tag="1")
        registry.on("/blobs/", answer(503), times=1)

It serves manifests, blobs and referrers (or not: `referrers_api=False`), pages lists, asks for a
password or for a token, and speaks TLS when given a context. Faults are put in front of it for
requests whose path and query contain a text; `seen` keeps what was asked. It is tested beside
the real registries, with the same client, in tests/system/test_registry_client.py.
"""

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from landwaiter.images.content import Descriptor
from realparts.certificates import LOOPBACK, Authority

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that arrived."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")


@dataclass(slots=True)
class _Hook:
    text: str
    fault: Fault
    times: int


@dataclass(slots=True)
class _Stored:
    content: bytes
    media_type: str


@dataclass(slots=True)
class _Repository:
    manifests: dict[str, _Stored] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    referrers: dict[str, list[dict[str, object]]] = field(default_factory=dict)


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def server_context(authority: Authority, *, hosts: Sequence[str] = LOOPBACK) -> ssl.SSLContext:
    """Return what a server with a certificate of the authority presents."""
    files = authority.issue_server("fake-registry", hosts=hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


class FakeRegistry:
    """
    The registry; an asynchronous context manager.

    `users` (name to password) makes it ask: with `auth="basic"` for the password, with
    `auth="token"` for a token from its own `/token`, or from `realm`. `identity_tokens` are
    refresh tokens that `/token` accepts. `public` lets the anonymous have tokens too.
    `hidden_from` is an `Authorization` header that sees nothing but 404.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        identity_tokens: frozenset[str] = frozenset(),
        auth: Literal["basic", "token"] = "token",
        public: bool = False,
        realm: str | None = None,
        referrers_api: bool = True,
        page_size: int = 1000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.users = dict(users or {})
        self.identity_tokens = identity_tokens
        self.auth = auth
        self.public = public
        self.realm = realm
        self.referrers_api = referrers_api
        self.page_size = page_size
        self.token_life_seconds: object = 300
        self.hidden_from: str | None = None
        self.seen: list[Seen] = []
        self._tls = tls
        self._asks = bool(users or identity_tokens or realm)
        self._hooks: list[_Hook] = []
        self._inner_hooks: list[_Hook] = []
        self._repositories: dict[str, _Repository] = {}
        self._tokens: set[str] = set()
        self._runner: web.AppRunner | None = None
        self._ended = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def host(self) -> str:
        """What stands before the first slash of its images' names."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://{self.host}"

    def on(self, text: str, fault: Fault, *, times: int = 1_000_000) -> None:
        """Answer the next requests whose path and query contain the text with a fault."""
        self._hooks.append(_Hook(text, fault, times))

    def after_login(self, text: str, fault: Fault) -> None:
        """Answer requests that contain the text, and were let in, with a fault."""
        self._inner_hooks.append(_Hook(text, fault, 1_000_000))

    def content_of(self, repository: str, digest: str) -> bytes:
        """Return a manifest as it is stored."""
        return self._repositories[repository].manifests[digest].content

    def lets_in(self, request: web.Request) -> bool:
        """Say whether a request has what the registry asks for."""
        return self._challenge(request) is None

    def behave(self) -> None:
        """Answer truthfully again, whatever faults there were."""
        self._hooks.clear()
        self._inner_hooks.clear()

    def truthful(self) -> Fault:
        """Return the answer without any fault, for faults that only watch."""

        async def fault(request: web.Request) -> web.StreamResponse:
            return self._content(request)

        return fault

    async def truth(self, request: web.Request) -> web.Response:
        """Return what is answered to a request that is let in, or to one for a token."""
        if request.path != "/token":
            return self._content(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        return self._token(request, form)

    async def until_ended(self) -> None:
        """Wait until the registry ends, for faults that never answer."""
        await self._ended.wait()

    def paths(self, text: str = "") -> list[str]:
        """Return the paths of all requests so far that contain the text."""
        return [seen.path for seen in self.seen if text in seen.path]

    def revoke_tokens(self) -> None:
        """Accept none of the tokens that were given out."""
        self._tokens.clear()

    def add_blob(self, repository: str, content: bytes, media_type: str = EMPTY) -> Descriptor:
        digest = digest_of(content)
        self._repository(repository).blobs[digest] = content
        return Descriptor(media_type, digest, len(content))

    def add_manifest(
        self, repository: str, content: bytes, *, media_type: str = IMAGE, tag: str | None = None
    ) -> str:
        """Store a manifest and return its digest; a `subject` in it makes it a referrer."""
        digest = digest_of(content)
        stored = self._repository(repository)
        stored.manifests[digest] = _Stored(content, media_type)
        if tag is not None:
            stored.tags[tag] = digest
        return digest

    def add_image(
        self, repository: str = "team/app", *, tag: str | None = "1", note: str = ""
    ) -> str:
        """Store a small image and return its digest; the note makes it another one."""
        config = self.add_blob(repository, json.dumps({"note": note}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {"mediaType": EMPTY, "digest": config.digest, "size": config.size},
            "layers": [],
            "annotations": {"note": note},
        }
        return self.add_manifest(repository, json.dumps(manifest).encode(), tag=tag)

    def add_referrer(
        self,
        repository: str,
        subject: str,
        content: bytes,
        *,
        artifact_type: str = "application/vnd.dev.sigstore.bundle.v0.3+json",
        annotations: Mapping[str, str] | None = None,
    ) -> Descriptor:
        """Store what refers to the subject, and return the descriptor that lists it."""
        layer = self.add_blob(repository, content, artifact_type)
        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "artifactType": artifact_type,
            "config": {"mediaType": EMPTY, "digest": digest_of(b"{}"), "size": 2},
            "layers": [{"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}],
            "subject": {"mediaType": IMAGE, "digest": subject, "size": 1},
            "annotations": dict(annotations or {}),
        }
        body = json.dumps(manifest).encode()
        digest = self.add_manifest(repository, body)
        self.list_referrer(
            repository,
            subject,
            {
                "mediaType": IMAGE,
                "digest": digest,
                "size": len(body),
                "artifactType": artifact_type,
                "annotations": dict(annotations or {}),
            },
        )
        return Descriptor(IMAGE, digest, len(body), artifact_type, dict(annotations or {}))

    def list_referrer(self, repository: str, subject: str, entry: dict[str, object]) -> None:
        """List any descriptor as a referrer of the subject, by API or fallback tag."""
        stored = self._repository(repository)
        listed = stored.referrers.setdefault(subject, [])
        listed.append(entry)
        if not self.referrers_api:
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
            tag = subject.replace(":", "-", 1)
            content = json.dumps(index).encode()
            self.add_manifest(repository, content, media_type=INDEX, tag=tag)

    def _repository(self, name: str) -> _Repository:
        return self._repositories.setdefault(name, _Repository())

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.seen.append(
            Seen(request.method, request.path, request.query_string, dict(request.headers), form)
        )
        if (fault := _matching(self._hooks, request)) is not None:
            return await fault(request)
        if request.path == "/token":
            return self._token(request, form)
        if (refusal := self._challenge(request)) is not None:
            return refusal
        if (fault := _matching(self._inner_hooks, request)) is not None:
            return await fault(request)
        if self.hidden_from == request.headers.get("Authorization", ""):
            return _refusal(404, {})
        return self._content(request)

    def _challenge(self, request: web.Request) -> web.Response | None:
        sent = request.headers.get("Authorization", "")
        if not self._asks or sent.removeprefix("Bearer ") in self._tokens:
            return None
        if self.auth == "basic":
            if any(sent == basic(name, password) for name, password in self.users.items()):
                return None
            return _refusal(401, {"WWW-Authenticate": 'Basic realm="fake"'})
        realm = self.realm or f"{self.url}/token"
        challenge = f'Bearer realm="{realm}",service="fake"'
        return _refusal(401, {"WWW-Authenticate": challenge})

    def _token(self, request: web.Request, form: Mapping[str, str]) -> web.Response:
        sent = request.headers.get("Authorization")
        known = any(sent == basic(name, password) for name, password in self.users.items())
        if request.method == "POST":
            known = form.get("refresh_token") in self.identity_tokens
        if not (known or (self.public and sent is None)):
            return _refusal(401, {})
        token = f"token-{len(self._tokens)}-of-{self.port}"
        self._tokens.add(token)
        return web.json_response({"token": token, "expires_in": self.token_life_seconds})

    def _content(self, request: web.Request) -> web.Response:
        parts = request.path.removeprefix("/v2/").rsplit("/", 2)
        stored = self._repositories.get(parts[0])
        if stored is None or len(parts) != 3:
            return _refusal(404, {})
        _, kind, pointer = parts
        if kind == "manifests":
            found = stored.manifests.get(stored.tags.get(pointer, pointer))
            if found is None:
                return _refusal(404, {})
            headers = {
                "Content-Type": found.media_type,
                "Docker-Content-Digest": digest_of(found.content),
            }
            return web.Response(body=found.content, headers=headers)
        if kind == "blobs" and pointer in stored.blobs:
            return web.Response(body=stored.blobs[pointer])
        if kind == "referrers" and self.referrers_api:
            return self._page(request, stored.referrers.get(pointer, []))
        return _refusal(404, {})

    def _page(self, request: web.Request, listed: list[dict[str, object]]) -> web.Response:
        start = int(request.query.get("from", "0"))
        end = start + self.page_size
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed[start:end]}
        headers = {"Content-Type": INDEX}
        if end < len(listed):
            headers["Link"] = f'<{request.path}?from={end}>; rel="next"'
        return web.Response(body=json.dumps(index).encode(), headers=headers)


def _matching(hooks: list[_Hook], request: web.Request) -> Fault | None:
    for hook in hooks:
        if hook.times > 0 and hook.text in request.path_qs:
            hook.times -= 1
            return hook.fault
    return None


def _refusal(status: int, headers: Mapping[str, str]) -> web.Response:
    return web.json_response({"errors": [{"code": "FAKE"}]}, status=status, headers=headers)


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Return the fault of one fixed answer; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def fault(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=named)

    return fault


def redirect(location: str, status: int = 307) -> Fault:
    """Return the fault of a redirect."""
    return answer(status, Location=location)


def endless(piece: bytes = b" " * 65536) -> Fault:
    """Return the fault of a body that never ends."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": IMAGE})
        await response.prepare(request)
        while True:
            await response.write(piece)

    return fault


def cut(body: bytes, length: int) -> Fault:
    """Return the fault of a connection that ends before the announced length."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Length": str(length), "Content-Type": IMAGE}
        )
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        request.transport.close()
        return response

    return fault


def silent(registry: FakeRegistry, body: bytes = b"") -> Fault:
    """Return the fault of an answer that stops after its headers and the body given."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": IMAGE})
        await response.prepare(request)
        if body:
            await response.write(body)
        await registry.until_ended()
        return response

    return fault
