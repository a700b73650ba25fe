"""
One HTTP/1.1 connection: uvicorn's protocol with the bounds that it lacks.

uvicorn gives an idle connection a timeout only after its first answer, lets a request head grow
and dawdle without end, and knows nothing of client certificates. Here a connection is always in
one of three phases, each with a timer that arriving bytes do not wind up again:

    idle     no request has begun              `idle_seconds`
    head     a request line or headers arrive  `head_seconds`, `head_bytes`
    request  until its answer is written       `request_seconds`

Written against uvicorn 0.54, protocols/http/httptools_impl.py.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from landwaiter.admission.http import BODY_IS_WHOLE
from landwaiter.serving.house import RANKS, House
from landwaiter.serving.joined_writes import JoinedWrites
from landwaiter.serving.limits import ConnectionLimits

PIPELINED_MAX: Final = 16
"""
How many requests may wait on one connection for the answers before theirs.

No API server sends any: Go's client waits for each answer. A packet has room for ten thousand, of
which each would take some kilobytes for as long as the first one is being judged.
"""

UNUSED, ARRIVING, IDLE = range(RANKS)
"""How much a connection is missed, the least first."""

HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)

CLOCK_SECONDS: Final = 0.002
"""How much earlier than the clock a timer may come: uvloop's have a resolution of a millisecond."""


class TooManyRequestsError(Exception):
    """A client sends requests faster than it can be answered; never leaves the parser."""


class ConnectionObserver(Protocol):
    """Whatever counts connections."""

    def connections(self, count: int) -> None:
        """Note how many connections are open."""
        ...

    def connection_ended(self, reason: str) -> None:
        """Note that this side has ended a connection."""
        ...


class Connection(HttpToolsProtocol):
    """
    A connection of a `Listener`, which owns the set of them.

    `admit` looks at a new connection: it returns what the application is to know about the
    caller, or None for a caller who must not be served.
    """

    def __init__(
        self,
        *,
        config: Config,
        server_state: ServerState,
        limits: ConnectionLimits,
        observer: ConnectionObserver,
        admit: Callable[[asyncio.Transport], dict[str, Any] | None],
        on_close: Callable[[], None],
        house: House["Connection"],
    ) -> None:
        super().__init__(config, server_state, app_state={})
        self.access_log = False
        self.is_last_request = False
        self.answered = 0
        self._limits = limits
        self._observer = observer
        self._admit = admit
        self._on_close = on_close
        self._house = house
        self._phase_timer: asyncio.TimerHandle | None = None
        self._timer_comes = 0.0
        self._phase_ends = 0.0
        self._phase_reason: str | None = None
        self._head_bytes = 0
        self._in_head = False
        self._body_arrived = False
        self._head_is_timed = False
        self._unanswered = 0
        self._rank: int | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived that is not answered yet."""
        return not self._in_head and self._unanswered == 0

    def end(self, reason: str) -> None:
        """Close the connection at once, and count why."""
        self._observer.connection_ended(reason)
        self._house.forget(self)
        self.transport.abort()

    def say_goodbye(self) -> None:
        """Let the next answer be the last one on this connection."""
        self.is_last_request = True
        if self._unanswered:
            self.cycle.keep_alive = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, if the caller may send one."""
        super().connection_made(transport)
        self._enter_idle()
        self._take_place()
        state = self._admit(transport)
        if state is None:
            self.end("client name")
            return
        self.app_state = state
        if len(self.connections) > self._limits.connections:
            self._make_room()
        self._observer.connections(len(self.connections))

    def _make_room(self) -> None:
        """
        End the connection that is missed least, never one whose request is being judged.

        Refusing new ones instead would let anybody lock the API server out by holding many, idle
        or with requests that arrive a byte at a time.
        """
        least = self._house.least_missed(self)
        if least is None:
            self.end("too many")
        else:
            least.end("evicted")

    def _take_place(self) -> None:
        """
        Say how much this connection is missed, from now on.

        First go those that have never asked anything, then those whose request has been arriving
        for the longest time, which an API server's does in milliseconds, then idle ones. One that
        is being judged stays, and one that is leaving makes no room.
        """
        rank = None
        if self.transport.is_closing():
            pass
        elif self.is_idle:
            rank = IDLE if self.answered else UNUSED
        elif self._in_head or self.cycle.more_body:
            rank = ARRIVING
        # Whoever keeps its rank keeps its place: more of a slow request is no newer request.
        if rank != self._rank:
            self._rank = rank
            self._house.place(self, rank)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_timer()
        self._house.forget(self)
        self._observer.connections(len(self.connections))
        self._on_close()

    def data_received(self, data: bytes) -> None:
        """
        Parse what arrived; a head that is too long by now ends the connection.

        So does what stands behind a chunk of a body without being body, trailers and extensions:
        the parser keeps trailers as it keeps headers.
        """
        if self.transport.is_closing():
            return
        self._body_arrived = False
        super().data_received(data)
        if self._in_head:
            self._await_head()
        if self._body_arrived:
            self._head_bytes = 0
        elif not self.is_idle:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes and not self.transport.is_closing():
                self.transport.write(HEAD_TOO_LARGE)
                self._observer.connection_ended("long head")
                self.transport.close()
        self._take_place()

    def on_message_begin(self) -> None:
        """Note that a request begins. Raises `TooManyRequestsError`, which the parser makes 400."""
        if self._unanswered > PIPELINED_MAX:
            raise TooManyRequestsError
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._head_is_timed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none, and comes when the headers have been looked at."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body to the application."""
        self._body_arrived = True
        super().on_body(body)

    def _await_head(self) -> None:
        """Begin to wait for the rest of a head; most of them come in one piece."""
        if not (self._head_is_timed or self._unanswered):
            self._start_phase(self._limits.head_seconds, "slow head")
        self._head_is_timed = True

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        self._in_head = False
        self._unanswered += 1
        super().on_headers_complete()
        # A POST always has an answer with a body; "100 Continue" is written before it, at once.
        if self.scope["method"] == "POST" and not self.expect_100_continue:
            self.cycle.transport = JoinedWrites(self.transport)
        if self.is_last_request:
            self.cycle.keep_alive = False
        self._start_phase(self._limits.request_seconds, "slow request")

    def on_message_complete(self) -> None:
        """Tell the application that the body is whole."""
        super().on_message_complete()
        self.scope[BODY_IS_WHOLE] = True  # type: ignore[typeddict-unknown-key]  # Ours.

    def on_response_complete(self) -> None:
        """Wait for the next request, unless the rest of this one's body is still to come."""
        self.answered += 1
        self._unanswered -= 1
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._unanswered:
            self._start_phase(self._limits.request_seconds, "slow request")
        elif self.cycle.more_body:
            self.transport.close()
        elif self._in_head:
            self._start_phase(self._limits.head_seconds, "slow head")
        else:
            self._enter_idle()
        self._take_place()

    def timeout_keep_alive_handler(self) -> None:
        """Leave idle connections to the phase's timer."""

    def _enter_idle(self) -> None:
        self._start_phase(self._limits.idle_seconds, None)

    def _end_idle(self) -> None:
        if self.transport.get_write_buffer_size():
            # A client that has not read its answers will not read the end of them either.
            self.transport.abort()
        else:
            self.transport.close()

    def _start_phase(self, seconds: float, reason: str | None) -> None:
        """
        Begin a phase that may take so long; `reason` is why it is ended then, None for idle.

        The timer is set anew only where it would come too late: one that comes too early looks
        at the clock and sets itself anew, which is far less often than a phase begins.
        """
        self._phase_ends = time.monotonic() + seconds
        self._phase_reason = reason
        if self._phase_timer is None or self._phase_ends < self._timer_comes:
            self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timer_comes = self._phase_ends
        seconds = max(0.0, self._phase_ends - time.monotonic())
        self._phase_timer = self.loop.call_later(seconds, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._phase_timer = None
        if time.monotonic() < self._phase_ends - CLOCK_SECONDS:
            self._set_timer()
        elif self._phase_reason is None:
            self._end_idle()
        else:
            self.end(self._phase_reason)

    def _stop_timer(self) -> None:
        if self._phase_timer is not None:
            self._phase_timer.cancel()
            self._phase_timer = None
