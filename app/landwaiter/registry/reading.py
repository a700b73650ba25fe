"""
Reads from a registry with the credentials of a keychain, in order, as the kubelet pulls.

Each credential is tried until one is not refused (401, 403) and does not meet a 404, which some
registries answer in place of 403; without a credential that matches, the request is anonymous.
As with the kubelet there is no anonymous attempt after refused credentials.

A login that was refused is not tried again at once (`logins`), and counts as refused meanwhile.

Credentials that have to be asked for come last, and are asked for only where those of the Secrets
do not do. That none could be had is a fault only where nothing else answers.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from cachetools import TTLCache
from yarl import URL

from landwaiter.deadline import Deadline
from landwaiter.errors import AccessDenied, CredentialsUnavailable, LoginRefused
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential
from landwaiter.registry.exchange import Ask, Reply
from landwaiter.registry.hosts import DOCKER_HUB_API, api_host, check_can_be_asked
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.logins import Login, LoginMemory
from landwaiter.registry.retries import Patience
from landwaiter.registry.settings import RegistrySettings
from landwaiter.registry.tokens import Access, Authorization, TokenDesk, denial_hint
from landwaiter.registry.transport import Transport

MAX_CANDIDATES: Final = 16
"""A Secret can hold thousands of keys for one image; each attempt is up to three requests."""

_THE_INSTALL: Final = "/install"
"""Owns what no Secret gives; no namespace is called so."""

_REMEMBERED: Final = 1024
_REMEMBERED_SECONDS: Final = 600.0
_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What to read: a path below the repository, and how it is called in messages.

    `path` may carry a query. `limit_bytes` bounds the body.
    """

    reference: ImageReference
    path: str
    what: str
    accept: str
    limit_bytes: int


class _Unknown:
    """Stands where no credential is known that a repository accepted."""


_UNKNOWN: Final = _Unknown()


@dataclass(slots=True)
class _Candidates:
    """
    What to try for one request, None for anonymously.

    `accepted` is what the repository accepted of late. `has_read_before` is to be set when that
    does not find what is wanted: it sees all of the repository, so nothing further is asked for.
    `fault` says why there may be further credentials, once they were asked for.
    """

    wanted: Wanted
    keychain: Keychain
    accepted: Credential | _Unknown | None
    deadline: Deadline
    has_read_before: bool = False
    fault: str | None = None
    _is_complete: bool = False

    async def first(self) -> list[Credential | None]:
        """Return what to try first, what was accepted of late before all else."""
        own = self._own()
        if own and (self.accepted is _UNKNOWN or self.accepted in own):
            return self._accepted_first(own)
        return self._accepted_first([*own, *await self._further()] or [None])

    async def then(self) -> list[Credential | None]:
        """Return what to try when none of those does."""
        if self.has_read_before or self._is_complete:
            return []
        return await self._further()

    def owner_of(self, credential: Credential | None) -> str:
        """Return in whose name a credential is tried."""
        return self.keychain.owner if credential in self._own() else _THE_INSTALL

    def _own(self) -> list[Credential | None]:
        return _sendable(self.keychain.candidates(self.wanted.reference))

    async def _further(self) -> list[Credential | None]:
        given = await self.keychain.further_candidates(
            self.wanted.reference, deadline=self.deadline
        )
        self.fault, self._is_complete = given.fault, True
        own = self._own()
        return [each for each in _sendable(given.credentials) if each not in own]

    def _accepted_first(self, candidates: list[Credential | None]) -> list[Credential | None]:
        return sorted(candidates, key=lambda each: each != self.accepted)


def _sendable(candidates: Sequence[Credential]) -> list[Credential | None]:
    return [None if each.is_empty else each for each in candidates[:MAX_CANDIDATES]]


def base_url(reference: ImageReference, settings: RegistrySettings) -> URL:
    """Return the URL of the API of the registry that the reference names."""
    registry = reference.registry
    host = DOCKER_HUB_API if api_host(registry) == DOCKER_HUB_API else registry
    scheme = "http" if settings.of(registry).plain_http else "https"
    return URL(f"{scheme}://{host}")


class Reader:
    """
    Gets answers for which access was granted.

    It remembers for ten minutes which credential a repository accepted, to spare a registry
    (which may lock accounts) the failing ones before it; at most 1,024 repositories and
    keychains.
    """

    def __init__(
        self,
        transport: Transport,
        settings: RegistrySettings,
        patience: Patience,
        logins: LoginMemory,
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._patience = patience
        self._logins = logins
        self._desk = TokenDesk(settings, clock=clock)
        self._accepted: TTLCache[tuple[str, str, str], Credential | None] = TTLCache(
            _REMEMBERED, _REMEMBERED_SECONDS, timer=clock
        )

    async def read(self, wanted: Wanted, keychain: Keychain, deadline: Deadline) -> Reply:
        """
        Return an answer that is neither 401, 403, 429 nor 5xx; a 404 only if nobody gets more.

        Raises `AccessDenied` when every credential is refused, `RegistryUnavailable` as the
        transport and the token service do, `ContentMalformed` for what is no registry's address.
        """
        check_can_be_asked(wanted.reference.registry)
        memory = (
            api_host(wanted.reference.registry),
            wanted.reference.repository,
            keychain.fingerprint(wanted.reference),
        )
        candidates = _Candidates(wanted, keychain, self._accepted.get(memory, _UNKNOWN), deadline)
        missing: Reply | None = None
        denials: list[AccessDenied] = []
        for batch in (candidates.first, candidates.then):
            for credential in await batch():
                try:
                    owner = candidates.owner_of(credential)
                    reply = await self._read_as(credential, owner, wanted, deadline)
                except AccessDenied as denial:
                    denials.append(denial)
                    continue
                if reply.status not in _MISSING:
                    self._accepted[memory] = credential
                    return reply
                missing = missing or reply
                candidates.has_read_before |= credential == candidates.accepted
        if candidates.fault is not None and not candidates.has_read_before:
            seen = denials[0] if denials else f"{wanted.what} is not shown"
            raise CredentialsUnavailable(f"{seen}; {candidates.fault}")
        if missing is not None:
            return missing
        raise denials[0]

    async def _read_as(
        self, credential: Credential | None, owner: str, wanted: Wanted, deadline: Deadline
    ) -> Reply:
        base = base_url(wanted.reference, self._settings)
        access = Access(base, wanted.reference.repository, credential)
        ask = partial(self._ask, access, wanted)
        send = partial(self._send, caller=access.caller, deadline=deadline)
        authorization, reply = self._desk.remembered(access), None
        if authorization is None or not authorization.is_login:
            reply = await send(ask(authorization))
        if reply is None or _asks_for_login(reply):
            async with self._turn(access, owner) as accepted:
                reply = reply or await send(ask(authorization))
                has_token = False
                if _asks_for_login(reply):
                    authorization = await self._desk.answer(access, reply, authorization, send)
                    has_token = not authorization.is_login
                    reply = reply if has_token else await send(ask(authorization))
                if authorization and authorization.is_login and _asks_for_login(reply):
                    raise LoginRefused(_denial(access, wanted, reply, authorization))
                if authorization and authorization.withheld_from is None:
                    accepted()
            if has_token:  # The login is over: what is read by the token keeps nobody waiting.
                reply = await send(ask(authorization))
        if reply.status in _DENIED:
            raise AccessDenied(_denial(access, wanted, reply, authorization))
        return reply

    @asynccontextmanager
    async def _turn(self, access: Access, owner: str) -> AsyncIterator[Callable[[], None]]:
        """Let a credential log in, in the body of the context, and give what to say of success."""
        if access.credential is None:
            yield _nothing
            return
        login = Login.of(access.host, access.credential, owner)
        logins = self._logins.of(is_named=self._transport.is_named(access.host))
        async with logins.turn(login, access.repository):
            yield partial(logins.accepted, login)

    def _ask(self, access: Access, wanted: Wanted, authorization: Authorization | None) -> Ask:
        path = f"/v2/{wanted.reference.repository}/{wanted.path}"
        return Ask(
            url=access.registry.join(URL(path, encoded=True)),
            what=wanted.what,
            on_behalf_of=access.host,
            limit_bytes=wanted.limit_bytes,
            accept=wanted.accept,
            authorization=authorization.header if authorization else None,
        )

    async def _send(self, ask: Ask, caller: str, deadline: Deadline) -> Reply:
        attempt = partial(self._transport.send, ask)
        return await self._patience.run(ask.host, attempt, deadline, caller=caller)


def _asks_for_login(reply: Reply) -> bool:
    """Say whether a registry does; what it redirects to is given no credentials."""
    return reply.status == HTTPStatus.UNAUTHORIZED and not reply.redirected


def _denial(
    access: Access, wanted: Wanted, reply: Reply, authorization: Authorization | None
) -> str:
    whom = "anonymously" if access.credential is None else "with a credential"
    return (
        f"{access.host} does not show {wanted.what} {whom} ({reply.status})"
        f"{denial_hint(access, authorization)}"
    )


def _nothing() -> None:
    """Say nothing of nobody's success."""
