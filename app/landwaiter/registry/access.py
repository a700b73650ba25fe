"""
Whether a registry lets one credential pull one image: a HEAD request for the manifest.

Nothing that an earlier request was let in with is used, so a password that was revoked a moment ago
is found. As a container runtime does, the registry is asked without credential first, so that the
credential of a public image is not tried at all; and user name and password are what is tried, for
the kubelet hands no identity token to it.

Logins are tried sparingly (`logins`).

Source: OCI distribution specification 1.1.1 ("Pulling manifests"); the token specification of
distribution, where a 401 to a token means that its scope does not do.
"""

from dataclasses import replace
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Final

from yarl import URL

from landwaiter.deadline import Deadline
from landwaiter.errors import AccessDenied, LoginRefused, RegistryUnavailable, TokenRefused
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential
from landwaiter.registry.documents import MANIFEST_TYPES
from landwaiter.registry.exchange import Ask, Reply
from landwaiter.registry.hosts import check_can_be_asked
from landwaiter.registry.logins import Login, LoginMemory
from landwaiter.registry.reading import base_url
from landwaiter.registry.retries import Patience
from landwaiter.registry.settings import RegistrySettings
from landwaiter.registry.tokens import Access, Authorization, TokenDesk, denial_hint
from landwaiter.registry.transport import Transport

_LIMIT_BYTES: Final = 4 * 1024 * 1024
_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class PullAccess(Enum):
    """What comes of pulling an image with one credential."""

    GRANTED = "granted"
    LOGIN_REFUSED = "login refused"
    PULL_REFUSED = "pull refused"
    NOT_SHOWN = "not shown"


class AccessTrial:
    """Tries credentials; see the module. Used on one event loop only."""

    def __init__(
        self,
        transport: Transport,
        settings: RegistrySettings,
        patience: Patience,
        logins: LoginMemory,
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._patience = patience
        self._logins = logins

    async def outcome(
        self, reference: ImageReference, credential: Credential, owner: str, deadline: Deadline
    ) -> PullAccess:
        """
        Return what comes of pulling the image with the credential, of a namespace's Secret.

        Raises `RegistryUnavailable` where that cannot be found out, `LoginsPaused` where it is not
        tried, `AccessDenied` for an address that may not be reached, and `ContentMalformed` for
        what is no registry's address.
        """
        check_can_be_asked(reference.registry)
        credential = replace(credential, identity_token="")
        access = Access(base_url(reference, self._settings), reference.repository, credential)
        login = Login.of(access.host, credential, owner)
        logins = self._logins.of(is_named=self._transport.is_named(access.host))
        async with logins.trial(login):
            if logins.is_refused(login):
                return PullAccess.LOGIN_REFUSED
            outcome, logged_in = await self._asked(access, reference, deadline)
            if outcome is PullAccess.LOGIN_REFUSED:
                logins.refused(login)
            elif logged_in:
                logins.accepted(login)
            return outcome

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
        was_sent = authorization.withheld_from is None
        return outcome, was_sent and outcome is not PullAccess.LOGIN_REFUSED

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
        if (
            authorization is not None
            and authorization.is_login
            and reply.status == HTTPStatus.UNAUTHORIZED
        ):
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
