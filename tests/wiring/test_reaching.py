"""Waiting until our own address answers."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from landwaiter.serving.certificates import CertificatePair, server_context
from landwaiter.tls.making import Identity, make_identity
from landwaiter.webhooks.settings import UrlAddress
from landwaiter.wiring import reaching
from landwaiter.wiring.reaching import until_reached
from realparts.processes import free_port
from tls.states import NOW

HOST = "127.0.0.1"


@pytest.fixture
def made() -> Identity:
    return make_identity([HOST], now=NOW)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PAUSE_SECONDS", 0.01)


@asynccontextmanager
async def listening(port: int, context: ssl.SSLContext) -> AsyncIterator[None]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), HOST, port, ssl=context)
    try:
        yield
    finally:
        server.close()


async def test_an_address_that_answers_is_reached(made: Identity) -> None:
    """Once it does; until then, however long it has not, it is asked again."""
    port = free_port()
    waiting = asyncio.create_task(until_reached(UrlAddress(HOST, port), lambda: made.ca))
    await asyncio.sleep(0.05)
    before = waiting.done()
    context = server_context(CertificatePair(made.chain, made.key))
    async with asyncio.timeout(10), listening(port, context):
        await waiting

    assert not before


@pytest.mark.parametrize("bundle", ["none", "other"])
async def test_an_address_that_does_not_answer_is_not_waited_for_long(
    made: Identity, bundle: str
) -> None:
    """Nor is one that nobody vouches for; then the object is made all the same."""
    port = free_port()
    other = make_identity([HOST], now=NOW).ca
    context = server_context(CertificatePair(made.chain, made.key))
    with capture_logs() as lines:
        async with asyncio.timeout(10), listening(port, context):
            await until_reached(
                UrlAddress(HOST, port),
                lambda: None if bundle == "none" else other,
                within_seconds=0.2,
            )

    assert [(each["log_level"], each["address"]) for each in lines] == [
        ("warning", f"https://{HOST}:{port}")
    ]
