"""Which addresses a connection may be opened to, and that nothing gets round it."""

import ipaddress
import socket

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.registry.addresses import ForbiddenAddress, may_connect, socket_factory
from landwaiter.registry.resolver import BoundedResolver
from registry.clients import BOUNDED
from registry.fake_registry import FakeRegistry

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NON_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "5f00::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::808:808",
]
FOR_NOBODY = [
    "169.254.169.254",
    "100.100.100.200",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "0.0.0.0",  # noqa: S104 - It is refused.
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "ff02::1",
    "",
    "localhost",
    "2130706433",
    "0x7f.1",
    "127.1",
]


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        *((address, (True, True)) for address in PUBLIC),
        *((address, (False, True)) for address in NON_PUBLIC),
        *((address, (False, False)) for address in FOR_NOBODY),
    ],
)
def test_semantics_11_which_addresses_are_for_whom(
    address: str, allowed: tuple[bool, bool]
) -> None:
    """Public addresses are for all hosts, non-public ones for named hosts, some for none."""
    assert allowed == (
        may_connect(address, non_public=False),
        may_connect(address, non_public=True),
    )


@settings(BOUNDED, max_examples=300)
@given(st.ip_addresses(v=4))
def test_embedding_an_address_opens_no_way_to_it(address: ipaddress.IPv4Address) -> None:
    """What may not be reached as IPv4 may not be reached inside an IPv6 address either."""
    number = int(address)
    embedded = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80),
    ]
    if number > 1:
        embedded.append(ipaddress.IPv6Address(number))
    plain = may_connect(str(address), non_public=False)

    assert [] == [each for each in embedded if may_connect(str(each), non_public=False) > plain]


def test_the_socket_factory_refuses_before_there_is_a_socket() -> None:
    """No socket is made for an address that may not be connected to."""
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    with pytest.raises(ForbiddenAddress):
        socket_factory(non_public=False)(info)

    with socket_factory(non_public=True)(info) as opened:
        assert socket.AF_INET == opened.family


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "0177.0.0.1"])
async def test_aiohttp_opens_every_connection_through_the_factory(host: str) -> None:
    """Literal addresses, names and odd spellings all meet the rule at the socket itself."""
    async with FakeRegistry() as registry:
        connector = aiohttp.TCPConnector(socket_factory=socket_factory(non_public=False))
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://{host}:{registry.port}/")

        assert [] == registry.seen


async def test_a_name_with_only_forbidden_addresses_does_not_resolve() -> None:
    """The resolver gives out no address that may not be connected to, and says so."""
    resolver = BoundedResolver(non_public=False)
    with pytest.raises(ForbiddenAddress):
        await resolver.resolve("localhost", 80)

    await resolver.close()


async def test_a_named_host_resolves_to_its_non_public_addresses() -> None:
    """For a named host the resolver returns what the system says."""
    resolver = BoundedResolver(non_public=True)
    found = await resolver.resolve("localhost", 80, socket.AF_INET)
    await resolver.close()

    assert ["127.0.0.1"] == [each["host"] for each in found]
