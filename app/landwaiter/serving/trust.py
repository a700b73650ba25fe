"""
Whether somebody who trusts a CA bundle would trust a certificate, tried by a handshake in memory.

The API server is that somebody. It is Go's crypto/x509 that judges there and OpenSSL here: like
Go, this one takes every certificate of the bundle for a root. Time is left out: the API server
goes by its own clock.
"""

import ssl
from functools import lru_cache
from typing import Final

from landwaiter.errors import InvalidCertificate
from landwaiter.serving.certificates import CertificatePair, server_context

_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, to which Python gives no name."""

_FLIGHTS_MAX: Final = 10
"""A handshake takes two or three."""


@lru_cache(maxsize=16)
def distrust(pair: CertificatePair, bundle: bytes, host: str) -> str | None:
    """
    Return why a certificate for `host` is not trusted by a bundle in PEM, None where it is.

    The last answers are remembered: the same is asked every second.
    """
    try:
        client = _client(bundle)
        server = server_context(pair)
    except (ValueError, OSError, InvalidCertificate) as problem:
        return str(problem)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=host)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_FLIGHTS_MAX):
        try:
            asking.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as problem:
            return problem.verify_message
        except ssl.SSLError as problem:
            return problem.reason or "no handshake"
        else:
            return None
        try:
            answering.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as problem:
            return problem.reason or "no handshake"
    return "no handshake"


def _client(bundle: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags = ssl.VerifyFlags(
        context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    )
    context.load_verify_locations(cadata=bundle.decode("ascii", errors="replace"))
    return context
