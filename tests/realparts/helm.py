"""
Helm with the project's chart, as an admin runs it.

Our build of Helm takes a cluster that it does not ask for Kubernetes 1.20, which the chart refuses;
released builds know a newer one. So rendering always names a version.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from realparts.install import ensure
from realparts.pins import read_pins
from realparts.processes import run

CHART = Path(__file__).resolve().parents[2] / "charts" / "landwaiter"
KUBE_VERSION = read_pins().modules["kubernetes"].version
SECONDS = 120.0
RELEASE = "landwaiter"
NAMESPACE = "landwaiter-system"


class Helm:
    """Helm in an environment; without a cluster in it only what needs none works."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._program = ensure(["helm"])["helm"]
        self._environment = {"HOME": str(folder), "PATH": os.defpath, **(environment or {})}
        self._folder = folder

    def run(
        self,
        *arguments: str | Path,
        values: Mapping[str, Any] | None = None,
        check: bool = True,
        timeout_seconds: float = SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; `values` are given as a file of values, which is JSON here."""
        given = ["--values=-"] if values is not None else []
        return run(
            [self._program, *arguments, *given],
            environment=self._environment,
            timeout_seconds=timeout_seconds,
            directory=self._folder,
            stdin=json.dumps(values) if values is not None else "",
            check=check,
        )

    def rendered(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        kube_version: str = KUBE_VERSION,
        release: str = RELEASE,
        namespace: str = NAMESPACE,
        arguments: Sequence[str] = (),
    ) -> str:
        """Return what the chart renders. Raises `CommandFailedError` where it refuses to."""
        where = [f"--namespace={namespace}", f"--kube-version={kube_version}", *arguments]
        return self.run("template", release, CHART, *where, values=values or {}).stdout

    def objects(self, values: Mapping[str, Any] | None = None, **how: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # As `rendered`.
        """Return the objects that the chart renders."""
        found = yaml.safe_load_all(self.rendered(values, **how))
        return [each for each in found if each is not None]


def named(objects: Sequence[Mapping[str, Any]], kind: str, name: str = RELEASE) -> dict[str, Any]:
    """Return the one object of a kind and name."""
    (found,) = (
        dict(each) for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found
