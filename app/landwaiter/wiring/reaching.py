"""
Waits until our own address answers, before the webhook that refuses is made.

A Service leads to a Pod some seconds after it is ready; a webhook that is there before would refuse
every Pod of these seconds.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.webhooks.settings import Address

REACH_SECONDS: Final = 30.0
"""
How long to wait. An address that the API server reaches may be out of reach from here, by a network
policy for one, and waiting for ever would leave the door open.
"""

PAUSE_SECONDS: Final = 0.5
TRY_SECONDS: Final = 3.0

_log = cast("FilteringBoundLogger", structlog.get_logger())


async def until_reached(
    address: Address, bundle: Callable[[], bytes | None], *, within_seconds: float = REACH_SECONDS
) -> None:
    """Return when the address answers with a certificate that the bundle vouches for, or late."""
    problem = "not tried"
    with suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            while (found := await _problem_with(address, bundle())) is not None:
                problem = found
                await asyncio.sleep(PAUSE_SECONDS)
            return
    _log.warning(
        "our own address does not answer from here, the webhook object is made all the same",
        address=str(address),
        error=problem,
    )


async def _problem_with(address: Address, bundle: bytes | None) -> str | None:
    """Return why a handshake with the address does not come about, None where it does."""
    if bundle is None:
        return "no CA yet"
    try:
        context = ssl.create_default_context(cadata=bundle.decode("ascii", errors="replace"))
        async with asyncio.timeout(TRY_SECONDS):
            _, writer = await asyncio.open_connection(
                address.host, address.port, ssl=context, server_hostname=address.host
            )
    except TimeoutError:
        return "no answer in time"
    except (OSError, ValueError) as problem:
        return str(problem)
    writer.transport.abort()
    return None
