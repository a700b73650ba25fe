"""An image is built anew when something that goes into it has changed, and only then."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from realparts import built_image
from realparts.built_image import (
    INPUTS,
    KEPT_SECONDS,
    fingerprint,
    forget_old_images,
    input_files,
)
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


def test_images_that_nobody_uses_are_forgotten(tmp_path: Path) -> None:
    """The newest four stay, and so does what somebody may be using; remains of builds go."""
    now = 1_000_000.0
    ages = {f"amd64-{age}": float(age) for age in (1, 2, 3, 4, 5, int(KEPT_SECONDS) + 1)}
    for name, age in ages.items():
        (tmp_path / name / "root").mkdir(parents=True)
        os.utime(tmp_path / name, (now - age, now - age))
    (tmp_path / ".arm64-unfinished.123").mkdir()

    forget_old_images(tmp_path, now=now)

    kept = {each.name for each in tmp_path.iterdir()}
    assert {"amd64-1", "amd64-2", "amd64-3", "amd64-4", "amd64-5"} == kept
