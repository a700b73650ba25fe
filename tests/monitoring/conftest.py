"""Gives the tests of alerts and of the dashboard promtool, which is made ready before them."""

from pathlib import Path

import pytest

from realparts.building import BuildError
from realparts.cache import CacheError
from realparts.install import ensure
from realparts.toolchain import NoGoError

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder as `system`: promtool is a real part."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.system)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or build promtool, on no test's time."""
    chosen = any(item.path.is_relative_to(HERE) for item in session.items)
    if not chosen or session.config.option.collectonly:
        return
    try:
        ensure(["promtool"])
    except (BuildError, CacheError, NoGoError) as error:
        pytest.exit(f"promtool is not ready: {error}", returncode=1)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Give the program."""
    return ensure(["promtool"])["promtool"]
