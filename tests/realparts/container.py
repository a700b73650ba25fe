"""
A program of an image, run by runc as a node would.

It has its own root file system, read-only, its own user and no capabilities, and is process 1. Only
the network is the machine's, since all that the tests talk to is on loopback. What may be written
is one folder, mounted at /tmp as an emptyDir is.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realparts.built_image import BuiltImage
from realparts.processes import run

RUNC_SECONDS = 30.0
HIDDEN = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/sched_debug", "/proc/timer_list")
DEVICES = ["nosuid", "strictatime", "mode=755", "size=65536k"]
TERMINALS = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]


class Container:
    """
    What starts one program of an image, and what remains of it.

    `mounts` are folders of this machine by the place in the container where they can be read; the
    place has to be in the image, whose root file system is used as it is.
    """

    def __init__(
        self,
        folder: Path,
        image: BuiltImage,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[str, Path] | None = None,
    ) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self._name = f"landwaiter-test-{os.getpid()}-{folder.name}"
        self.temporary.mkdir(parents=True)
        self.temporary.chmod(0o777)  # As the kubelet makes an emptyDir.
        specification = _specification(
            image,
            arguments,
            environment=environment or {},
            mounts=[_bind(self.temporary, "/tmp"), *_read_only(mounts or {})],  # noqa: S108
        )
        text = json.dumps(specification, indent=1)
        (folder / "config.json").write_text(text, encoding="utf-8")

    @property
    def command(self) -> list[str]:
        """
        Return what starts it and waits for its end.

        It is in a namespace of processes that ends with its starter, so that nothing outlives a
        test runner which is killed.
        """
        alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [*alone, *self._runc("run", f"--bundle={self.folder}", self._name)]

    def remove(self) -> None:
        """Have runc forget it, also when it was killed."""
        run(
            self._runc("delete", "--force", self._name),
            environment=os.environ,
            timeout_seconds=RUNC_SECONDS,
        )

    @staticmethod
    def first_process(starter: int) -> int:
        """Return the number that process 1 has on this machine, of what a running command is."""
        (runc,) = _children(starter)
        (first,) = _children(runc)
        return first

    def _runc(self, verb: str, *arguments: str) -> list[str]:
        return ["runc", f"--root={self.folder / 'runc'}", verb, *arguments]


def _children(process: int) -> list[int]:
    """Return the children of all of a process's threads: each thread has its own."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text("utf-8").split()]


def _specification(
    image: BuiltImage,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    mounts: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what a node makes of an image and of a container with the `restricted` settings."""
    settings = image.configuration["config"]
    user, _, group = settings["User"].partition(":")
    variables = [*settings["Env"], *(f"{name}={value}" for name, value in environment.items())]
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(image.root), "readonly": True},
        "process": {
            "user": {"uid": int(user), "gid": int(group)},
            "args": [*settings["Entrypoint"], *arguments],
            "env": variables,
            "cwd": settings["WorkingDir"],
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": DEVICES},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": TERMINALS},
            *mounts,
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "cgroup")],
            "maskedPaths": list(HIDDEN),
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
        },
    }


def _read_only(mounts: Mapping[str, Path]) -> list[dict[str, Any]]:
    return [_bind(source, target, "ro") for target, source in mounts.items()]


def _bind(source: Path, target: str, *options: str) -> dict[str, Any]:
    every = ["bind", "nosuid", "nodev", *options]
    return {"destination": target, "type": "bind", "source": str(source), "options": every}
