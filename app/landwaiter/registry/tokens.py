"""
Answers a registry's challenge: a password, a token, or nothing that may be sent.

- A Bearer challenge is preferred to a Basic one. The token is asked for with the credential as
  Basic authentication, with an identity token by the refresh token grant, without a credential
  anonymously; never for more than pulling.
- A credential is not sent to a realm that is not known for the registry (`realms`): the token is
  then asked for anonymously, which suffices for public images, and the refusal of the others
  says why.
- Realms are not followed when they redirect: what is asked there carries credentials, and a
  redirected anonymous token would be one of somebody unknown.
- What was answered is remembered for its registry, repository and credential, for as long as
  the token lives (an hour at most). The same token asked for twice at once is asked for once.

Source: distribution.github.io/distribution/spec/auth/token and spec/auth/oauth (read November
2026); RFC 6750.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from weakref import WeakValueDictionary

from cachetools import TLRUCache
from yarl import URL

from landwaiter.errors import AccessDenied, LoginRefused, RegistryUnavailable, TokenRefused
from landwaiter.registry.challenges import Challenge, parse_challenges, pull_scope
from landwaiter.registry.credentials import Credential
from landwaiter.registry.exchange import Ask, Reply
from landwaiter.registry.fingerprints import fingerprint_of
from landwaiter.registry.realms import host_of, may_receive_credentials
from landwaiter.registry.settings import RegistrySettings

DEFAULT_LIFE_SECONDS: Final = 60.0
"""Of a token that does not say (token specification, `expires_in`)."""

LONGEST_LIFE_SECONDS: Final = 3600.0
PASSWORD_LIFE_SECONDS: Final = 600.0
"""For how long a registry is taken to want Basic authentication."""

EXPIRY_MARGIN_SECONDS: Final = 10.0
"""A token is not used in its last seconds, since it has to outlive the request it goes with."""

MAX_TOKEN_BYTES: Final = 64 * 1024
"""Of a token service's answer; the largest tokens known (Azure) have some 5 KiB."""

_REMEMBERED: Final = 4096
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,12288}", re.ASCII)
"""A token goes into a header; those have to stay below the 16 KiB that common servers accept."""


Send = Callable[[Ask], Awaitable[Reply]]
"""Sends a request, with retries and under a deadline; any answer but 5xx and 429 comes back."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is to be read, and as whom: None is anonymously."""

    registry: URL
    repository: str
    credential: Credential | None = None

    @property
    def host(self) -> str:
        """The host[:port] of the registry."""
        return host_of(self.registry)

    @property
    def caller(self) -> str:
        """A fingerprint of who reads, empty for nobody."""
        if (credential := self.credential) is None:
            return ""
        return fingerprint_of(credential.username, credential.password, credential.identity_token)


@dataclass(frozen=True, slots=True)
class Authorization:
    """
    The value of an `Authorization` header, None where nothing is sent.

    `withheld_from` is the realm that was not given the credential, None where there is none.
    """

    header: str | None = field(repr=False)
    life_seconds: float
    withheld_from: str | None = None

    @property
    def is_login(self) -> bool:
        """Whether each request with it is a login, as it has the password itself."""
        return (self.header or "").startswith("Basic ")


class TokenDesk:
    """
    Turns challenges into authorizations, and remembers those.

    The memory has at most 4,096 entries, by registry, repository and credential.
    """

    def __init__(
        self, settings: RegistrySettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._remembered: TLRUCache[Access, Authorization] = TLRUCache(
            _REMEMBERED, ttu=_expiry, timer=clock
        )
        self._locks: WeakValueDictionary[Access, asyncio.Lock] = WeakValueDictionary()

    def remembered(self, access: Access) -> Authorization | None:
        """Return what an earlier challenge was answered with, None where there is none alive."""
        found: Authorization | None = self._remembered.get(access)
        return found

    async def answer(
        self, access: Access, reply: Reply, refused: Authorization | None, send: Send
    ) -> Authorization:
        """
        Return what to send in answer to a 401.

        `refused` is what the request had been sent with; `send` asks a token service. Raises
        `AccessDenied` when there is nothing to send or the token service refuses, `LoginRefused`
        when a password was refused already, `RegistryUnavailable` when the token service fails.
        """
        lock = self._locks.setdefault(access, asyncio.Lock())
        async with lock:
            known = self.remembered(access)
            if known is not None and known != refused:
                return known
            self._remembered.pop(access, None)
            authorization = await self._authorization(access, reply, send)
            if authorization.is_login and authorization == refused:
                raise LoginRefused(
                    f"{access.host} refuses {access.repository} to a credential ({reply.status})"
                )
            self._remembered[access] = authorization
            return authorization

    async def _authorization(self, access: Access, reply: Reply, send: Send) -> Authorization:
        challenges = parse_challenges(reply.headers.getall("WWW-Authenticate", ()))
        by_scheme = {challenge.scheme: challenge for challenge in reversed(challenges)}
        credential = access.credential
        if "bearer" in by_scheme:
            return await self._token(access, by_scheme["bearer"], send)
        if "basic" in by_scheme and credential is not None:
            return Authorization(_basic(credential), PASSWORD_LIFE_SECONDS)
        wanted = ", ".join(sorted(by_scheme)) or "nothing that it names"
        raise AccessDenied(
            f"{access.host} wants to know who asks for {access.repository} (401); it accepts"
            f" {wanted:.100}, and there is no credential to answer with"
        )

    async def _token(self, access: Access, challenge: Challenge, send: Send) -> Authorization:
        realm = _realm(access, challenge)
        credential = access.credential
        withheld_from = None
        if credential is not None and not may_receive_credentials(
            realm, access.registry, self._settings
        ):
            credential, withheld_from = None, host_of(realm)
        reply = await send(_token_ask(access, challenge, realm, credential))
        hint = _withheld_hint(access, withheld_from)
        if reply.status in range(400, 500):
            raise _refusal_of(reply.status, sent=credential is not None)(
                f"the token service {host_of(realm)} of {access.host} refuses a token for"
                f" {access.repository} ({reply.status}){hint}"
            )
        token, life = _read_token(access, realm, reply)
        return Authorization(f"Bearer {token}", life, withheld_from)


def _refusal_of(status: int, *, sent: bool) -> type[AccessDenied]:
    """Return what a token service's refusal is, to a credential that was sent or to nobody."""
    if sent and status == HTTPStatus.UNAUTHORIZED:
        return LoginRefused
    return TokenRefused if sent and status == HTTPStatus.FORBIDDEN else AccessDenied


def denial_hint(access: Access, authorization: Authorization | None) -> str:
    """Return what to add to a refusal when a credential was withheld, else nothing."""
    return _withheld_hint(access, authorization.withheld_from if authorization else None)


def _withheld_hint(access: Access, withheld_from: str | None) -> str:
    if withheld_from is None:
        return ""
    return (
        f"; the credential was not sent to {withheld_from}, which is not known as the token"
        f" service of {access.host}: the admin can name it in `tokenRealms`"
    )


def _expiry(_access: Access, authorization: Authorization, now: float) -> float:
    return now + authorization.life_seconds


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _realm(access: Access, challenge: Challenge) -> URL:
    text = challenge.parameters.get("realm", "")
    try:
        realm = URL(text)
        is_usable = bool(realm.host and realm.scheme in ("http", "https"))
        has_user = realm.user is not None or realm.password is not None
    except ValueError:
        is_usable, has_user = False, False
        realm = URL()
    if not is_usable or has_user:
        raise RegistryUnavailable(
            f"{access.host} names a token service that is no plain http or https URL"
        )
    return realm.with_fragment(None)


def _token_ask(
    access: Access, challenge: Challenge, realm: URL, credential: Credential | None
) -> Ask:
    wanted = {"scope": pull_scope(challenge, access.repository)}
    if service := challenge.parameters.get("service"):
        wanted["service"] = service
    form = None
    if credential is not None and credential.identity_token:
        form = {
            **wanted,
            "grant_type": "refresh_token",
            "client_id": "landwaiter",
            "refresh_token": credential.identity_token,
        }
    else:
        realm = realm.update_query(wanted)
    return Ask(
        url=realm,
        what=f"a token for {access.repository}",
        on_behalf_of=access.host,
        limit_bytes=MAX_TOKEN_BYTES,
        accept="application/json",
        authorization=_basic(credential) if credential and form is None else None,
        form=form,
        follow_redirects=False,
    )


def _read_token(access: Access, realm: URL, reply: Reply) -> tuple[str, float]:
    """Return the token and for how many seconds it may be used."""
    document: object = None
    if reply.status == HTTPStatus.OK and not reply.truncated:
        try:
            document = json.loads(reply.content)
        except (ValueError, RecursionError):
            document = None
    members: dict[str, object] = document if isinstance(document, dict) else {}
    token = members.get("token") or members.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryUnavailable(
            f"the token service {host_of(realm)} of {access.host} answered {reply.status}, and"
            " not with a token"
        )
    return token, max(1.0, _life_seconds(members.get("expires_in")) - EXPIRY_MARGIN_SECONDS)


def _life_seconds(expires_in: object) -> float:
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return DEFAULT_LIFE_SECONDS
    if not expires_in > 0:  # Also where it is not a number at all, which JSON can spell here.
        return DEFAULT_LIFE_SECONDS
    return float(min(expires_in, LONGEST_LIFE_SECONDS))
