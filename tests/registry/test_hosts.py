"""A registry that cannot be asked is refused, and whatever else a name can hold can be asked."""

import socket

import pytest
from aiohttp import ClientConnectorError, ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from landwaiter.errors import ContentMalformed, InvalidReference
from landwaiter.images.reference import ImageReference
from landwaiter.registry.addresses import AddressInfo
from landwaiter.registry.hosts import check_can_be_asked
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.registry.settings import RegistrySettings
from registry.clients import BOUNDED, client_for, soon

HOST_WANTED = "a name of DNS, or an address of IPv4 or in brackets of IPv6 is wanted"
PORT_WANTED = "a port of 1 to 65535 is wanted"


@pytest.mark.parametrize(
    ("registry", "wanted"),
    [
        ("registry.example.com:99999", PORT_WANTED),
        ("registry.example.com:65536", PORT_WANTED),
        ("registry.example.com:0", PORT_WANTED),
        ("[:::]", HOST_WANTED),
        ("[1]:5000", HOST_WANTED),
        ("[12345::]", HOST_WANTED),
        ("127.1:5000", HOST_WANTED),
        ("1.2.3", HOST_WANTED),
        ("1.2.3.4.5", HOST_WANTED),
        ("256.1.1.1", HOST_WANTED),
        ("010.0.0.1", HOST_WANTED),
        ("0x7f.1", HOST_WANTED),
        ("registry.0x7f", HOST_WANTED),
        (f"{'a' * 64}.example.com", HOST_WANTED),
        (f"{'a.' * 126}com", HOST_WANTED),
    ],
)
async def test_semantics_14_what_cannot_be_asked_is_the_images_problem(
    registry: str, wanted: str
) -> None:
    """It is refused without a request, under failurePolicy Ignore as well."""
    image = ImageReference.parse(f"{registry}/team/app:1")
    async with client_for(RegistrySettings()) as client:
        with pytest.raises(ContentMalformed) as caught:
            await client.resolve(image, keychain=EMPTY_KEYCHAIN, deadline=soon())

    assert f"no registry can be asked at {registry}; {wanted}" == str(caught.value)


@pytest.mark.parametrize(
    "registry",
    [
        "docker.io",
        "localhost",
        "Registry.Example.com:443",
        "registry.example.com:65535",
        "registry.example.com:00443",
        "10.0.0.1:5000",
        "[::1]:5000",
        "[::ffff:7f00:1]",
        "xn--bcher-kva.example",
        "1password.example",
        f"{'a' * 63}.example",
        f"{'a.' * 125}com",
    ],
)
def test_what_can_be_asked_is_asked(registry: str) -> None:
    """Nothing is wrong with these names."""

    check_can_be_asked(registry)


LABELS = st.text("aA0x9-", min_size=1, max_size=70)
HOSTS = st.lists(LABELS, min_size=1, max_size=5).map(".".join) | st.text(
    "0123456789abcdef:", min_size=1, max_size=12
).map("[{}]".format)


NOWHERE = "nobody is asked in this test"


class NoNames(AbstractResolver):
    """Resolves nothing, so that no name is asked for."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(NOWHERE)

    async def close(self) -> None:
        pass


def no_socket(info: AddressInfo) -> socket.socket:
    raise OSError(NOWHERE)


@given(HOSTS, st.none() | st.integers(0, 99999))
@BOUNDED
async def test_no_registry_raises_anything_else(host: str, port: int | None) -> None:
    """What parses is refused here, or is a URL that the HTTP client takes."""
    registry = host if port is None else f"{host}:{port}"
    try:
        image = ImageReference.parse(f"{registry}/team/app")
        check_can_be_asked(image.registry)
    except (InvalidReference, ContentMalformed):
        return

    connector = TCPConnector(resolver=NoNames(), socket_factory=no_socket)
    async with ClientSession(connector=connector) as session:
        with pytest.raises(ClientConnectorError):
            await session.get(URL(f"https://{image.registry}").with_path("/v2/"))
