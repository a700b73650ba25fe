"""The plain values of one exchange with a registry: what is asked, what comes back, the limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from multidict import CIMultiDictProxy
from yarl import URL

from landwaiter.registry.realms import host_of


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """
    Seconds and counts that hold for every request.

    connect_seconds: TCP and TLS; leaves room for two lost SYNs, which are sent again after 1 s
    and after 3 s. silence_seconds: between two pieces of an answer. request_seconds: all of one
    request, as long as an API server waits for a webhook at the most. connections: in each of
    the two pools, so that answers of 4 MiB take at most 2 x 128 MiB at once.
    connections_a_host: as many as the pieces of one signature that are fetched side by side.
    idle_seconds: below the 60 s after which common load balancers drop a connection.
    """

    connect_seconds: float = 5.0
    silence_seconds: float = 10.0
    request_seconds: float = 30.0
    connections: int = 32
    connections_a_host: int = 8
    idle_seconds: float = 30.0


DEFAULT_LIMITS: Final = TransportLimits()


@dataclass(frozen=True, slots=True)
class Ask:
    """
    One request, and on behalf of which registry it is made.

    `what` completes "... could not be asked for" in messages; `on_behalf_of` is the host[:port]
    of the registry in the image's name. A `form` makes it a POST, `head` a HEAD.
    """

    url: URL = field(repr=False)
    what: str
    on_behalf_of: str
    limit_bytes: int
    accept: str = "*/*"
    authorization: str | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    follow_redirects: bool = True
    head: bool = False

    @property
    def host(self) -> str:
        """The host[:port] that is asked."""
        return host_of(self.url)


@dataclass(frozen=True, slots=True)
class Reply:
    """
    An answer, its body read where it is a 200.

    `redirected` is True where another URL than the one asked for answered; `truncated` where
    the body was larger than the limit and has not been read to its end.
    """

    status: int
    headers: CIMultiDictProxy[str]
    content: bytes = field(repr=False)
    redirected: bool = False
    truncated: bool = False

    @property
    def media_type(self) -> str:
        """The media type of the body, in lower case and without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
