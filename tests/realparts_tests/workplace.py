"""A Go that is a few lines of Python, and pins of a part that it builds in no time."""

import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from realparts.pins import GoPins, Module, Part, Pins

GO = """#!{python} -I
import os, sys, time

if sys.argv[1:] == ["version"]:
    print("go version {version} linux/amd64")
    sys.exit()
if sys.argv[1:] == ["env", "GOCACHE", "GOMODCACHE"]:
    print("{folder}/compiled", "{folder}/downloaded", sep="\\n")
    sys.exit()
assert sys.argv[1] == "build", sys.argv
with open("{folder}/builds", "a") as builds:
    builds.write("built\\n")
time.sleep({seconds})
if {fails}:
    sys.exit("\\n".join(f"line {{n}}" for n in range(1, 41)))
target = sys.argv[sys.argv.index("-o") + 1]
os.makedirs(os.path.dirname(target), exist_ok=True)
with open(target, "w") as program:
    program.write("#!/bin/sh\\necho tool {says}\\n")
os.chmod(target, 0o755)
"""


@dataclass(frozen=True, slots=True)
class Workplace:
    """A cache, a PATH with nothing but what a test puts on it, and pins of one part, `tool`."""

    folder: Path
    pins: Pins

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def programs(self) -> Path:
        return self.folder / "programs"

    @property
    def builds(self) -> int:
        """Return how many builds were begun."""
        file = self.folder / "builds"
        return len(file.read_text(encoding="utf-8").split()) if file.exists() else 0

    def put_program(self, name: str, text: str) -> Path:
        """Put a program on PATH."""
        self.programs.mkdir(exist_ok=True)
        program = self.programs / name
        program.write_text(text, encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    def put_go(
        self,
        *,
        version: str = "go1.26.8",
        says: str = "v1.2.3",
        seconds: float = 0.0,
        fails: bool = False,
    ) -> None:
        """Put a Go on PATH whose builds take some time and give a program that says a version."""
        text = GO.format(
            python=sys.executable,
            folder=self.folder,
            version=version,
            says=says,
            seconds=seconds,
            fails=fails,
        )
        self.put_program("go", text)


def pins_of_a_tool(folder: Path) -> Pins:
    """Return pins whose only module is a folder, which is made where it is missing."""
    folder.mkdir(exist_ok=True)
    file = folder / "go.mod"
    if not file.exists():  # Another process may be reading it, and name its lock after it.
        file.write_text("module tool\n", encoding="utf-8")
    module = Module(folder=folder, path="example.com/tool", version="v1.2.3", stamps=())
    part = Part(
        name="tool",
        module=module,
        program="tool",
        package=".",
        names_on_path=("tool",),
        version_arguments=("--version",),
        expected_seconds=1,
        disk_mib=1,
    )
    # No index has this wheel: a test that gets that far fails without asking for it.
    go = GoPins(minimum="1.26.0", wheel_name="no-go", wheel_version="1.26.0", wheel_sha256=())
    return Pins(go=go, modules={"tool": module}, parts={"tool": part})
