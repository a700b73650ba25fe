"""
One HTTP request to a registry, with every limit that holds for it.

1. The connection is opened only to an address that this host may have (`addresses`), checked on
   the address that is connected to. Named and unnamed registries have separate pools, so that
   unnamed ones, which anybody can write into a Pod, never use up the connections of named ones.
2. Plain HTTP only to hosts for which the admin said so; no proxy, netrc or other setting of the
   environment; no cookies; bodies are never decompressed.
3. A redirect is followed at most `MAX_REDIRECTS` times, never from https to http, never with
   credentials, never for a request that carries a form; each host on the way is judged by 1 and
   2 again, and a registry that is not named cannot lead to a non-public address, not even of a
   host that is.
4. What is read has a limit in bytes, every wait a limit in seconds.

What comes back is any answer but 429 and 5xx (501 does come back); those are raised as
`PassingFault`, and faults below HTTP as `faults` says.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from landwaiter import __version__
from landwaiter.errors import RegistryUnavailable
from landwaiter.registry.addresses import socket_factory
from landwaiter.registry.exchange import DEFAULT_LIMITS, Ask, Reply, TransportLimits
from landwaiter.registry.faults import fault_of
from landwaiter.registry.hosts import api_host
from landwaiter.registry.realms import host_of
from landwaiter.registry.resolver import BoundedResolver
from landwaiter.registry.retries import PassingFault, retry_after_seconds
from landwaiter.registry.settings import RegistrySettings
from landwaiter.registry.trust import TrustStore

MAX_REDIRECTS: Final = 5
"""Registries use one or two (storage, then a content network); containerd follows ten."""

MAX_ERROR_BYTES: Final = 64 * 1024
"""Read of an answer that is not 200, only to keep its connection; the text is never used."""

_HEADER_LINE_BYTES: Final = 16 * 1024
"""A presigned URL with a session token has about 4 KiB; aiohttp's 8 KiB left little room."""

_CHUNK_BYTES: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429, *range(500, 600)} - {501})
"""Not 501: what a registry does not implement it will not implement at the next attempt."""


def named_by_nobody(_host: str) -> bool:
    """Say that no policy names a host."""
    return False


def _method(ask: Ask) -> str:
    if ask.head:
        return "HEAD"
    return "GET" if ask.form is None else "POST"


class Transport:
    """Sends requests; to be used as an asynchronous context manager, in one event loop."""

    def __init__(
        self,
        settings: RegistrySettings,
        *,
        limits: TransportLimits = DEFAULT_LIMITS,
        named_by_policy: Callable[[str], bool] = named_by_nobody,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._named_by_policy = named_by_policy
        self._wall_clock = wall_clock
        self._trust = TrustStore(settings)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._resolvers: list[BoundedResolver] = []

    async def __aenter__(self) -> Self:
        """Open the two pools, for named hosts and for all others."""
        self._sessions = {named: self._session(named=named) for named in (False, True)}
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        for resolver in self._resolvers:
            await resolver.close()

    def is_named(self, host: str) -> bool:
        """Say whether the admin named this host[:port], in the settings or in a policy."""
        return self._settings.names(host) or self._named_by_policy(api_host(host))

    async def send(self, ask: Ask) -> Reply:
        """Return the answer, after redirects; see the module for what is raised."""
        url, authorization = ask.url, ask.authorization
        for hop in range(MAX_REDIRECTS + 1):
            reply = await self._exchange(ask, url, authorization)
            if reply.status not in _REDIRECTS or not ask.follow_redirects or ask.form is not None:
                return Reply(reply.status, reply.headers, reply.content, hop > 0, reply.truncated)
            url = self._next_url(ask, url, reply.headers.get("Location", ""))
            authorization = None
        raise RegistryUnavailable(
            f"{ask.what}: {ask.host} redirects more than {MAX_REDIRECTS} times"
        )

    def _session(self, *, named: bool) -> aiohttp.ClientSession:
        limits = self._limits
        resolver = BoundedResolver(non_public=named)
        self._resolvers.append(resolver)
        connector = aiohttp.TCPConnector(
            limit=limits.connections,
            limit_per_host=limits.connections_a_host,
            keepalive_timeout=limits.idle_seconds,
            resolver=resolver,
            socket_factory=socket_factory(non_public=named),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            requote_redirect_url=False,
            max_line_size=_HEADER_LINE_BYTES,
            max_field_size=_HEADER_LINE_BYTES,
            timeout=aiohttp.ClientTimeout(
                total=limits.request_seconds,
                sock_connect=limits.connect_seconds,
                sock_read=limits.silence_seconds,
            ),
            headers={"User-Agent": f"landwaiter/{__version__}", "Accept-Encoding": "identity"},
        )

    async def _exchange(self, ask: Ask, url: URL, authorization: str | None) -> Reply:
        host = host_of(url)
        if url.scheme != "https" and not self._settings.of(host).plain_http:
            raise RegistryUnavailable(
                f"{ask.what}: {host} is reached over http only where `registries` names it"
                " with `plainHTTP: true`"
            )
        headers = CIMultiDict({"Accept": ask.accept})
        if authorization is not None:
            headers["Authorization"] = authorization
        session = self._sessions[self.is_named(host) and self.is_named(ask.on_behalf_of)]
        try:
            async with session.request(
                _method(ask),
                url,
                headers=headers,
                data=ask.form,
                allow_redirects=False,
                ssl=self._trust.context(host),
            ) as response:
                return await self._read(ask, host, response)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError.
            # Errors of other kinds show URLs, whose queries can be signatures, or headers.
            raise fault_of(ask, host, error) from error if isinstance(error, OSError) else None

    async def _read(self, ask: Ask, host: str, response: aiohttp.ClientResponse) -> Reply:
        succeeded = response.status == HTTPStatus.OK
        if response.status in _PASSING:
            raise PassingFault(
                f"{ask.what}: {host} answered {response.status}",
                throttled=(
                    response.status == HTTPStatus.TOO_MANY_REQUESTS
                    or "Retry-After" in response.headers
                ),
                retry_after_seconds=retry_after_seconds(
                    response.headers.get("Retry-After"), self._wall_clock()
                ),
                for_everybody=response.status != HTTPStatus.TOO_MANY_REQUESTS,
            )
        limit = ask.limit_bytes if succeeded else MAX_ERROR_BYTES
        content = bytearray()
        truncated = (response.content_length or 0) > limit
        if not truncated:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                content += chunk
                if truncated := len(content) > limit:
                    break
        if truncated:
            response.close()
        return Reply(
            response.status,
            response.headers,
            bytes(content) if succeeded and not truncated else b"",
            truncated=truncated and succeeded,
        )

    def _next_url(self, ask: Ask, url: URL, location: str) -> URL:
        try:
            target = url.join(URL(location, encoded=True))
            is_usable = bool(location and target.host and target.scheme in ("http", "https"))
            has_user = target.user is not None or target.password is not None
        except ValueError as error:
            raise RegistryUnavailable(
                f"{ask.what}: {host_of(url)} redirects to what is no URL"
            ) from error
        if not is_usable or has_user:
            raise RegistryUnavailable(
                f"{ask.what}: {host_of(url)} redirects to what is no plain http or https URL"
            )
        if url.scheme == "https" and target.scheme == "http":
            raise RegistryUnavailable(
                f"{ask.what}: {host_of(url)} redirects from https to http ({host_of(target)})"
            )
        return target
