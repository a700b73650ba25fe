"""Landwaiter as the image has it: started by runc, with its folder mounted at /etc/landwaiter."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from realparts.built_image import BuiltImage
from realparts.container import Container
from realparts.control_plane import ControlPlane
from realparts.landwaiter import Landwaiter

PLACE = "/etc/landwaiter"
USER = 65532


class ContainedLandwaiter(Landwaiter):
    """`serve` of an image; everything that it is told to read lies in one folder."""

    def __init__(
        self,
        folder: Path,
        image: BuiltImage,
        *,
        policies: str,
        registries: str = '{"registries": []}',
        cluster: ControlPlane | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._image = image
        self.container: Container | None = None
        super().__init__(
            folder / "served",
            policies=policies,
            registries=_with_files_in(folder / "served", registries),
            cluster=cluster,
            arguments=arguments,
        )

    def command(self) -> list[str]:
        """Return the command that starts it in a container of its own."""
        ours = [each for each in super().command()[3:] if not each.startswith("--cosign=")]
        arguments = [each.replace(str(self.folder), PLACE) for each in ours]
        self.container = Container(
            self.folder.with_name("container"),
            self._image,
            arguments,
            mounts={PLACE: self.folder},
        )
        _give_to_user(self.folder)
        return self.container.command

    def first_process(self) -> int:
        """Return the number that process 1 of the container has on this machine."""
        return Container.first_process(self.process.pid)

    def stop(self) -> None:
        """End it at once, and have runc forget it."""
        super().stop()
        if self.container is not None:
            self.container.remove()


def _with_files_in(folder: Path, registries: str) -> str:
    """Copy the authorities of registries into the folder; return the document that names these."""
    document = json.loads(registries)
    folder.mkdir()
    for number, registry in enumerate(document["registries"]):
        if "caFile" in registry:
            copy = folder / f"authority-{number}.pem"
            shutil.copy(registry["caFile"], copy)
            registry["caFile"] = f"{PLACE}/{copy.name}"
    return json.dumps(document)


def _give_to_user(folder: Path) -> None:
    """Make everything readable for the image's user, as `fsGroup` does for mounted Secrets."""
    for each in [folder, *folder.rglob("*")]:
        os.chown(each, USER, USER)
