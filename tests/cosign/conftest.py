"""Runs the runner on both event loops, and the rest on uvloop, on which Landwaiter serves."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop

from realparts.sigstore import PrivateSigstore

ON_BOTH_LOOPS = frozenset({"test_runner.py"})


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the event loops that a test is run on."""
    if item.path.name in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSigstore]:
    """Give a private Sigstore."""
    with PrivateSigstore(tmp_path_factory.mktemp("sigstore")) as sigstore:
        yield sigstore
