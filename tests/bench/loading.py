"""Loads that are sent to a server, or to a port that several share, by a process of their own."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Self

from bench.load import Result, Specification
from bench.machine import LOAD_CORE, keep_on_core
from bench.scene import Echo, Scene
from realparts.landwaiter import Landwaiter

HERE = Path(__file__).resolve().parent
LOAD_SECONDS = 300.0
ALLOWED = '"allowed":true'
ECHOED = '"kind":"AdmissionReview"'
ANSWERED = '"uid"'
"""What answers hold: of a review that is allowed, of the echo, of any review."""


class Bodies:
    """A file of reviews, one a line."""

    def __init__(self, scene: Scene, name: str, bodies: Sequence[bytes]) -> None:
        self.file = scene.folder / f"bodies-{name}"
        self.file.write_bytes(b"\n".join(bodies))
        self.count = len(bodies)


def specification(
    scene: Scene, server: Landwaiter | Echo, bodies: Bodies, **settings: object
) -> Specification:
    """Return what is to be sent to a server; the settings are fields of a `Specification`."""
    usual: dict[str, Any] = {
        "port": server.port,
        "path": "/validate",
        "expected": ALLOWED if isinstance(server, Landwaiter) else ECHOED,
        "ca": str(server.authority.certificate),
        "server_pids": [server.process.pid],
    }
    return Specification(
        bodies=str(bodies.file),
        certificate=str(scene.client.certificate),
        key=str(scene.client.key),
        **{**usual, **settings},
    )


class Load:
    """A load that is under way, from `with` to its end."""

    def __init__(self, scene: Scene, wanted: Specification, *, on_one_core: bool = True) -> None:
        file = scene.folder / "load.json"
        file.write_text(json.dumps(asdict(wanted)), encoding="utf-8")
        self._command = [sys.executable, str(HERE / "load.py"), str(file)]
        self._core = LOAD_CORE if on_one_core else None

    def __enter__(self) -> Self:
        self._process = Popen(self._command, stdout=PIPE)
        if self._core is not None:
            keep_on_core(self._process.pid, self._core)
        return self

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def result(self) -> Result:
        """Return what came of it, at its end."""
        output, _ = self._process.communicate(timeout=LOAD_SECONDS)
        if self._process.returncode:
            raise RuntimeError(f"the load ended with {self._process.returncode}; see above")
        return Result(**json.loads(output))

    def __exit__(self, *of_exception: object) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(timeout=LOAD_SECONDS)


def load(scene: Scene, wanted: Specification, *, on_one_core: bool = True) -> Result:
    """Return what came of a load, by default from a core of its own."""
    with Load(scene, wanted, on_one_core=on_one_core) as under_way:
        return under_way.result()
