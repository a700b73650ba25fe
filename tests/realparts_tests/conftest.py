"""What several tests of the real parts' installation need."""

from pathlib import Path

import pytest

from realparts_tests.workplace import Workplace, pins_of_a_tool


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Give a machine on which nothing is installed, without a network."""
    place = Workplace(folder=tmp_path, pins=pins_of_a_tool(tmp_path / "module"))
    monkeypatch.setenv("LANDWAITER_CACHE", str(place.cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PATH", str(place.programs))
    return place
