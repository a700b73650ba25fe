"""
What a fault below HTTP means.

A connection that failed or was cut may succeed at the next attempt (`PassingFault`). A timeout,
a name that does not resolve, a certificate that is not trusted and an answer that is no HTTP are
`RegistryUnavailable` at once. An address that may not be connected to is `AccessDenied`: that is
settled by the admin, and no patience changes it; were it undecided, an image in a registry that
only the nodes can reach would pass under `failurePolicy: Ignore`.
"""

import aiohttp

from landwaiter.errors import AccessDenied, LandwaiterError, RegistryUnavailable
from landwaiter.registry.addresses import ForbiddenAddress
from landwaiter.registry.exchange import Ask
from landwaiter.registry.retries import PassingFault


def fault_of(ask: Ask, host: str, error: Exception) -> LandwaiterError:
    """Return what to raise for a fault below HTTP; messages of libraries can hold URLs."""
    if _is_forbidden_address(error):
        # The address itself is not told: the person asking may not know the cluster's names.
        names = " and ".join(dict.fromkeys((ask.on_behalf_of, host)))
        return AccessDenied(
            f"{ask.what}: {host} has a non-public address, which is reached only where the admin"
            f" names {names}, without wildcard, in `registries`"
        )
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=reason):
            why = getattr(reason, "verify_message", "no reason given")
            problem = f"the certificate of {host} is not trusted ({why})"
        case aiohttp.ClientSSLError():
            problem = f"{host} does not speak TLS as it should"
        case aiohttp.ClientConnectorDNSError():
            problem = f"the name {host} does not resolve"
        case TimeoutError():
            problem = f"{host} took too long"
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            return PassingFault(f"{ask.what}: the connection to {host} failed or was cut")
        case _:
            problem = f"{host} does not answer in proper HTTP"
    return RegistryUnavailable(f"{ask.what}: {problem}")


def _is_forbidden_address(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ForbiddenAddress):
            return True
        error = error.__cause__
    return False
