"""Gives the tests of wiring the event loop that Landwaiter serves on, and their real parts."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from realparts.building import BuildError
from realparts.cache import CacheError
from realparts.install import ensure
from realparts.toolchain import NoGoError

HERE = Path(__file__).parent
PARTS = ("cosign3", "cosign2", "crane", "refregistry")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the event loop that every test here is run on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or build the real parts before the first test that needs them, on no test's time."""
    needed = any(
        item.path.is_relative_to(HERE) and item.get_closest_marker("system")
        for item in session.items
    )
    if not needed or session.config.option.collectonly:
        return
    try:
        ensure(PARTS)
    except (BuildError, CacheError, NoGoError) as error:
        pytest.exit(f"the real parts of the system tests are not ready: {error}", returncode=1)
