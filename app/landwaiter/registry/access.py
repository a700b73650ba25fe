"""
Whether a registry lets one credential pull one image: a HEAD request for the manifest.

Nothing that an earlier request was let in with is used, so a password that was revoked a moment ago
is found. As a container runtime does, the registry is asked without credential first, so that the
credential of a public image is not tried at all.

Whoever may write Secrets could have an account locked, by naming its user with wrong passwords. So
logins that a registry has refused are not tried again for `REFUSED_SECONDS`, and no more than
`REFUSED_MAX` of one user in that time; logins of one user that are not known to be good are tried
one after another, and good ones a few at once. What is remembered is a fingerprint that holds
within this process only.

Nor may whoever writes Secrets keep other people's from being tried, by naming their user. So a
login counts as good for a day, in which it is tried whatever fails beside it; and names that come
with a key or a token, whoever has it, are nobody's account, so that each password stands alone.

Source: OCI distribution specification 1.1.1 ("Pulling manifests"); the token specification of
distribution, where a 401 to a token means that its scope does not do.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Final
from weakref import WeakValueDictionary

from cachetools import TTLCache
from yarl import URL

from landwaiter.deadline import Deadline
from landwaiter.errors import AccessDenied, LoginRefused, RegistryUnavailable, TokenRefused
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential
from landwaiter.registry.documents import MANIFEST_TYPES
from landwaiter.registry.exchange import Ask, Reply
from landwaiter.registry.fingerprints import fingerprint_of
from landwaiter.registry.hosts import check_can_be_asked
from landwaiter.registry.reading import base_url
from landwaiter.registry.retries import Patience
from landwaiter.registry.settings import RegistrySettings
from landwaiter.registry.tokens import Access, Authorization, TokenDesk, denial_hint
from landwaiter.registry.transport import Transport

REFUSED_SECONDS: Final = 600.0
"""Accounts are locked after some five failures within some minutes, and the kubelet tries too."""

REFUSED_MAX: Final = 3
GOOD_SECONDS: Final = 86_400.0
"""What a login that ends meanwhile costs is one more that fails, after which it is known as bad."""

SHARED_NAMES: Final = frozenset(
    {
        "",
        "$oauthtoken",
        "00000000-0000-0000-0000-000000000000",
        "<token>",
        "AWS",
        "_json_key",
        "_json_key_base64",
        "gitlab-ci-token",
        "iamapikey",
        "oauth2accesstoken",
    }
)
"""
User names that come with a key or a token, whoever has it.

Source: "Private registry authentication" of Amazon ECR, Google's Artifact Registry, Azure's ACR,
GitLab, Quay and IBM Cloud, and what `docker login` writes (read November 2026).
"""

REMEMBERED_MAX: Final = 10_000

_LIMIT_BYTES: Final = 4 * 1024 * 1024
_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class PullAccess(Enum):
    """What comes of pulling an image with one credential."""

    GRANTED = "granted"
    LOGIN_REFUSED = "login refused"
    PULL_REFUSED = "pull refused"
    NOT_SHOWN = "not shown"


class LoginsPaused(RegistryUnavailable):
    """Too many logins as one user have failed for another to be tried now."""


class AccessTrial:
    """Tries credentials; see the module. Used on one event loop only."""

    def __init__(
        self,
        transport: Transport,
        settings: RegistrySettings,
        patience: Patience,
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._patience = patience
        self._refused: TTLCache[str, None] = TTLCache(REMEMBERED_MAX, REFUSED_SECONDS, timer=clock)
        self._failures: TTLCache[tuple[str, int], None] = TTLCache(
            REMEMBERED_MAX, REFUSED_SECONDS, timer=clock
        )
        self._good: TTLCache[str, None] = TTLCache(REMEMBERED_MAX, GOOD_SECONDS, timer=clock)
        self._gates: WeakValueDictionary[tuple[str, bool], asyncio.Semaphore] = (
            WeakValueDictionary()
        )

    async def outcome(
        self, reference: ImageReference, credential: Credential, deadline: Deadline
    ) -> PullAccess:
        """
        Return what comes of pulling the image with the credential.

        Raises `RegistryUnavailable` where that cannot be found out, `LoginsPaused` where it is not
        tried, `AccessDenied` for an address that may not be reached, and `ContentMalformed` for
        what is no registry's address.
        """
        check_can_be_asked(reference.registry)
        access = Access(base_url(reference, self._settings), reference.repository, credential)
        login = fingerprint_of(
            access.host, credential.username, credential.password, credential.identity_token
        )
        user = login
        if credential.username not in SHARED_NAMES:
            # A directory behind the registry may take other spellings for the same account.
            user = fingerprint_of(access.host, credential.username.strip().casefold())
        async with self._gate(user, is_good=login in self._good):
            if login in self._refused:
                return PullAccess.LOGIN_REFUSED
            places = [(user, number) for number in range(REFUSED_MAX)]
            free = next((place for place in places if place not in self._failures), None)
            if free is None and login not in self._good:
                raise LoginsPaused(
                    f"{REFUSED_MAX} logins as one user have failed at {access.host} in the last "
                    f"{REFUSED_SECONDS / 60:g} minutes; no other is tried, lest its account be "
                    "locked"
                )
            outcome, logged_in = await self._asked(access, reference, deadline)
            if outcome is PullAccess.LOGIN_REFUSED:
                self._good.pop(login, None)
                self._refused[login] = None
                self._failures[free or places[0]] = None
            elif logged_in:
                self._good[login] = None
            return outcome

    def _gate(self, user: str, *, is_good: bool) -> asyncio.Semaphore:
        """Return what lets in one login of a user at a time, a few where it was good of late."""
        return self._gates.setdefault(
            (user, is_good), asyncio.Semaphore(REFUSED_MAX if is_good else 1)
        )

    async def _asked(
        self, access: Access, reference: ImageReference, deadline: Deadline
    ) -> tuple[PullAccess, bool]:
        """Return the outcome, and whether the credential was accepted for it."""
        send = partial(self._send, caller=access.caller, deadline=deadline)
        reply = await send(self._ask(access, reference, None))
        if reply.status != HTTPStatus.UNAUTHORIZED or reply.redirected:
            return self._meaning(access, reply, None), False
        try:
            authorization = await TokenDesk(self._settings).answer(access, reply, None, send)
        except LoginRefused:
            return PullAccess.LOGIN_REFUSED, False
        except TokenRefused:
            return PullAccess.PULL_REFUSED, False
        except AccessDenied as problem:
            raise RegistryUnavailable(str(problem)) from problem
        reply = await send(self._ask(access, reference, authorization))
        outcome = self._meaning(access, reply, authorization)
        return outcome, outcome is not PullAccess.LOGIN_REFUSED

    def _meaning(
        self, access: Access, reply: Reply, authorization: Authorization | None
    ) -> PullAccess:
        if reply.status == HTTPStatus.OK:
            return PullAccess.GRANTED
        if reply.status in _DENIED and authorization and authorization.withheld_from:
            raise RegistryUnavailable(
                f"{access.host} does not show {access.repository} to anybody"
                f"{denial_hint(access, authorization)}"
            )
        if reply.status in _DENIED and reply.redirected:
            raise RegistryUnavailable(
                f"{access.host} redirects to what does not show {access.repository} to anybody "
                f"({reply.status}), and credentials do not follow a redirect"
            )
        if reply.status in _MISSING:
            return PullAccess.NOT_SHOWN
        if reply.status not in _DENIED:
            raise RegistryUnavailable(
                f"{access.host} answered {reply.status} to a HEAD request for a manifest of "
                f"{access.repository}, 200 is wanted"
            )
        is_basic = authorization is not None and (authorization.header or "").startswith("Basic ")
        if is_basic and reply.status == HTTPStatus.UNAUTHORIZED:
            return PullAccess.LOGIN_REFUSED
        return PullAccess.PULL_REFUSED

    def _ask(
        self, access: Access, reference: ImageReference, authorization: Authorization | None
    ) -> Ask:
        pointer = reference.digest or reference.tag or "latest"
        path = f"/v2/{reference.repository}/manifests/{pointer}"
        return Ask(
            url=access.registry.join(URL(path, encoded=True)),
            what=f"access to {reference}",
            on_behalf_of=access.host,
            limit_bytes=_LIMIT_BYTES,
            accept=", ".join(MANIFEST_TYPES),
            authorization=authorization.header if authorization else None,
            head=True,
        )

    async def _send(self, ask: Ask, caller: str, deadline: Deadline) -> Reply:
        attempt = partial(self._transport.send, ask)
        return await self._patience.run(ask.host, attempt, deadline, caller=caller)
