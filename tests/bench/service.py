"""Some servers behind a round-robin of their connections, as replicas are behind a Service."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from bench.load import Result
from bench.loading import Bodies, load, specification
from bench.scene import READY_SECONDS, Scene, listens
from realparts.landwaiter import Landwaiter
from realparts.processes import ChildProcess, free_port, retried_on_port_clash

HERE = Path(__file__).resolve().parent
REPLICAS = (1, 2, 3, 4)
CONNECTIONS = 24
"""A multiple of each number of processes, so that each has as many."""


def processes(count: int) -> str:
    """Return so many processes in words."""
    return f"{count} process" + ("es" if count > 1 else "")


class Service:
    """The first of some servers behind a round-robin, from `with` to its end."""

    def __init__(self, scene: Scene, servers: Sequence[Landwaiter]) -> None:
        self.servers = tuple(servers)
        self._scene = scene
        self.port = 0

    def _start(self) -> ChildProcess:
        self.port = free_port()
        ports = [str(server.port) for server in self.servers]
        process = ChildProcess(
            "round-robin",
            [sys.executable, str(HERE / "round_robin.py"), str(self.port), *ports],
            log=self._scene.folder / "round-robin.log",
            environment={"PATH": os.defpath},
        )
        process.wait_until_ready(lambda: listens(self.port), within_seconds=READY_SECONDS)
        return process

    def __enter__(self) -> Self:
        self._process = retried_on_port_clash(self._start)
        return self

    def __exit__(self, *of_exception: object) -> None:
        self._process.kill()

    def sent(self, bodies: Bodies, **settings: object) -> Result:
        """Return what came of a load that the servers share."""
        wanted = specification(
            self._scene,
            self.servers[0],
            bodies,
            **{
                "port": self.port,
                "ca": str(self._authorities()),
                "connections": CONNECTIONS,
                "server_pids": [server.process.pid for server in self.servers],
                **settings,
            },
        )
        return load(self._scene, wanted, on_one_core=False)

    def _authorities(self) -> Path:
        """Return a file with who vouches for each of them."""
        file = self._scene.folder / "authorities.pem"
        file.write_text("".join(each.authority.certificate.read_text() for each in self.servers))
        return file
