"""What connections may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """
    What one connection, and all of one listener together, may take.

    `idle_seconds`: kube-apiserver, like every Go client, keeps an idle connection for 90 s
    (net/http, DefaultTransport.IdleConnTimeout), also one that it has opened and not used yet,
    and it does not repeat a POST that meets a connection closed by the other side. So it must be
    the one that closes: more than 90 s here, with room for a slow clock.

    `head_seconds`, `head_bytes`: an API server's head is one packet of less than 1 kB; without a
    client CA anybody else can connect as well.

    `request_seconds`: a review is answered within 30 s (`timeoutSeconds`), its body takes up to
    20 s of them; what is longer is a client that does not read its answers.

    `connections`: one API server opens as many as it has reviews under way at once; each takes
    about 35 kB, mostly OpenSSL's (measured, OpenSSL 3).

    `handshake_seconds`: a TLS handshake is two round trips. Until it is over nobody counts the
    connection, so this is what bounds those who only knock.
    """

    idle_seconds: float = 100.0
    head_seconds: float = 10.0
    head_bytes: int = 32 * 1024
    request_seconds: float = 45.0
    connections: int = 4000
    handshake_seconds: float = 5.0
