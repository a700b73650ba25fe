"""
Which addresses a connection may be opened to.

Requests go out on behalf of whoever writes Pods, so a name that they choose must not reach what
only the cluster can reach. Non-public addresses are for hosts that the admin named; three kinds
are for nobody, because no registry answers there and a cloud's credentials do. An address that
embeds another one (mapped, compatible, 6to4, Teredo, NAT64) is judged by both.

Source: the special-purpose registries of IANA as Python's `ipaddress` holds them; RFC 6052 and
RFC 8215 (NAT64); the instance metadata addresses in the documentation of AWS, Azure, Google
Cloud and Alibaba Cloud (read November 2026).
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""What getaddrinfo returns, and what aiohttp connects to."""

_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "100.100.100.200", "fd00:ec2::254"))
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_LOCAL_USE: Final = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "fec0::/10", "5f00::/16")))
"""Networks for local use that `ipaddress` takes for global: NAT64, site-local, SRv6."""


class ForbiddenAddress(OSError):
    """A connection may not be opened to this address; an `OSError`, as the caller expects."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} may not be connected to")


def may_connect(text: str, *, non_public: bool) -> bool:
    """Say whether an address may be connected to; `non_public` is True for hosts named so."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_may_connect(each, non_public=non_public) for each in _with_embedded(address))


def socket_factory(*, non_public: bool) -> Callable[[AddressInfo], socket.socket]:
    """
    Return what opens sockets for aiohttp, which calls it with the address it then connects to.

    Literal addresses and resolved names pass through it alike. Raises `ForbiddenAddress`.
    """

    def open_socket(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not may_connect(str(address[0]), non_public=non_public):
            raise ForbiddenAddress(str(address[0]))
        return socket.socket(family, kind, protocol)

    return open_socket


def _may_connect(address: Address, *, non_public: bool) -> bool:
    if address in _METADATA or address.is_unspecified or address.is_multicast:
        return False
    return non_public or (
        address.is_global
        and not address.is_reserved
        and not any(address in network for network in _LOCAL_USE)
    )


def _with_embedded(address: Address) -> Iterator[Address]:
    """Yield the address that decides, and those embedded in it."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    low_bits = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield low_bits
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in _COMPATIBLE and not (address.is_loopback or address.is_unspecified):
            yield low_bits
