"""
The image of the Dockerfile for one architecture, built once for each state of its inputs.

It is kept in the cache, as a root file system and the configuration beside it.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realparts.cache import cache_folder, locked, made_whole
from realparts.debian_tools import ensure_tools
from realparts.image_build import DOCKERFILE, ROOT, ImageBuild
from realparts.progress import Step

INPUTS = (
    ".dockerignore",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "app/landwaiter",
    "image",
    "pyproject.toml",
    "requirements",
    "tests/realparts/modules/cosign3",
)
"""All that the Dockerfile copies, and itself; whatever changes in there makes another image."""

ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
KEPT_IMAGES = 4
KEPT_SECONDS = 3600.0
"""An older image than the newest few goes when nobody has wanted it for so long."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image for one architecture."""

    folder: Path
    architecture: str

    @property
    def root(self) -> Path:
        """Return its root file system, which nobody may write to."""
        return self.folder / "root"

    @property
    def configuration(self) -> dict[str, Any]:
        """Return its OCI configuration: architecture, user, environment, labels."""
        text = (self.folder / "configuration.json").read_text("utf-8")
        document: dict[str, Any] = json.loads(text)
        return document


def native_architecture() -> str:
    """Return the architecture of this machine as images name it."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def foreign_architecture() -> str:
    """Return the architecture that this machine can only build for."""
    return "arm64" if native_architecture() == "amd64" else "amd64"


def dockerfile_defaults() -> dict[str, str]:
    """Return the value that each argument of the Dockerfile has where none is given."""
    text = DOCKERFILE.read_text("utf-8")
    return dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))


def input_files() -> Iterator[Path]:
    """Yield every file that can get into the build, in a stable order."""
    for name in INPUTS:
        place = ROOT / name
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


def find_or_build_image(architecture: str, step: Step) -> BuiltImage:
    """
    Return the image of the sources as they are now, building it where it is missing.

    Raises `NoToolError`, `NoGoError`, `CacheError` or `ProcessError`, whose messages are meant for
    people.
    """
    folder = cache_folder() / "images" / f"{architecture}-{fingerprint(architecture)}"
    if not folder.is_dir():
        ensure_tools(step)
        with locked("image-store", on_wait=lambda: step.tick("waiting for another build")):
            if not folder.is_dir():
                forget_old_images(folder.parent, now=time.time())
                with made_whole(folder) as unfinished:
                    build = ImageBuild(architecture, native_architecture(), step)
                    build.into(unfinished, bases=_bases())
    os.utime(folder)
    return BuiltImage(folder, architecture)


def _bases() -> list[str]:
    defaults = dockerfile_defaults()
    return [defaults["DEBIAN_BASE"], defaults["GO_BASE"]]


def fingerprint(architecture: str) -> str:
    """Return twelve hex digits that change whenever a build could give another image."""
    digest = hashlib.sha256(f"{architecture}\0".encode())
    for file in input_files():
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def forget_old_images(folder: Path, *, now: float) -> None:
    """Remove all but the newest images, unless used lately; the caller holds the store's lock."""
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob(".*"):
        shutil.rmtree(unfinished)
    last_used = {image: image.stat().st_mtime for image in folder.iterdir()}
    newest_first = sorted(last_used, key=last_used.__getitem__, reverse=True)
    for image in newest_first[KEPT_IMAGES:]:
        if now - last_used[image] > KEPT_SECONDS:
            shutil.rmtree(image)
