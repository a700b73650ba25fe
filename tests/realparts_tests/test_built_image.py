"""An image is built anew when something that goes into it has changed, and only then."""

from collections.abc import Callable
from pathlib import Path

import pytest

from realparts import built_image
from realparts.built_image import INPUTS, fingerprint, input_files
from realparts.image_build import ROOT


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a tree with one file for each input."""
    for name in INPUTS:
        place = tmp_path / name
        file = place / "file" if (ROOT / name).is_dir() else place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    monkeypatch.setattr(built_image, "ROOT", tmp_path)
    return tmp_path


def test_each_input_makes_another_image(sources: Path) -> None:
    """A change in any place that the Dockerfile copies from is another fingerprint."""
    seen = {fingerprint("amd64")}
    for file in list(input_files()):
        file.write_text("changed", encoding="utf-8")
        seen.add(fingerprint("amd64"))

    assert 1 + len(INPUTS) == len(seen)


def test_each_architecture_has_its_own_image(sources: Path) -> None:
    """The same sources give two images."""
    assert fingerprint("amd64") != fingerprint("arm64")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "docs.md").write_text("new", encoding="utf-8"),
        lambda root: _compiled(root / "app/landwaiter"),
    ],
    ids=["elsewhere", "bytecode"],
)
def test_nothing_else_does(sources: Path, change: Callable[[Path], object]) -> None:
    """Documents, tests and what Python leaves behind do not build the image again."""
    before = fingerprint("amd64")
    change(sources)

    assert before == fingerprint("amd64")


def _compiled(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "file.pyc").write_bytes(b"new")
