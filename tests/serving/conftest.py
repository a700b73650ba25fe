"""The event loop that production runs on, and certificates made once."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from realparts.certificates import Authority
from serving.clients import Certificates


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], uvloop.Loop]]:
    """Run the tests of this room on uvloop, whose TLS differs from asyncio's."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return a CA with a serving certificate for loopback."""
    folder: Path = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    return Certificates(authority, authority.issue_server())
