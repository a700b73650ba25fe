"""
Resolves the names of registries in threads of its own, a bounded number of them.

The system's resolver blocks and cannot be cancelled. In the event loop's shared threads a few
names that never resolve, which anybody may write into a Pod, would stop everything else that
runs there. Addresses that may not be connected to are dropped here, so that a name with only
such addresses fails with the reason; the socket itself is refused in `addresses`.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from landwaiter.registry.addresses import ForbiddenAddress, may_connect

MAX_LOOKUPS: Final = 16
"""Lookups under way at once; one that fails takes 5 s a server and search domain in glibc."""


class BoundedResolver(AbstractResolver):
    """The system's resolver, `MAX_LOOKUPS` at a time; `close` lets running lookups finish."""

    def __init__(self, *, non_public: bool) -> None:
        self._non_public = non_public
        self._threads = ThreadPoolExecutor(MAX_LOOKUPS, thread_name_prefix="resolve-registry")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses that may be connected to; raises `OSError` for none."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _look_up, host, port, family
        )
        allowed = [
            result for result in found if may_connect(result["host"], non_public=self._non_public)
        ]
        if found and not allowed:
            raise ForbiddenAddress(found[0]["host"])
        return allowed

    async def close(self) -> None:
        """Take no more lookups; those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    results = []
    for found_family, _, protocol, _, address in socket.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    ):
        numeric, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        results.append(
            ResolveResult(
                hostname=host,
                host=numeric,
                port=port,
                family=found_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
        )
    return results
