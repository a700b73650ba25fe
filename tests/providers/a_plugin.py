"""
Programs that give credentials, as installs run them: real ones, which count how often they ran.

`a_plugin` writes a credential provider, `a_helper` a Docker credential helper. The Python that they
run has `asked` (what was read on standard input), `answer` (which prints an answer) and `folder`,
where the program stands.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from landwaiter.providers.config import CredentialProviderConfig, Provider

API: Final = "credentialprovider.kubelet.k8s.io/v1"
NAME: Final = "example-credential-provider"

_PLUGIN: Final = """\
#!{python} -IS
import json, os, sys, time
from pathlib import Path
folder = Path({folder!r})
asked = sys.stdin.read()
with (folder / "{name}.runs").open("a") as runs:
    runs.write(asked.replace("\\n", " ") + "\\n")

def answer(logins, cache="Image", **more):
    auth = {{key: {{"username": name, "password": word}} for key, (name, word) in logins.items()}}
    print(json.dumps({{
        "kind": "CredentialProviderResponse", "apiVersion": {api!r},
        "cacheKeyType": cache, "auth": auth, **more,
    }}))

"""


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def a_program(folder: Path, body: str, name: str) -> Path:
    """Write a program and return it."""
    head = _PLUGIN.format(python=sys.executable, folder=str(folder), name=name, api=API)
    path = folder / name
    path.write_text(head + body, encoding="utf-8")
    path.chmod(0o755)
    return path


def a_plugin(folder: Path, body: str, *, name: str = NAME) -> Path:
    """Write a credential provider plugin that does what `body` says, and return it."""
    return a_program(folder, body, name)


def a_helper(folder: Path, body: str, *, name: str = "example") -> Path:
    """Write a Docker credential helper that does what `body` says, and return it."""
    return a_program(folder, body, f"docker-credential-{name}")


def asked(folder: Path, name: str = NAME) -> list[str]:
    """Return what a program was asked, run by run."""
    file = folder / f"{name}.runs"
    return file.read_text("utf-8").splitlines() if file.exists() else []


def images_asked(folder: Path, name: str = NAME) -> list[str]:
    """Return the images that a plugin was asked for, run by run."""
    return [json.loads(line)["image"] for line in asked(folder, name)]


def pids_in(folder: Path) -> list[int]:
    """Return the processes after which files in a folder are named."""
    return [int(each.name) for each in folder.iterdir() if each.name.isdecimal()]


def an_entry(
    match: Sequence[str], *, name: str = NAME, cache: str = "1h", **more: object
) -> dict[str, Any]:
    """Return one provider of a `CredentialProviderConfig`."""
    return {
        "name": name,
        "matchImages": list(match),
        "defaultCacheDuration": cache,
        "apiVersion": API,
        **more,
    }


def a_config(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `CredentialProviderConfig`."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1",
        "kind": "CredentialProviderConfig",
        "providers": list(entries),
    }


def providers(folder: Path, *entries: Mapping[str, Any]) -> tuple[Provider, ...]:
    """Return the plugins in a folder that the entries name."""
    return CredentialProviderConfig.of(a_config(*entries)).plugins(folder)
