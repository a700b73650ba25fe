"""
Which real programs there are, in which version, and how each is built.

Source: `versions.toml` beside this file; nothing else names a version. The `go.mod` and `go.sum`
files below `modules/` are lock files that follow it.
"""

import hashlib
import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

BUILD_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false")
"""What every build is called with, besides its linker flags."""

BUILD_ENVIRONMENT: Mapping[str, str] = {
    "CGO_ENABLED": "0",  # The programs then run on any Linux, whatever its C library.
    "GOFLAGS": "",
    "GOOS": "",
    "GOARCH": "",
    "GOROOT": "",  # Else a pinned Go would use the standard library of another.
    "GOTOOLCHAIN": "local",  # A Go that is too old is replaced by the pinned one, never updated.
    "GOWORK": "off",
}
"""Settings that a person's own Go configuration must not change."""


@dataclass(frozen=True, slots=True)
class Module:
    """
    A folder with a `go.mod`, and the main dependency whose version is pinned.

    `tags` are those of its build. `staged` are the releases of modules that Kubernetes keeps in its
    own tree and that are not of the same version.
    """

    folder: Path
    path: str
    version: str
    stamps: tuple[str, ...]
    tags: tuple[str, ...] = ()
    staged: Mapping[str, str] = field(default_factory=dict)

    @property
    def linker_flags(self) -> str:
        """Return the value of `-ldflags`: no debug tables, and the version stamped in."""
        major, minor, _ = numbers_of(self.version)
        stamps = (s.format(version=self.version, major=major, minor=minor) for s in self.stamps)
        return " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in stamps)])

    @property
    def build_flags(self) -> tuple[str, ...]:
        """Return what its build is called with, besides its linker flags."""
        return (*BUILD_FLAGS, *self.tag_flags)

    @property
    def tag_flags(self) -> tuple[str, ...]:
        """Return what tells `go build` and `go list` which files belong to it."""
        return (f"-tags={','.join(self.tags)}",) if self.tags else ()

    @property
    def fingerprint(self) -> str:
        """Return twelve hex digits that change whenever a build could give another program."""
        digest = hashlib.sha256()
        for file in sorted(self.folder.iterdir()):
            digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
        machine = f"{platform.system()}/{platform.machine()}"
        digest.update("\0".join([*self.build_flags, self.linker_flags, machine]).encode())
        return digest.hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Part:
    """One program of a module."""

    name: str
    module: Module
    program: str
    package: str
    names_on_path: tuple[str, ...]
    version_arguments: tuple[str, ...]
    expected_seconds: int
    disk_mib: int

    @property
    def version(self) -> str:
        """Return the pinned version, with its leading `v`."""
        return self.module.version

    @property
    def key(self) -> str:
        """Return the name of this part's folder in the cache."""
        return f"{self.name}-{self.version}-{self.module.fingerprint}"

    def is_named_in(self, version_output: str) -> bool:
        """Say whether what a program prints about itself names exactly the pinned version."""
        bare = re.escape(self.version.removeprefix("v"))
        return re.search(rf"(?<![\w.-])v?{bare}(?![\w.-])", version_output) is not None


@dataclass(frozen=True, slots=True)
class GoPins:
    """The oldest Go that builds every part, and the wheel to install where there is none."""

    minimum: str
    wheel_name: str
    wheel_version: str
    wheel_sha256: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """Return the line of a requirements file for `pip install --require-hashes`."""
        hashes = (f"--hash=sha256:{each}" for each in self.wheel_sha256)
        return " ".join([f"{self.wheel_name}=={self.wheel_version}", *hashes])


@dataclass(frozen=True, slots=True)
class Pins:
    """Everything that `versions.toml` says."""

    go: GoPins
    modules: Mapping[str, Module]
    parts: Mapping[str, Part]


def numbers_of(version: str) -> tuple[int, int, int]:
    """Return major, minor and patch of `v1.36.3` or `1.26`; raise `ValueError` for other texts."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        raise ValueError(f"not a version: {version!r}, wanted one like 'v1.2.3'")
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


def read_pins(file: Path = HERE / "versions.toml") -> Pins:
    """Return the pins of a file; module folders are looked for in `modules/` beside it."""
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    modules = {
        name: _module(file.parent / "modules" / name, table)
        for name, table in document["modules"].items()
    }
    parts = {name: _part(name, table, modules) for name, table in document["parts"].items()}
    return Pins(go=_go_pins(document["go"]), modules=modules, parts=parts)


def _go_pins(table: dict[str, Any]) -> GoPins:
    wheel = table["wheel"]
    return GoPins(
        minimum=table["minimum"],
        wheel_name=wheel["name"],
        wheel_version=wheel["version"],
        wheel_sha256=tuple(wheel["sha256"]),
    )


def _module(folder: Path, table: dict[str, Any]) -> Module:
    return Module(
        folder=folder,
        path=table["path"],
        version=table["version"],
        stamps=tuple(table.get("stamps", ())),
        tags=tuple(table.get("tags", ())),
        staged=table.get("staged", {}),
    )


def _part(name: str, table: dict[str, Any], modules: Mapping[str, Module]) -> Part:
    return Part(
        name=name,
        module=modules[table["module"]],
        program=table["program"],
        package=table["package"],
        names_on_path=tuple(table["on-path"]),
        version_arguments=tuple(table["version-arguments"]),
        expected_seconds=table["seconds"],
        disk_mib=table["disk-mib"],
    )
