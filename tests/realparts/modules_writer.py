"""
Carries the versions of `versions.toml` into the `go.mod` and `go.sum` lock files.

Only for upgrades, and the one verb that resolves dependencies. Kubernetes' published module points
its staging modules (`k8s.io/api` ...) at folders of its own tree; a user of it has to point each at
its release instead, whose version is v0 with the same minor and patch, unless `staged` names
another one.
"""

import os
import re
from pathlib import Path

from realparts.pins import BUILD_ENVIRONMENT, Module, Pins, numbers_of
from realparts.processes import run
from realparts.toolchain import find_or_install_go

COMMAND_SECONDS = 1800.0


def write_modules(pins: Pins) -> None:
    """Bring every module's files up to its pin."""
    go = find_or_install_go(pins.go, tick=print)
    environment = {**os.environ, **BUILD_ENVIRONMENT}
    for name, module in pins.modules.items():
        print(f"{name}: {module.path} {module.version}", flush=True)
        packages = [part.package for part in pins.parts.values() if part.module == module]
        for command in (
            ["mod", "edit", *wanted_edits(module)],
            ["mod", "tidy", "-e"],  # Tests of a dependency may need what cannot be had.
            [
                "list",
                "-deps",
                "-mod=readonly",
                *module.tag_flags,
                *packages,
            ],  # What the programs need is there.
        ):
            run(
                [go, *command],
                environment=environment,
                timeout_seconds=COMMAND_SECONDS,
                directory=module.folder,
            )


def wanted_edits(module: Module) -> list[str]:
    """Return the arguments of `go mod edit` that carry the pin into the module's `go.mod`."""
    _, minor, patch = numbers_of(module.version)
    replaces = [
        f"-replace={path}={path}@{module.staged.get(path, f'v0.{minor}.{patch}')}"
        for path in staging_modules(module.folder)
    ]
    return [f"-require={module.path}@{module.version}", *replaces]


def staging_modules(folder: Path) -> list[str]:
    """Return the modules that a folder's `go.mod` replaces by a release of themselves."""
    text = (folder / "go.mod").read_text(encoding="utf-8")
    return re.findall(r"^\s*(?:replace )?(\S+) => \1 v\S+$", text, flags=re.MULTILINE)
