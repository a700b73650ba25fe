"""
Makes images from nothing and pushes them to a test registry, with the real crane.

The same arguments always give the same digest: layers carry no times and no owners.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realparts.install import ensure
from realparts.processes import run
from realparts.registries import Login, Registry
from realparts.registry_tools import tool_environment

CRANE_SECONDS = 60.0

Layer = Mapping[str, bytes]
"""The files of a layer: their paths and contents."""


class ImageMaker:
    """
    Makes, reads and deletes images of one registry.

    Names are written without the registry: `team/app:1.0` or `team/app@sha256:...`. What it returns
    is whole: `127.0.0.1:5000/team/app@sha256:...`.
    """

    def __init__(self, folder: Path, registry: Registry, *, login: Login | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._registry = registry
        self._environment = tool_environment(folder, registry, login)
        self._crane = ensure(["crane"])["crane"]

    def make_image(
        self,
        name: str,
        *,
        layers: Sequence[Layer] = (),
        platform: str = "linux/amd64",
        labels: Mapping[str, str] | None = None,
        user: str | None = None,
        oci: bool = True,
    ) -> str:
        """
        Push an image and return its reference by digest.

        Without layers it gets one that tells its name, so that different names differ in digest.
        With `oci` false it has Docker's media types.
        """
        files = [self._archive(layer) for layer in layers or [{"name": name.encode()}]]
        arguments = [f"--new_layer={file}" for file in files]
        if oci:
            arguments.append("--oci-empty-base")
        made = self._run("append", *arguments, f"--new_tag={self.full(name)}")
        changes = [f"--set-platform={platform}"]
        changes += [f"--label={key}={value}" for key, value in (labels or {}).items()]
        if user is not None:
            changes.append(f"--user={user}")
        return self._run("mutate", made, *changes, f"--tag={self.full(name)}")

    def make_described_image(
        self, name: str, config: Mapping[str, Any], *, layer_bytes: int = 64
    ) -> str:
        """
        Push an image with exactly this config blob and one layer, and return it by digest.

        The layer is no archive, and the config may lie: nobody unpacks what is only judged.
        """
        layout = self._folder / f"layout-{hashlib.sha256(name.encode()).hexdigest()}"
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)

        def stored(content: bytes, kind: str) -> dict[str, Any]:
            digest = hashlib.sha256(content).hexdigest()
            (blobs / digest).write_bytes(content)
            media_type = f"application/vnd.oci.image.{kind}"
            return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

        layer = name.encode().ljust(layer_bytes, b"\0")
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": stored(json.dumps(config).encode(), "config.v1+json"),
            "layers": [stored(layer, "layer.v1.tar")],
        }
        index = {
            "schemaVersion": 2,
            "manifests": [stored(json.dumps(manifest).encode(), "manifest.v1+json")],
        }
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
        (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")
        return self._run("push", str(layout), self.full(name))

    def make_index(self, name: str, references: Sequence[str]) -> str:
        """Push an index of images made before and return its reference by digest."""
        manifests = [f"--manifest={each}" for each in references]
        return self._run("index", "append", *manifests, f"--tag={self.full(name)}")

    def full(self, name: str) -> str:
        """Return a name with this registry before it."""
        return f"{self._registry.host}/{name}"

    def digest(self, name: str) -> str:
        """Return the digest that a name has now."""
        return self._run("digest", self.full(name))

    def manifest(self, name: str) -> dict[str, Any]:
        """Return the manifest or index behind a name."""
        answer: dict[str, Any] = json.loads(self._run("manifest", self.full(name)))
        return answer

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository, those of signatures included, in order."""
        return sorted(self._run("ls", self.full(repository)).split())

    def tag(self, name: str, tag: str) -> None:
        """Give an image another tag in its repository, or move that tag to it."""
        self._run("tag", self.full(name), tag)

    def copy(self, reference: str, name: str) -> str:
        """Copy an image, without its signatures, and return the copy's reference by digest."""
        self._run("copy", reference, self.full(name))
        return f"{self.full(_repository_of(name))}@{self.digest(name)}"

    def delete(self, name: str) -> None:
        """Delete the manifest behind a digest, or in some registries a tag."""
        self._run("delete", self.full(name))

    def _archive(self, layer: Layer) -> Path:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for path, data in sorted(layer.items()):
                entry = tarfile.TarInfo(path)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        digest = hashlib.sha256(content.getvalue()).hexdigest()
        file = self._folder / f"layer-{digest}.tar"
        file.write_bytes(content.getvalue())
        return file

    def _run(self, *arguments: str) -> str:
        command = [str(self._crane), *arguments]
        answer = run(command, environment=self._environment, timeout_seconds=CRANE_SECONDS)
        return answer.stdout.strip()


def _repository_of(name: str) -> str:
    """Return `team/app` of `team/app`, `team/app:1.0` and `team/app@sha256:...`."""
    folders, slash, last = name.partition("@")[0].rpartition("/")
    return f"{folders}{slash}{last.partition(':')[0]}"
