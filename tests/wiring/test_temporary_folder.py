"""Whether there is a folder for temporary files."""

import tempfile
from pathlib import Path

import pytest

from landwaiter.wiring.temporary_folder import TemporaryFolder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "disk"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_folder_that_is_missing_is_a_problem_until_it_is_there(folder: Path) -> None:
    """Each time it is looked at anew, and nothing is left in it."""
    check = TemporaryFolder()
    before = check.problem()
    folder.mkdir()
    after = check.problem()

    assert (
        "no temporary folder can be written to: No such file or directory",
        None,
        [],
    ) == (before, after, list(folder.iterdir()))


def test_a_folder_that_was_good_once_stays_so(folder: Path) -> None:
    """A disk that is full later makes nobody unready, for much is answered without it."""
    folder.mkdir()
    check = TemporaryFolder()
    before = check.problem()
    folder.rmdir()

    assert (None, None) == (before, check.problem())
